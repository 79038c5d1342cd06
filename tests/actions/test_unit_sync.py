"""Unit sync against the sandbox: invoices come out right, the second plan is empty, Postgres is asked little."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from billing_core.errors import ConflictError, ForbiddenError, NotFoundError
from billing_core.services import plans, unit_sync
from billing_core.services.access import SYSTEM
from billing_core.store import tables
from tests.actions.conftest import ASTA, LONG_AGO, MIKKEL, Field, day, utc

BEGIN, END = utc("2026-11-01T00:00"), utc("2026-12-01T00:00")
Spans = list[tuple[str, date, date | None]]

# Per tenant: who lived there, and the highest number of November, by hand.
PEAKS: dict[str, tuple[Spans, int]] = {
    # Two, a third from the 5th, a fourth from the 8th to the 14th.
    "rises_and_falls": (
        [
            ("a", LONG_AGO, None),
            ("b", LONG_AGO, None),
            ("c", day("2026-11-05"), None),
            ("d", day("2026-11-08"), day("2026-11-15")),
        ],
        4,
    ),
    # Three, of whom one is known on the 1st to leave on the 20th; a new one comes on the 25th.
    "known_move_out": (
        [
            ("a", LONG_AGO, None),
            ("b", LONG_AGO, None),
            ("c", LONG_AGO, day("2026-11-20")),
            ("d", day("2026-11-25"), None),
        ],
        3,
    ),
    # The new resident is registered ten days before the old one leaves: one unit.
    "overlap": ([("a", LONG_AGO, day("2026-11-15")), ("a", day("2026-11-05"), None), ("b", LONG_AGO, None)], 2),
    # Out and in on the 15th.
    "turnover": ([("a", LONG_AGO, day("2026-11-15")), ("a", day("2026-11-15"), None)], 1),
    # Everybody is gone by 1 November.
    "drops_to_zero": ([("a", LONG_AGO, day("2026-11-01")), ("b", LONG_AGO, day("2026-10-20"))], 0),
    # A move-in on 1 December is December's.
    "moves_in_next_month": ([("a", LONG_AGO, None), ("b", day("2026-12-01"), None)], 1),
}


def billed_units(shop: Field, tenant_id: str) -> int:
    """The quantity of the last cycle's metered line."""
    invoices = shop.client.v1.invoices.list({"customer": shop.customers[tenant_id]}).data
    invoice = next(i for i in invoices if i.billing_reason == "subscription_cycle")
    assert invoice.status in ("open", "paid")
    metered = shop.prices["metered"]
    return sum(line.quantity or 0 for line in invoice.lines.data if line.pricing.price_details.price == metered)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "nights",
    [[*range(1, 31, 3), 30], [1, 2, 3, 14, 15, 30], [30]],
    ids=["all along", "down for ten days", "back on the last day"],
)
def test_the_invoice_has_the_highest_number_of_units(shop: Field, nights: list[int]) -> None:
    """Each case of the table, with the schedule alone, also when it was down for a while."""
    for tenant_id, (spans, _) in PEAKS.items():
        shop.tenant(tenant_id, "metered", spans, at=BEGIN)
    for night in sorted(set(nights)):
        now = utc(f"2026-11-{night:02d}T05:00")
        for tenant_id in PEAKS:
            shop.go_to(tenant_id, now)
        plan = shop.plan()
        # What rises at once stands out, as it should; here somebody has looked at it.
        assert shop.apply(plan, actor=SYSTEM if plan.approval_needed else ASTA).state in ("done", "waiting")
        if plan.approval_needed:
            shop.work(plans.approve(shop.desk, MIKKEL, plan.plan_id, "Looked at"))
        assert shop.plan().actions == ()
    for tenant_id in PEAKS:
        shop.go_to(tenant_id, END + timedelta(hours=2))
    assert {t: billed_units(shop, t) for t in PEAKS} == {t: peak for t, (_, peak) in PEAKS.items()}
    for tenant_id in PEAKS:
        stamps = [stamp for stamp, _ in shop.events(tenant_id)]
        assert stamps == sorted(set(stamps))
        assert all(BEGIN.timestamp() <= stamp < END.timestamp() - 60 for stamp in stamps)


def test_every_period_gets_a_report_of_its_own(shop: Field) -> None:
    """Nothing changes for three months; each of them is billed three units."""
    shop.tenant("t_1", "metered", 3, at=BEGIN)
    for month in ("2026-11-02", "2026-12-02", "2027-01-02"):
        shop.go_to("t_1", utc(f"{month}T05:00"))
        plan = shop.plan()
        assert [(a.before_count, a.after_count, a.effect_minor) for a in plan.actions] == [(0, 3, 5700)], plan.skipped
        assert plan.approval_needed == ()
        assert shop.apply(plan).state == "done"
    shop.go_to("t_1", utc("2027-02-01T02:00"))
    assert billed_units(shop, "t_1") == 3


def test_our_estimate_is_what_stripe_prorates(shop: Field) -> None:
    """6 → 8 licensed units at noon on the 16th: 47.37, computed by hand in the test of the rule."""
    shop.tenant("t_1", "licensed", 8, quantity=6, at=BEGIN)
    shop.go_to("t_1", utc("2026-11-16T12:00"))
    plan = shop.plan()
    assert plan.actions[0].effect_minor == 4737
    assert shop.apply(plan).state == "done"
    pending = shop.client.v1.invoice_items.list({"customer": shop.customers["t_1"], "pending": True}).data
    assert sum(i.amount for i in pending) == 4737


def test_the_comparison_is_with_stripe_and_not_with_our_last_word(shop: Field) -> None:
    """Somebody sets another quantity and reports another number behind our back: both are put right."""
    subscription = shop.tenant("t_1", "licensed", 8)
    shop.tenant("t_2", "metered", 4)
    shop.sync()
    item = shop.client.v1.subscriptions.retrieve(subscription).items.data[1]
    shop.client.v1.subscription_items.update(item.id, {"quantity": 7})
    payload = {"stripe_customer_id": shop.customers["t_2"], "value": "5"}
    stamp = shop.events("t_2")[0][0] + 1
    shop.client.v1.billing.meter_events.create(
        {"event_name": "active_units", "payload": payload, "timestamp": stamp}  # type: ignore[typeddict-item]
    )
    shop.now = shop.clock() + timedelta(seconds=5)
    plan = shop.plan()
    assert [(a.tenant_id, a.before_count, a.after_count) for a in plan.actions] == [("t_1", 7, 8), ("t_2", 5, 4)]
    assert shop.apply(plan).state == "done"
    assert shop.plan().actions == ()


def test_tiers_and_minimum_come_from_stripe(shop: Field) -> None:
    """Neither mirrored before. 4 → 5 at 49.00, each side rounded: 118.42 − 94.73 = 23.69; the tiers as by the rule."""
    shop.tenant("t_1", "tiered", 12, quantity=10, at=BEGIN)
    shop.tenant("t_2", "at_least_five", 2, quantity=4, at=BEGIN)
    for tenant_id in ("t_1", "t_2"):
        shop.go_to(tenant_id, utc("2026-11-16T12:00"))
    plan = shop.plan()
    assert [(a.tenant_id, a.after_count, a.effect_minor) for a in plan.actions] == [("t_1", 12, 3770), ("t_2", 5, 2369)]
    assert shop.apply(plan).state == "done"


def test_a_plan_is_stale_when_units_or_stripe_have_moved(shop: Field) -> None:
    """Refused when it is applied, and again when the job begins; nothing was changed."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=6)
    plan = shop.plan()
    shop.occupy("t_1", [("new", LONG_AGO, None)])
    with pytest.raises(ConflictError, match=r"is stale: .* t_1\. Make a new plan"):
        shop.apply(plan)
    running = shop.apply(shop.plan(), work=False)
    shop.client.v1.subscription_items.update(
        shop.client.v1.subscriptions.retrieve(subscription).items.data[1].id, {"quantity": 7}
    )
    late = shop.work(running)
    assert (late.state, late.counts["planned"]) == ("failed", 1)
    assert "is stale" in (late.trouble or "")
    assert shop.quantity(subscription) == 7


def test_a_plan_for_one_tenant_holds_only_that_one(shop: Field) -> None:
    """An unknown tenant is an error that names it."""
    shop.tenant("t_1", "licensed", 8, quantity=6)
    shop.tenant("t_2", "licensed", 8, quantity=6)
    assert [a.tenant_id for a in shop.plan("t_2").actions] == ["t_2"]
    with pytest.raises(NotFoundError, match="There is no tenant 't_9'"):
        shop.plan("t_2", "t_9")


def test_the_same_plan_has_the_same_hash_and_another_one_is_refused(shop: Field) -> None:
    """The hash covers what is done, not when it was planned."""
    shop.tenant("t_1", "licensed", 8, quantity=6)
    shop.now = shop.clock()
    first, second = shop.plan(), shop.plan()
    assert first.hash == second.hash
    with pytest.raises(ConflictError, match="is not the one that was looked at"):
        unit_sync.apply(shop.desk, ASTA, shop.gateway, first.plan_id, now=shop.clock(), expected_hash="0" * 64)


def test_postgres_is_asked_as_often_for_many_tenants_as_for_few(shop: Field) -> None:
    """The same statements for two tenants and for fourteen."""

    def statements() -> list[str]:
        found: list[str] = []

        def note(_: object, __: object, statement: str, *___: object) -> None:
            found.append(statement)

        sa.event.listen(shop.desk.database.engine, "before_cursor_execute", note)
        unit_sync.compare(shop.desk, shop.gateway, now=shop.clock())
        sa.event.remove(shop.desk.database.engine, "before_cursor_execute", note)
        return found

    shop.tenant("t_0", "licensed", 8, quantity=6)
    shop.tenant("t_1", "metered", 8)
    few = statements()
    for n in range(2, 14):
        shop.tenant(f"t_{n}", "licensed" if n % 2 else "metered", 5)
    assert statements() == few
    assert len(few) <= 10


def test_what_was_counted_and_read_is_kept_for_the_reconciliation(shop: Field) -> None:
    """Per item and period; keeping the same again changes no row."""
    shop.tenant("t_1", "metered", 4)
    shop.sync()
    shop.plan()
    (counted,), (read,) = shop.rows(tables.unit_counts), shop.rows(tables.meter_summaries)
    assert (counted.units_count, counted.is_peak, read.units_count) == (4, True, 4)
    shop.plan()
    assert shop.rows(tables.unit_counts) == [counted]


def test_the_night_does_what_is_ordinary_and_leaves_the_rest_to_a_person(shop: Field) -> None:
    """One unit more is done; a jump waits in a plan of its own, which the next night keeps while it is the same."""
    small = shop.tenant("t_1", "licensed", 8, quantity=7)
    large = shop.tenant("t_2", "licensed", 20, quantity=10)
    made, held = unit_sync.scheduled(shop.desk, shop.gateway, now=shop.clock())
    assert shop.work(made).state == "done"
    assert held is not None
    assert (held.state, [a.tenant_id for a in held.actions]) == ("waiting", ["t_2"])
    assert (shop.quantity(small), shop.quantity(large)) == (8, 10)
    _, again = unit_sync.scheduled(shop.desk, shop.gateway, now=shop.clock())
    assert again is not None
    assert again.plan_id == held.plan_id
    shop.occupy("t_2", [("new", LONG_AGO, None)])
    _, other = unit_sync.scheduled(shop.desk, shop.gateway, now=shop.clock())
    assert other is not None
    assert plans.get(shop.desk, ASTA, held.plan_id).state == "failed"
    # Nobody has approved it, and being withdrawn does not make up for that.
    with pytest.raises(ConflictError, match="was withdrawn: Replaced by what the next night found"):
        plans.submit(shop.desk, ASTA, held.plan_id)
    assert shop.work(plans.approve(shop.desk, MIKKEL, other.plan_id, "They bought a house")).state == "done"
    assert shop.quantity(large) == 21


def test_a_desk_that_had_never_synced_has_missed_nothing(shop: Field) -> None:
    """A tick that was caught up is left out when no plan is older than it, and only then."""
    now = shop.clock()
    old, fresh = now - timedelta(hours=4), now - timedelta(seconds=30)
    assert unit_sync.is_before_the_first(shop.desk, tick=old, now=now)
    assert not unit_sync.is_before_the_first(shop.desk, tick=fresh, now=now)
    shop.plan()
    assert unit_sync.is_before_the_first(shop.desk, tick=old, now=now)
    tomorrow = now + timedelta(days=1)
    assert not unit_sync.is_before_the_first(shop.desk, tick=tomorrow, now=tomorrow + timedelta(hours=4))


def test_who_may_not_sync_makes_no_plan(shop: Field) -> None:
    """A manager sees and approves, but does not ask."""
    with pytest.raises(ForbiddenError):
        shop.plan(actor=MIKKEL)
    assert shop.rows(tables.plans) == []
