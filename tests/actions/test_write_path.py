"""The write path: whatever fails between us and Stripe, nothing is lost and nothing happens twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing_core.errors import ConflictError
from billing_core.services import plans, write_policy
from billing_core.store import tables
from tests.actions.conftest import ASTA, FREJA, Field

FAULTS = [
    ("reset", "before"),
    ("reset", "after"),
    ("cut", "after"),
    ("conflict", "before"),
    ("conflict", "after"),
    ("rate_limit", "before"),
    ("server_error", "before"),
    ("server_error", "after"),
]


def proration_sum(shop: Field, tenant_id: str) -> int:
    """What Stripe has prorated for a tenant and not billed yet."""
    items = shop.client.v1.invoice_items.list({"customer": shop.customers[tenant_id], "pending": True})
    return sum(i.amount for i in items.data)


@pytest.mark.parametrize(("kind", "effect"), FAULTS)
def test_a_quantity_is_set_once_whatever_happens_to_the_call(shop: Field, kind: str, effect: str) -> None:
    """One fault on the write: after the run, or one more, Stripe holds the count and prorated it once."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=6)
    plan = shop.plan()
    shop.fault(kind, effect=effect, path="/v1/subscription_items/*")
    done = shop.apply(plan)
    if done.state != "done":
        done = shop.apply(done)
    assert (done.state, done.counts["done"]) == ("done", 1), done.trouble
    assert shop.quantity(subscription) == 8
    # One credit and one debit, however many calls it took.
    pending = shop.client.v1.invoice_items.list({"customer": shop.customers["t_1"], "pending": True}).data
    assert len(pending) == 2
    assert shop.plan().actions == ()


@pytest.mark.parametrize(("kind", "effect"), FAULTS)
def test_a_report_is_taken_once_whatever_happens_to_the_call(shop: Field, kind: str, effect: str) -> None:
    """One fault on the meter event: one report of ours, the meter says the count."""
    shop.tenant("t_1", "metered", 4)
    plan = shop.plan()
    shop.fault(kind, effect=effect, path="/v1/billing/meter_events")
    done = shop.apply(plan)
    if done.state != "done":
        done = shop.apply(done)
    assert done.state == "done", done.trouble
    assert [value for _, value in shop.events("t_1")] == [4]
    assert shop.plan().actions == ()
    assert shop.server.admin("GET")["objects"]["billing.meter_event"] == 1


def test_a_saved_500_that_lasts_is_said_and_goes_on_later(shop: Field) -> None:
    """Three attempts under three keys, each read back; the run says unknown and what to do, the next one ends it."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=6)
    plan = shop.plan()
    shop.fault("server_error", path="/v1/subscription_items/*", times=None)
    stuck = shop.apply(plan)
    assert (stuck.state, stuck.counts["unknown"]) == ("unknown", 1)
    assert "Applying again reads it back" in (stuck.actions[0].trouble or "")
    assert [(i.attempt, i.state) for i in shop.rows(tables.intents)] == [(1, "failed"), (2, "failed"), (3, "unknown")]
    shop.server.admin("DELETE", "/faults")
    assert shop.apply(stuck).state == "done"
    assert shop.quantity(subscription) == 8


def test_a_refused_call_is_failed_with_stripes_reason_and_only_it_is_done_again(shop: Field) -> None:
    """One tenant's item has gone since the plan was made; the others are done, and applying again repeats none."""
    doomed = shop.tenant("t_1", "licensed", 8, quantity=6)
    shop.tenant("t_2", "licensed", 9, quantity=7)
    plan = shop.plan()
    running = shop.apply(plan, work=False)
    # It has begun, so that the tenant is met at its own turn and not by the comparison at the start.
    shop.fault("rate_limit", path="/v1/subscription_items/*", times=None, contains="quantity=8")
    partly = shop.work(running)
    assert partly.state == "partly_done"
    shop.server.admin("DELETE", "/faults")
    shop.client.v1.subscriptions.cancel(doomed)
    again = shop.apply(partly)
    states = {a.tenant_id: (a.state, a.trouble) for a in again.actions}
    assert states["t_2"] == ("done", None)
    assert states["t_1"][0] == "failed"
    assert "Make a new plan" in (states["t_1"][1] or "")
    assert len([i for i in shop.rows(tables.intents) if i.state == "done"]) == 1


def test_a_hang_is_a_lost_answer(shop: Field) -> None:
    """Stripe takes longer than the client waits: the same key again finds the answer of the first call."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=6)
    plan = shop.plan()
    shop.fault("hang", effect="before", seconds=0.3, path="/v1/subscription_items/*", times=2)
    assert shop.apply(plan).state == "done"
    assert shop.quantity(subscription) == 8


def test_a_meter_that_lags_is_unknown_until_it_shows_the_report(shop: Field) -> None:
    """Accepted is not done; nothing is sent again meanwhile, and the next run only reads."""
    shop.tenant("t_1", "metered", 4)
    plan = shop.plan()
    shop.server.admin("POST", "/settings", meter_lag_seconds=3600)
    waiting = shop.apply(plan)
    assert (waiting.state, waiting.counts["unknown"]) == ("unknown", 1)
    again = shop.apply(waiting)
    assert again.state == "unknown"
    shop.server.admin("POST", "/settings", meter_lag_seconds=0)
    assert shop.apply(again).state == "done"
    assert [value for _, value in shop.events("t_1")] == [4]


def test_nothing_is_repeated_after_23_hours(shop: Field) -> None:
    """An open call of 22:59 ago is repeated with its key; one of 23:00 ago is not, and says to plan anew."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=6)
    running = shop.apply(shop.plan(), work=False)
    shop.fault("reset", path="/v1/subscription_items/*", times=None)
    begun = shop.clock()
    shop.now = begun
    stuck = shop.work(running)
    assert stuck.state == "unknown"
    shop.now = begun + timedelta(hours=22, minutes=59)
    assert shop.apply(stuck).state == "unknown"
    assert len(shop.rows(tables.intents)) == 1
    shop.server.admin("DELETE", "/faults")
    shop.now = begun + timedelta(hours=23)
    old = shop.apply(stuck)
    assert old.state == "failed"
    assert "too old to be repeated" in (old.actions[0].trouble or "")
    assert shop.quantity(subscription) == 6
    shop.now = None
    assert shop.sync().state == "done"
    assert shop.quantity(subscription) == 8


def test_another_plan_settles_what_an_older_one_left_open(shop: Field) -> None:
    """The older plan's open call is closed by what Stripe holds, and the new one goes through."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=6)
    shop.fault("reset", path="/v1/subscription_items/*", times=None)
    old = shop.apply(shop.plan())
    assert old.state == "unknown"
    shop.server.admin("DELETE", "/faults")
    assert shop.sync().state == "done"
    assert shop.quantity(subscription) == 8
    settled = plans.get(shop.desk, ASTA, old.plan_id).actions[0]
    assert settled.state == "failed"
    assert "Overtaken by" in (settled.trouble or "")


def test_identifiers_of_another_sender_are_passed_over(shop: Field) -> None:
    """Somebody else has reported under revisions 1 and 2: ours is taken as revision 4."""
    subscription = shop.tenant("t_1", "metered", 4)
    item = next(
        i
        for i in shop.client.v1.subscriptions.retrieve(subscription).items.data
        if i.price.id == shop.prices["metered"]
    )
    for revision in (1, 2):
        shop.client.v1.billing.meter_events.create(
            {
                "event_name": "active_units",
                "identifier": f"units:{item.id}:{item.current_period_start}:{revision}",
                "payload": {"stripe_customer_id": shop.customers["t_1"], "value": "9"},
            }
        )
    done = shop.sync()
    assert done.state == "done", done.trouble
    assert [r.revision for r in shop.rows(tables.meter_reports)] == [4]
    assert shop.plan().actions == ()


def test_the_switch_stops_runs_and_what_was_stopped_goes_on(shop: Field) -> None:
    """A run that is going on makes no further call; afterwards it does what is left."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=6)
    running = shop.apply(shop.plan(), work=False)
    write_policy.set_writes(shop.desk, FREJA, is_stopped=True, reason="Month end")
    stopped = shop.work(running)
    assert stopped.state == "failed"
    assert "freja@demo.example has stopped all writes" in (stopped.trouble or "")
    assert shop.quantity(subscription) == 6
    with pytest.raises(ConflictError, match="has stopped all writes"):
        shop.apply(stopped)
    write_policy.set_writes(shop.desk, FREJA, is_stopped=False, reason="Done")
    assert shop.apply(stopped).state == "done"
    assert [r.action for r in shop.rows(tables.audit_log) if r.subject_kind == "setting"] == [
        "writes.stopped",
        "writes.allowed",
    ]


def test_what_happened_stands_in_the_audit_log(shop: Field) -> None:
    """Planned, started, intended, sent and ended, with who, before and after."""
    shop.tenant("t_1", "licensed", 8, quantity=6)
    done = shop.sync()
    log = [(r.action, r.actor) for r in shop.rows(tables.audit_log, subject_id=done.plan_id)]
    names = ("planned", "started", "intended", "sent", "ended")
    assert log == [(f"unit_sync.{name}", "asta@demo.example") for name in names]
    sent = next(r for r in shop.rows(tables.audit_log, action="unit_sync.sent"))
    assert (sent.tenant_id, sent.before["count"], sent.after["count"]) == ("t_1", 6, 8)
