"""Prorations to the second, in the three behaviours and both billing modes."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


def begin(shop: Any, *items: dict[str, Any], **more: Any) -> tuple[str, str, Any]:
    """Subscribe a new customer on 1 April 2026; returns customer, clock and subscription."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    return customer, clock, shop.subscribe(customer, *items, **more)


def item(subscription: Any, index: int = 0) -> str:
    """Return the id of an item."""
    return str(subscription["items"].data[index].id)


def test_a_change_of_quantity_credits_the_old_and_charges_the_new_by_the_second(shop: Any) -> None:
    """11 April 10:20:30 leaves 1,690,770 of 2,592,000 s: −3718.13 and +6196.88, collected by the renewal."""
    _, clock, made = begin(shop, {"price": shop.price(1900), "quantity": 3})
    shop.move(clock, shop.at(2026, 4, 11, 10, 20, 30))
    left = shop.at(2026, 5, 1) - shop.at(2026, 4, 11, 10, 20, 30)
    assert left == 1690770
    # 5700 × 1690770 / 2592000 = 3718.13…; 9500 × 1690770 / 2592000 = 6196.88…
    shop.change(made.id, items=[{"id": item(made), "quantity": 5}])
    shop.move(clock, shop.at(2026, 5, 1, 1))
    last = shop.invoices(subscription=made.id)[-1]
    assert shop.lines(last) == [
        ("Unused time on 3 × Gold after 11 Apr 2026", -3718),
        ("Remaining time on 5 × Gold after 11 Apr 2026", 6197),
        ("5 × Gold (at DKK 19.00 / month)", 9500),
    ]
    assert last.total == 11979
    credit, debit, renewal = last.lines.data
    assert credit.parent.subscription_item_details.proration is True
    assert credit.parent.subscription_item_details.subscription_item == item(made)
    first = shop.invoices(subscription=made.id)[0]
    credited = credit.parent.subscription_item_details.proration_details.credited_items
    assert (credited.invoice, credited.invoice_line_items) == (first.id, [first.lines.data[0].id])
    assert (debit.discountable, renewal.parent.subscription_item_details.proration) == (False, False)
    assert (credit.period.start, credit.period.end) == (shop.at(2026, 4, 11, 10, 20, 30), shop.at(2026, 5, 1))


def test_always_invoice_bills_the_difference_at_once(shop: Any) -> None:
    """Half a month from 10.00 to 20.00 is 5.00, paid now; the renewal is plain."""
    gold, silver = shop.price(2000), shop.price(1000, name="Silver")
    _, clock, made = begin(shop, {"price": silver})
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "price": gold}], proration_behavior="always_invoice")
    last = shop.invoices(subscription=made.id)[-1]
    assert (last.billing_reason, last.total, last.status) == ("subscription_update", 500, "paid")
    assert shop.lines(last) == [
        ("Unused time on Silver after 16 Apr 2026", -500),
        ("Remaining time on Gold after 16 Apr 2026", 1000),
    ]
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert shop.invoices(subscription=made.id)[-1].total == 2000


def test_a_downgrade_billed_at_once_becomes_the_customers_credit(shop: Any) -> None:
    """−10.00 goes to the balance and pays for a part of the renewal."""
    customer, clock, made = begin(shop, {"price": shop.price(1000), "quantity": 3})
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "quantity": 1}], proration_behavior="always_invoice")
    last = shop.invoices(subscription=made.id)[-1]
    assert (last.total, last.amount_due, last.status, last.ending_balance) == (-1000, 0, "paid", -1000)
    assert shop.client.v1.customers.retrieve(customer).balance == -1000
    shop.move(clock, shop.at(2026, 5, 1, 1))
    renewal = shop.invoices(subscription=made.id)[-1]
    assert (renewal.total, renewal.starting_balance, renewal.amount_due, renewal.status) == (1000, -1000, 0, "paid")


def test_none_changes_without_prorating(shop: Any) -> None:
    """Only the renewal knows the new quantity."""
    _, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "quantity": 4}], proration_behavior="none")
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [1000, 4000]


def test_flexible_mode_credits_what_was_really_billed(shop: Any) -> None:
    """After an unprorated rise to 4, a fall to 2 credits the one unit that was paid: −500 + 1000."""
    _, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.change(made.id, items=[{"id": item(made), "quantity": 4}], proration_behavior="none")
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "quantity": 2}], proration_behavior="always_invoice")
    assert shop.invoices(subscription=made.id)[-1].total == 500


def test_classic_mode_credits_what_the_item_costs_now(shop: Any) -> None:
    """The same life: −2000 + 1000, although only one unit was ever paid."""
    _, clock, made = begin(shop, {"price": shop.price(1000)}, billing_mode={"type": "classic"})
    shop.change(made.id, items=[{"id": item(made), "quantity": 4}], proration_behavior="none")
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "quantity": 2}], proration_behavior="always_invoice")
    assert shop.invoices(subscription=made.id)[-1].total == -1000


def test_several_changes_in_one_period_each_credit_the_debit_before(shop: Any) -> None:
    """1 → 2 on the 11th, 2 → 1 on the 21st of a 30 day month: −667 + 1333, then −667 (of 1333 over 20 days) + 333."""
    customer, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 11))
    shop.change(made.id, items=[{"id": item(made), "quantity": 2}])
    shop.move(clock, shop.at(2026, 4, 21))
    shop.change(made.id, items=[{"id": item(made), "quantity": 1}])
    pending = shop.client.v1.invoice_items.list({"customer": customer, "pending": True}).data[::-1]
    assert [i.amount for i in pending] == [-667, 1333, -667, 333]
    assert pending[2].proration_details.credited_items.invoice_item == pending[1].id
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert shop.invoices(subscription=made.id)[-1].total == 332 + 1000


def test_a_proration_date_is_obeyed(shop: Any) -> None:
    """Changed on the 21st as of the 16th: half the month."""
    _, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 21))
    shop.change(
        made.id,
        items=[{"id": item(made), "quantity": 3}],
        proration_behavior="always_invoice",
        proration_date=shop.at(2026, 4, 16),
    )
    assert shop.invoices(subscription=made.id)[-1].total == 1000


@pytest.mark.parametrize(
    "more",
    [
        {"proration_behavior": "none", "proration_date": 1776300000},
        {"proration_date": 1700000000},
        {"billing_cycle_anchor": {"type": "now"}, "proration_date": 1776300000},
    ],
)
def test_a_proration_date_that_cannot_be_is_refused(shop: Any, more: dict[str, Any]) -> None:
    """Not with `none`, not outside the period, not with a new anchor."""
    _, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 21))
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.change(made.id, items=[{"id": item(made), "quantity": 3}], **more)
    assert refused.value.param == "proration_date"
    assert shop.get(made.id)["items"].data[0].quantity == 1


def test_a_new_interval_starts_a_new_period_now(shop: Any) -> None:
    """Monthly 10.00 to yearly 100.00 in mid-April: −5.00 + 100.00 now, the year begins now."""
    yearly = shop.price(10000, interval="year")
    _, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 16))
    changed = shop.change(made.id, items=[{"id": item(made), "price": yearly}])
    assert changed.billing_cycle_anchor == shop.at(2026, 4, 16)
    assert changed["items"].data[0].current_period_end == shop.at(2027, 4, 16)
    last = shop.invoices(subscription=made.id)[-1]
    assert (last.total, last.status, last.billing_reason) == (9500, "paid", "subscription_update")


def test_anchor_now_credits_the_rest_and_bills_a_whole_new_period(shop: Any) -> None:
    """−5.00 + 10.00 and usage so far, now."""
    meter = shop.meter("calls")
    customer, clock, made = begin(shop, {"price": shop.price(1000)}, {"price": shop.metered(meter, 10)})
    shop.use(customer, "calls", 9)
    shop.move(clock, shop.at(2026, 4, 16))
    changed = shop.change(made.id, billing_cycle_anchor={"type": "now"})
    assert {i.current_period_start for i in changed["items"].data} == {shop.at(2026, 4, 16)}
    assert shop.invoices(subscription=made.id)[-1].total == -500 + 1000 + 90


def test_from_free_to_paid_the_billing_date_is_today(shop: Any) -> None:
    """The free half is not billed, the paid month begins."""
    _, clock, made = begin(shop, {"price": shop.price(0, name="Free")})
    shop.move(clock, shop.at(2026, 4, 16))
    changed = shop.change(made.id, items=[{"id": item(made), "price": shop.price(1000)}])
    assert changed["items"].data[0].current_period_end == shop.at(2026, 5, 16)
    assert shop.invoices(subscription=made.id)[-1].total == 1000


def test_items_come_and_go_with_prorations(shop: Any) -> None:
    """A second item for half a month is +250; the first one gone is −500."""
    extra = shop.price(500, name="Extra")
    _, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 4, 16))
    added = shop.client.v1.subscription_items.create(
        {"subscription": made.id, "price": extra, "proration_behavior": "always_invoice"}
    )
    assert added.current_period_end == shop.at(2026, 5, 1)
    assert shop.invoices(subscription=made.id)[-1].total == 250
    shop.client.v1.subscription_items.delete(item(made), {"proration_behavior": "always_invoice"})
    assert shop.invoices(subscription=made.id)[-1].total == -500
    with pytest.raises(stripe.InvalidRequestError, match="at least one"):
        shop.change(made.id, items=[{"id": added.id, "deleted": True}])


def test_a_metered_price_that_changes_is_billed_so_far_in_flexible_mode(shop: Any) -> None:
    """7 calls at 0.10 up to the change, 4 at 0.20 after it; `none` and classic drop the first part."""
    meter = shop.meter("calls")
    old, new = shop.metered(meter, 10), shop.metered(meter, 20)
    for mode, behavior, expected in (
        ("flexible", "create_prorations", 70 + 80),
        ("flexible", "none", 80),
        ("classic", "create_prorations", 80),
    ):
        customer, clock, made = begin(shop, {"price": old}, billing_mode={"type": mode})
        shop.use(customer, "calls", 7)
        shop.move(clock, shop.at(2026, 4, 16))
        shop.change(made.id, items=[{"id": item(made), "price": new}], proration_behavior=behavior)
        shop.move(clock, shop.at(2026, 4, 17))
        shop.use(customer, "calls", 4)
        shop.move(clock, shop.at(2026, 5, 1, 1))
        assert shop.invoices(subscription=made.id)[-1].total == expected, (mode, behavior)


def test_prorations_hold_the_discount_that_the_debit_had(shop: Any) -> None:
    """50 % off: billed 500; the fall to nothing but Silver credits 250 and debits half of half of 600."""
    coupon = shop.client.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    silver = shop.price(600, name="Silver")
    _, clock, made = begin(shop, {"price": shop.price(1000)}, discounts=[{"coupon": coupon.id}])
    assert shop.invoices(subscription=made.id)[0].total == 500
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "price": silver}], proration_behavior="always_invoice")
    last = shop.invoices(subscription=made.id)[-1]
    assert [line.amount for line in last.lines.data] == [-250, 150]
    assert [d.amount for line in last.lines.data for d in line.discount_amounts] == [0, 0]


def test_included_discounts_are_named_and_take_nothing_more(shop: Any) -> None:
    """10 % on the item, then 20 % on the subscription: 720 billed. The credit of half of it names both and takes 0."""
    coupons = [shop.client.v1.coupons.create({"percent_off": share, "duration": "forever"}).id for share in (10, 20)]
    line = {"price": shop.price(1000), "discounts": [{"coupon": coupons[0]}]}
    customer, clock, made = begin(shop, line, discounts=[{"coupon": coupons[1]}])
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "quantity": 2}])
    credit, debit = list(shop.client.v1.invoice_items.list({"customer": customer}))[::-1]
    assert (credit.amount, credit.net_amount, debit.amount) == (-360, -360, 720)
    assert [d.amount for d in credit.proration_details.discount_amounts] == [0, 0]
    shop.move(clock, shop.at(2026, 5, 1, 1))
    renewal = shop.invoices(subscription=made.id)[-1]
    # Lines of prorations leave out what was on the item, and show what was on the subscription as 0.
    assert [[d.amount for d in x.discount_amounts] for x in renewal.lines.data] == [[0], [0], [200, 360]]
    assert renewal.total == -360 + 720 + 1440


def test_the_lines_of_a_price_in_tiers_are_credited_as_one(shop: Any) -> None:
    """5 × 7.00, 2 × 6.50 and 10.00 flat are 58.00; half of it comes back, and names the three lines."""
    tiers = [
        {"up_to": 5, "unit_amount": 700},
        {"up_to": "inf", "unit_amount": 650, "flat_amount": 1000},
    ]
    price = shop.price(billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    customer, clock, made = begin(shop, {"price": price, "quantity": 7})
    first = shop.invoices(subscription=made.id)[0]
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "quantity": 5}])
    credit, debit = list(shop.client.v1.invoice_items.list({"customer": customer}))[::-1]
    assert (credit.amount, credit.quantity, debit.amount, debit.quantity) == (-2900, 7, 1750, 5)
    named = credit.proration_details.credited_items.invoice_line_item_details
    assert named.invoice == first.id
    assert named.invoice_line_items == [line.id for line in first.lines.data]


def test_itemized_prorations_show_the_discount_beside_the_amount(shop: Any) -> None:
    """The same sums as −500 with −250 off, and 300 with 150 off."""
    coupon = shop.client.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    silver = shop.price(600, name="Silver")
    _, clock, made = begin(
        shop,
        {"price": shop.price(1000)},
        discounts=[{"coupon": coupon.id}],
        billing_mode={"type": "flexible", "flexible": {"proration_discounts": "itemized"}},
    )
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "price": silver}], proration_behavior="always_invoice")
    last = shop.invoices(subscription=made.id)[-1]
    assert [line.amount for line in last.lines.data] == [-500, 300]
    assert [d.amount for line in last.lines.data for d in line.discount_amounts] == [-250, 150]
    assert last.total == -100


def test_credits_keep_the_tax_of_what_they_credit(shop: Any) -> None:
    """25 % on the debit, then a change to 10 %: the credit takes 25 % back."""
    high = shop.client.v1.tax_rates.create({"display_name": "moms", "percentage": 25, "inclusive": False}).id
    low = shop.client.v1.tax_rates.create({"display_name": "low", "percentage": 10, "inclusive": False}).id
    _, clock, made = begin(shop, {"price": shop.price(1000)}, default_tax_rates=[high])
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(
        made.id,
        default_tax_rates=[low],
        items=[{"id": item(made), "quantity": 2}],
        proration_behavior="always_invoice",
    )
    last = shop.invoices(subscription=made.id)[-1]
    assert [[t.amount for t in line.taxes] for line in last.lines.data] == [[-125], [100]]
    assert last.total == -500 - 125 + 1000 + 100


def test_a_change_during_a_trial_costs_nothing(shop: Any) -> None:
    """Only the first real period bills the new quantity."""
    _, clock, made = begin(shop, {"price": shop.price(1000)}, trial_period_days=10)
    shop.change(made.id, items=[{"id": item(made), "quantity": 3}])
    shop.move(clock, shop.at(2026, 4, 11, 1))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [0, 3000]


def test_a_trial_can_be_ended_and_extended(shop: Any) -> None:
    """Extended: the first charge moves. Ended now: charged now, with a new billing date."""
    _, clock, made = begin(shop, {"price": shop.price(1000)}, trial_period_days=10)
    extended = shop.change(made.id, trial_end=shop.at(2026, 4, 21))
    assert extended["items"].data[0].current_period_end == shop.at(2026, 4, 21)
    shop.move(clock, shop.at(2026, 4, 15))
    ended = shop.change(made.id, trial_end="now")
    assert (ended.status, ended.billing_cycle_anchor) == ("active", shop.at(2026, 4, 15))
    assert [i.total for i in shop.invoices(subscription=made.id)] == [0, 1000]


def test_an_upgrade_whose_payment_fails_waits_when_asked_to(shop: Any) -> None:
    """pending_if_incomplete: the old price stays until the invoice is paid."""
    customer, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    bad = shop.client.v1.payment_methods.list({"customer": customer}).data[0].id
    shop.change(made.id, default_payment_method=bad)
    shop.move(clock, shop.at(2026, 4, 16))
    changed = shop.change(
        made.id,
        items=[{"id": item(made), "quantity": 3}],
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
    )
    assert changed["items"].data[0].quantity == 1
    assert changed.pending_update.subscription_items[0].quantity == 3
    assert changed.status == "active"
    shop.client.v1.invoices.pay(changed.latest_invoice, {"payment_method": "pm_card_visa"})
    applied = shop.get(made.id)
    assert applied["items"].data[0].quantity == 3
    assert applied.pending_update is None


def test_an_upgrade_that_must_be_paid_is_undone_when_the_card_is_refused(shop: Any) -> None:
    """error_if_incomplete: 402 and nothing has changed."""
    customer, clock, made = begin(shop, {"price": shop.price(1000)})
    shop.client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    bad = shop.client.v1.payment_methods.list({"customer": customer}).data[0].id
    shop.change(made.id, default_payment_method=bad)
    shop.move(clock, shop.at(2026, 4, 16))
    with pytest.raises(stripe.CardError):
        shop.change(
            made.id,
            items=[{"id": item(made), "quantity": 3}],
            proration_behavior="always_invoice",
            payment_behavior="error_if_incomplete",
        )
    assert shop.get(made.id)["items"].data[0].quantity == 1
    assert len(shop.invoices(subscription=made.id)) == 1


def test_what_was_voided_or_deleted_is_not_credited(shop: Any) -> None:
    """The invoice of a sent subscription is voided: a change credits nothing and charges the rest."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)}, collection_method="send_invoice", days_until_due=30)
    shop.move(clock, shop.at(2026, 4, 1, 1))
    shop.client.v1.invoices.void_invoice(made.latest_invoice)
    shop.move(clock, shop.at(2026, 4, 16))
    shop.change(made.id, items=[{"id": item(made), "quantity": 3}])
    pending = shop.client.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert [i.amount for i in pending] == [1500]
    shop.client.v1.invoice_items.delete(pending[0].id)
    shop.change(made.id, items=[{"id": item(made), "quantity": 1}])
    pending = shop.client.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert [i.amount for i in pending] == [500]


def test_migration_makes_a_classic_subscription_flexible_for_good(shop: Any) -> None:
    """There is no way back."""
    _, _, made = begin(shop, {"price": shop.price(1000)}, billing_mode={"type": "classic"})
    moved = shop.client.v1.subscriptions.migrate(made.id, {"billing_mode": {"type": "flexible"}})
    assert moved.billing_mode.type == "flexible"
