"""Meters: what is taken in, what is refused, and what is billed for it."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


def setup(shop: Any, formula: str = "sum", amount: int | None = 10, **more: Any) -> tuple[str, str, Any, str]:
    """Subscribe a customer to a metered price on 1 April 2026: customer, clock, subscription, meter."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    meter = shop.meter("calls", formula)
    made = shop.subscribe(customer, {"price": shop.metered(meter, amount, **more)})
    return customer, clock, made, meter


def billed(shop: Any, clock: str, subscription: str) -> list[int]:
    """Let the month end and return the amounts of the invoices."""
    shop.move(clock, shop.at(2026, 5, 1, 1))
    return [i.total for i in shop.invoices(subscription=subscription)]


def test_usage_is_billed_in_arrears_and_nothing_before(shop: Any, gaps: Any) -> None:
    """No first invoice; then 3 + 4 calls at 0.10."""
    customer, clock, made, meter = setup(shop)
    assert (made.status, made.latest_invoice) == ("active", None)
    assert "quantity" not in made["items"].data[0]
    assert gaps(shop.client.v1.billing.meters.retrieve(meter)) == []
    shop.use(customer, "calls", 3)
    shop.use(customer, "calls", 4)
    assert billed(shop, clock, made.id) == [70]


@pytest.mark.parametrize(("formula", "total"), [("sum", 120), ("count", 30), ("last", 50)])
def test_meters_sum_count_or_keep_the_last(shop: Any, formula: str, total: int) -> None:
    """3, 4 and 5: twelve, three, or five; the last by its own time, not by arrival."""
    customer, clock, made, _ = setup(shop, formula)
    shop.use(customer, "calls", 3)
    shop.move(clock, shop.at(2026, 4, 20))
    shop.use(customer, "calls", 5, shop.at(2026, 4, 19))
    shop.use(customer, "calls", 4, shop.at(2026, 4, 18))
    assert billed(shop, clock, made.id) == [total]


def test_late_usage_counts_until_the_draft_finalizes(shop: Any) -> None:
    """Stamped inside the closed period: it counts in the draft's hour, not afterwards; a boundary stamp is next."""
    customer, clock, made, _ = setup(shop)
    shop.use(customer, "calls", 1)
    shop.move(clock, shop.at(2026, 5, 1, 0, 30))
    shop.use(customer, "calls", 2, shop.at(2026, 4, 30, 23, 59, 59))
    shop.use(customer, "calls", 40, shop.at(2026, 5, 1))
    draft = shop.invoices(subscription=made.id)[-1]
    assert (draft.status, draft.total) == ("draft", 10)
    shop.move(clock, shop.at(2026, 5, 1, 1))
    shop.use(customer, "calls", 400, shop.at(2026, 4, 30, 12))
    shop.move(clock, shop.at(2026, 6, 1, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [30, 400]


def test_drafts_can_show_late_usage_as_it_comes(shop: Any, sandbox: Any) -> None:
    """A setting of the account."""
    sandbox.admin("POST", "/settings", drafts_show_late_usage=True)
    customer, clock, made, _ = setup(shop)
    shop.move(clock, shop.at(2026, 5, 1, 0, 30))
    shop.use(customer, "calls", 2, shop.at(2026, 4, 30))
    assert shop.invoices(subscription=made.id)[-1].total == 20


def test_a_month_without_reports_is_a_line_of_zero(shop: Any) -> None:
    """0 × Gold, nothing to pay."""
    _, clock, made, _ = setup(shop)
    shop.move(clock, shop.at(2026, 5, 1, 1))
    only = shop.invoices(subscription=made.id)[0]
    assert shop.lines(only) == [("0 × Gold (at DKK 0.10 / month)", 0)]
    assert only.status == "paid"


def test_tiers_apply_to_the_whole_usage(shop: Any) -> None:
    """100 free, then 0.5 øre each: 250 calls are 75 øre."""
    tiers = [{"up_to": 100, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": "0.5"}]
    customer, clock, made, _ = setup(shop, "sum", None, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    for value in (120, 130):
        shop.use(customer, "calls", value)
    assert billed(shop, clock, made.id) == [75]


def test_late_usage_that_reaches_another_tier_adds_its_line(shop: Any) -> None:
    """80 of 100 free calls when the draft is made; 50 more before it finalizes are 30 at 0.5 øre: 15 øre."""
    tiers = [{"up_to": 100, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": "0.5"}]
    customer, clock, made, _ = setup(shop, "sum", None, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    shop.use(customer, "calls", 80)
    shop.move(clock, shop.at(2026, 5, 1, 0, 30))
    draft = shop.invoices(subscription=made.id)[-1]
    shop.client.v1.invoices.line_items.update(draft.id, draft.lines.data[0].id, {"metadata": {"seen": "yes"}})
    shop.use(customer, "calls", 50, shop.at(2026, 4, 30))
    shop.move(clock, shop.at(2026, 5, 1, 1))
    final = shop.invoices(subscription=made.id)[-1]
    assert [(x.quantity, x.amount, x.metadata.to_dict()) for x in final.lines.data] == [
        (100, 0, {"seen": "yes"}),
        (30, 15, {"seen": "yes"}),
    ]
    assert [(x.period.start, x.period.end) for x in final.lines.data] == [
        (shop.at(2026, 4, 1), shop.at(2026, 5, 1))
    ] * 2


def test_a_cancelled_event_takes_the_line_of_its_tier_along(shop: Any) -> None:
    """130 calls are in both tiers; without the event of 50 the 80 that are left are in the first."""
    tiers = [{"up_to": 100, "unit_amount": 2}, {"up_to": "inf", "unit_amount": 1}]
    customer, clock, made, _ = setup(shop, "sum", None, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    shop.move(clock, shop.at(2026, 4, 30, 12))
    shop.use(customer, "calls", 80)
    shop.use(customer, "calls", 50, identifier="wrong")
    shop.move(clock, shop.at(2026, 5, 1, 0, 30))
    assert [x.amount for x in shop.invoices(subscription=made.id)[-1].lines.data] == [200, 30]
    shop.client.v1.billing.meter_event_adjustments.create(
        {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "wrong"}}
    )
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert [(x.quantity, x.amount) for x in shop.invoices(subscription=made.id)[-1].lines.data] == [(80, 160)]


def test_an_identifier_counts_once(shop: Any) -> None:
    """The second answers 400 with Stripe's sentence."""
    customer, clock, made, _ = setup(shop)
    shop.use(customer, "calls", 3, identifier="one")
    with pytest.raises(stripe.InvalidRequestError, match="An event already exists with identifier"):
        shop.use(customer, "calls", 3, identifier="one")
    assert billed(shop, clock, made.id) == [30]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"event_name": "nothing"}, "no_meter"),
        ({"payload": {"stripe_customer_id": "cus_nobody", "value": "1"}}, "meter_event_customer_not_found"),
        ({"payload": {"value": "1"}}, "meter_event_no_customer_defined"),
        ({"payload": {"value": None}}, "meter_event_value_not_found"),
        ({"payload": {"value": "many"}}, "meter_event_invalid_value"),
        ({"timestamp": -36 * 86400}, "timestamp_too_far_in_past"),
        ({"timestamp": 301}, "timestamp_in_future"),
    ],
)
def test_events_that_cannot_be_billed_are_refused(shop: Any, change: dict[str, Any], code: str) -> None:
    """Each with its reason; times are those of the customer's clock."""
    customer, _, _, _ = setup(shop)
    payload = {"stripe_customer_id": customer, "value": "1"}
    if "payload" in change:
        given = change["payload"]
        payload = {k: v for k, v in {**payload, **given}.items() if v is not None}
        if "stripe_customer_id" not in given and given.get("value") == "1":
            del payload["stripe_customer_id"]
    event: dict[str, Any] = {"event_name": change.get("event_name", "calls"), "payload": payload}
    if "timestamp" in change:
        event["timestamp"] = shop.at(2026, 4, 1) + change["timestamp"]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.billing.meter_events.create(event)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_an_event_can_be_cancelled_for_a_day(shop: Any, gaps: Any) -> None:
    """Then it counts no more; after 24 hours it stays."""
    customer, clock, made, _ = setup(shop)
    for name in ("early", "late"):
        shop.use(customer, "calls", 3, identifier=name)
    cancel = shop.client.v1.billing.meter_event_adjustments.create
    done = cancel({"event_name": "calls", "type": "cancel", "cancel": {"identifier": "early"}})
    assert done.status == "complete"
    assert gaps(done) == []
    shop.move(clock, shop.at(2026, 4, 2, 1))
    with pytest.raises(stripe.InvalidRequestError, match="24 hours"):
        cancel({"event_name": "calls", "type": "cancel", "cancel": {"identifier": "late"}})
    assert billed(shop, clock, made.id) == [30]


def test_summaries_add_up_per_window(shop: Any, gaps: Any) -> None:
    """Per day, newest first, and as a whole; unaligned times are refused."""
    customer, clock, _, meter = setup(shop)
    shop.use(customer, "calls", 3)
    shop.move(clock, shop.at(2026, 4, 3))
    shop.use(customer, "calls", 4)
    listed = shop.client.v1.billing.meters.event_summaries.list
    window = {"customer": customer, "start_time": shop.at(2026, 4, 1), "end_time": shop.at(2026, 4, 4)}
    whole = listed(meter, window).data
    assert [s.aggregated_value for s in whole] == [7]
    assert gaps(whole[0]) == []
    days = listed(meter, {**window, "value_grouping_window": "day"}).data
    assert [(s.start_time, s.aggregated_value) for s in days] == [(shop.at(2026, 4, 3), 4), (shop.at(2026, 4, 1), 3)]
    with pytest.raises(stripe.InvalidRequestError, match="aligned"):
        listed(meter, {**window, "start_time": shop.at(2026, 4, 1, 0, 0, 1)})


def test_a_meter_can_be_stopped_and_started(shop: Any) -> None:
    """A stopped one takes nothing; its event name is free for another."""
    customer, _, _, meter = setup(shop)
    meters = shop.client.v1.billing.meters
    assert meters.update(meter, {"display_name": "Calls"}).display_name == "Calls"
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        shop.meter("calls")
    assert meters.deactivate(meter).status == "inactive"
    with pytest.raises(stripe.InvalidRequestError, match="No active meter"):
        shop.use(customer, "calls", 1)
    assert meters.reactivate(meter).status == "active"
    shop.use(customer, "calls", 1)


def test_a_lag_hides_what_was_reported_a_moment_ago(shop: Any, sandbox: Any) -> None:
    """Summaries are eventually consistent when the account says so."""
    sandbox.admin("POST", "/settings", meter_lag_seconds=60)
    customer, clock, _, meter = setup(shop)
    shop.use(customer, "calls", 3)
    window = {"customer": customer, "start_time": shop.at(2026, 4, 1), "end_time": shop.at(2026, 4, 2)}
    assert shop.client.v1.billing.meters.event_summaries.list(meter, window).data == []
    shop.move(clock, shop.at(2026, 4, 1, 0, 1))
    assert [s.aggregated_value for s in shop.client.v1.billing.meters.event_summaries.list(meter, window)] == [3]


def test_version_two_takes_events_singly_and_in_a_stream(shop: Any, sandbox: Any) -> None:
    """A session's token opens the stream; a bad event in it does not stop the others."""
    customer, clock, made, _ = setup(shop)
    payload = {"stripe_customer_id": customer, "value": "5"}
    single = shop.client.v2.billing.meter_events.create({"event_name": "calls", "payload": payload, "identifier": "a"})
    assert single.identifier == "a"
    session = shop.client.v2.billing.meter_event_session.create()
    streaming = sandbox.client(api_key=session.authentication_token)
    streaming.v2.billing.meter_event_stream.create(
        {
            "events": [
                {"event_name": "calls", "payload": payload, "identifier": "b"},
                {"event_name": "calls", "payload": payload, "identifier": "b"},
                {"event_name": "nothing", "payload": payload},
            ]
        }
    )
    shop.client.v2.billing.meter_event_adjustments.create(
        {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "a"}}
    )
    assert billed(shop, clock, made.id) == [50]


@pytest.mark.parametrize("value", ["1.5", "1e3", "1_000", "NaN", "", " 7", "٣", "many"])
def test_only_whole_numbers_are_usage(shop: Any, value: str) -> None:
    """Stripe's meters take whole numbers, written plainly."""
    customer, _, _, _ = setup(shop)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.use(customer, "calls", value)
    assert refused.value.http_status == 400
