"""Recurring revenue: cells and movements by hand, and against a calculation in Python on generated companies."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_core.money import round_minor
from billing_core.periods import add_months, month_of, months_between
from billing_core.store import tables

TODAY = date(2026, 11, 22)
MOVES = ("opening", "new", "reactivation", "expansion", "contraction", "churn", "closing")


def subscribe(
    company: Any,
    tenant: str | None,
    amount: int,
    starts: str,
    ends: str | None = None,
    *,
    interval: str = "month",
    count: int = 1,
    currency: str = "dkk",
    **more: Any,
) -> None:
    """Add one licensed item over [starts, ends)."""
    name = company.new_id("v")
    values = {"status": "active", "usage_type": "licensed", "product": "flat"} | more
    company.add(
        tables.subscription_item_versions,
        version_id=name,
        tenant_id=tenant,
        subscription_id=name,
        subscription_item_id=name,
        period_amount_minor=amount,
        currency=currency,
        interval=interval,
        interval_count=count,
        valid_from=f"{starts}T00:30:00+01:00",
        valid_from_on=date.fromisoformat(starts),
        valid_to=f"{ends}T00:30:00+01:00" if ends else None,
        valid_to_on=date.fromisoformat(ends) if ends else None,
        source="import",
        **values,
    )


def moves(company: Any, **params: Any) -> list[tuple[Any, ...]]:
    return company.cells("mrr_movements", "month", *(f"{m}_minor" for m in MOVES), **params)


def test_each_interval_is_brought_to_a_month_and_rounded_once(company: Any) -> None:
    """A year ÷ 12, a week × 52 ÷ 12, a day × 365 ÷ 12; halves and thirds of one tenant are added before rounding."""
    for i, (interval, count, amount) in enumerate(
        [("year", 1, 1200), ("week", 1, 300), ("day", 1, 12), ("month", 3, 300), ("year", 2, 100)]
    ):
        subscribe(company, f"t{i}", amount, "2026-11-01", interval=interval, count=count)
    for _ in range(2):
        subscribe(company, "halves", 1, "2026-11-01", interval="month", count=2)
    for _ in range(3):
        subscribe(company, "thirds", 100, "2026-11-01", interval="month", count=3)
    cells = dict(company.cells("mrr_by_tenant", "tenant_id", "committed_minor"))
    # 300 × 52 ÷ 12 = 1300; 12 × 365 ÷ 12 = 365; 100 ÷ 24 = 4.17
    assert cells == {"t0": 100, "t1": 1300, "t2": 365, "t3": 100, "t4": 4, "halves": 1, "thirds": 100}


def test_an_end_is_exclusive_and_the_month_s_last_day_decides(company: Any) -> None:
    """Ended on the 1st: in the month before. Ended on the 31st: not in that month."""
    subscribe(company, "t1", 100, "2026-08-31", "2026-10-01")
    subscribe(company, "t2", 10, "2026-08-01", "2026-10-31")
    subscribe(company, "t3", 1, "2026-10-01", "2026-10-30")
    cells = company.cells("mrr_by_tenant", "month", "tenant_id", "committed_minor")
    assert cells == [
        ("2026-08-01", "t1", 100),
        ("2026-08-01", "t2", 10),
        ("2026-09-01", "t1", 100),
        ("2026-09-01", "t2", 10),
    ]


def test_a_change_on_the_last_day_counts_as_it_stands_at_its_end(company: Any) -> None:
    """Two versions meet on 31 October: the later one is the month's."""
    subscribe(company, "t1", 100, "2026-10-01", "2026-10-31")
    subscribe(company, "t1", 150, "2026-10-31")
    assert company.cells("mrr_by_tenant", "committed_minor", as_of="2026-10-31") == [(150,)]


def test_trial_paused_unpaid_and_metered_are_not_committed(company: Any) -> None:
    """Each is shown in its own column; metered items have no amount of their own."""
    subscribe(company, "t1", 100, "2026-11-01", is_trial=True, status="trialing")
    subscribe(company, "t1", 20, "2026-11-01", is_paused=True)
    subscribe(company, "t1", 3, "2026-11-01", status="past_due")
    subscribe(company, "t1", 4000, "2026-11-01", status="unpaid")
    subscribe(company, "t1", 50000, "2026-11-01", usage_type="metered")
    subscribe(company, "t1", 600000, "2026-11-01", status="canceled")
    columns = ("committed_minor", "trial_minor", "paused_minor", "left_out_minor", "usage_minor")
    assert company.cells("mrr_by_tenant", *columns) == [(3, 100, 20, 4000, 0)]


def test_discounts_that_last_for_ever_reduce_it_and_others_only_as_billed(company: Any) -> None:
    """The basis of the movements follows."""
    subscribe(company, "t1", 1000, "2026-11-01", forever_discount_minor=100, other_discount_minor=200)
    assert company.cells("mrr_by_tenant", "committed_minor", "as_billed_minor") == [(900, 700)]
    assert moves(company, basis="as_billed")[-1][-1] == 700
    assert moves(company)[-1][-1] == 900


def test_movements_by_hand(company: Any) -> None:
    """New, more, less, gone, back; a second subscription is expansion; the identity holds in every month."""
    subscribe(company, "t1", 100, "2026-05-10", "2026-06-10")
    subscribe(company, "t1", 150, "2026-06-10", "2026-08-01")
    subscribe(company, "t1", 120, "2026-08-01", "2026-09-01")
    subscribe(company, "t1", 80, "2026-10-15")
    subscribe(company, "t1", 40, "2026-11-05")
    assert moves(company) == [
        ("2026-05-01", 0, 100, 0, 0, 0, 0, 100),
        ("2026-06-01", 100, 0, 0, 50, 0, 0, 150),
        ("2026-07-01", 150, 0, 0, 0, 0, 0, 150),
        ("2026-08-01", 150, 0, 0, 0, 30, 0, 120),
        ("2026-09-01", 120, 0, 0, 0, 0, 120, 0),
        ("2026-10-01", 0, 0, 80, 0, 0, 0, 80),
        ("2026-11-01", 80, 0, 0, 40, 0, 0, 120),
    ]


def test_reactivation_looks_back_over_all_history_whatever_the_window(company: Any) -> None:
    """And revenue that lived only inside a month never was at a month end, so the next is new."""
    subscribe(company, "t1", 100, "2026-01-10", "2026-03-01")
    subscribe(company, "t1", 100, "2026-10-01")
    subscribe(company, "t2", 10, "2026-09-05", "2026-09-20")
    subscribe(company, "t2", 10, "2026-10-01")
    assert moves(company, from_date="2026-10-01", to_date="2026-11-01") == [("2026-10-01", 0, 10, 100, 0, 0, 0, 110)]


def test_a_trial_that_converts_in_mid_month_is_new_in_that_month(company: Any) -> None:
    """Until then it is trial revenue."""
    subscribe(company, "t1", 100, "2026-09-20", "2026-10-04", is_trial=True, status="trialing")
    subscribe(company, "t1", 100, "2026-10-04")
    assert [m[:3] for m in moves(company)][:2] == [("2026-10-01", 0, 100), ("2026-11-01", 100, 0)]
    assert company.cells("mrr_by_tenant", "month", "trial_minor")[0] == ("2026-09-01", 100)


def test_upgrade_downgrade_and_back_within_a_month_is_no_movement(company: Any) -> None:
    """Only month ends are compared."""
    subscribe(company, "t1", 100, "2026-09-01", "2026-10-05")
    subscribe(company, "t1", 900, "2026-10-05", "2026-10-12")
    subscribe(company, "t1", 100, "2026-10-12")
    assert moves(company, from_date="2026-10-01", to_date="2026-11-01") == [("2026-10-01", 100, 0, 0, 0, 0, 0, 100)]


def test_usage_is_the_last_finalized_period_after_credits(company: Any) -> None:
    """It stands until the next invoice; in the total basis it moves like the rest."""
    company.tenant("t1")
    for month, amount in ((9, 500), (10, 700)):
        name = f"in_{month}"
        company.invoice(name, "t1", amount, finalized=f"2026-{month:02}-02")
        company.add(
            tables.invoice_lines,
            invoice_line_id=f"il_{month}",
            invoice_id=name,
            tenant_id="t1",
            subscription_id="sub",
            subscription_item_id="si",
            usage_type="metered",
            position=0,
            amount_minor=amount,
            currency="dkk",
        )
    company.credit_note("in_10", 50, "2026-10-20")
    company.add(
        tables.credit_note_lines,
        credit_note_line_id="cnl",
        credit_note_id="cn_00001",
        invoice_line_id="il_10",
        amount_minor=50,
    )
    expected = [("2026-09-01", 500), ("2026-10-01", 650), ("2026-11-01", 650)]
    assert company.cells("mrr_by_tenant", "month", "usage_minor") == expected
    assert moves(company) == []
    assert [m[-1] for m in moves(company, basis="total")] == [500, 650, 650]


def test_retention_by_hand(company: Any) -> None:
    """Three tenants at 100: one grows to 150, one shrinks to 60, one leaves; a fourth comes at 30."""
    for tenant, after in (("t1", 150), ("t2", 60), ("t3", 0)):
        subscribe(company, tenant, 100, "2026-09-01", "2026-10-10")
        if after:
            subscribe(company, tenant, after, "2026-10-10")
    subscribe(company, "t4", 30, "2026-10-10")
    columns = ("grr_ratio", "nrr_ratio", "logo_churn_ratio", "quick_ratio", "tenants_start_count", "tenants_lost_count")
    rows = company.cells("retention", "month", *columns)
    # kept 100 + 60 of 300; retained 150 + 60 of 300; lost 1 of 3; (30 + 50) ÷ (40 + 100)
    assert rows[1] == (
        "2026-10-01",
        Decimal("0.533333"),
        Decimal("0.7"),
        Decimal("0.333333"),
        Decimal("0.571429"),
        3,
        1,
    )
    assert rows[0] == ("2026-09-01", None, None, None, None, 0, 0)


def test_cohorts_by_hand(company: Any) -> None:
    """Two start in September, one leaves and returns; one starts in October."""
    subscribe(company, "t1", 100, "2026-09-01")
    subscribe(company, "t2", 50, "2026-09-15", "2026-10-10")
    subscribe(company, "t2", 70, "2026-11-10")
    subscribe(company, "t3", 10, "2026-10-01")
    columns = (
        "cohort_month",
        "month_number",
        "tenants_count",
        "tenants_retained_count",
        "mrr_start_minor",
        "mrr_minor",
    )
    assert company.cells("retention_cohorts", *columns) == [
        ("2026-09-01", 0, 2, 2, 150, 150),
        ("2026-09-01", 1, 2, 1, 150, 100),
        ("2026-09-01", 2, 2, 2, 150, 170),
        ("2026-10-01", 0, 1, 1, 10, 10),
        ("2026-10-01", 1, 1, 1, 10, 10),
    ]


def test_a_customer_of_no_tenant_is_in_the_totals(company: Any) -> None:
    """And in a row of its own without a tenant."""
    subscribe(company, None, 100, "2026-10-01")
    subscribe(company, "t1", 10, "2026-10-01")
    assert moves(company)[0][-1] == 110
    assert company.cells("mrr_by_tenant", "tenant_id", "committed_minor", as_of="2026-10-31") == [
        ("t1", 10),
        (None, 100),
    ]


# --- generated companies against plain Python ------------------------------------------------------------------------

DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 10))
ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["t1", "t2", "t3"]),
        st.sampled_from(["dkk", "eur"]),
        st.integers(0, 100_000),
        DAYS,
        st.one_of(st.none(), st.integers(0, 200)),
        st.sampled_from(["day", "week", "month", "year"]),
        st.integers(1, 12),
        st.booleans(),
    ),
    max_size=25,
)
PER_MONTH = {"day": Fraction(365, 12), "week": Fraction(52, 12), "month": Fraction(1), "year": Fraction(1, 12)}


def python_mrr(items: list[Any], last_on: date) -> dict[tuple[date, str, str], int]:
    """Committed revenue by (month, tenant, currency), where not zero."""
    exact: dict[tuple[date, str, str], Fraction] = defaultdict(Fraction)
    for month in months_between(date(2026, 1, 1), last_on):
        measured = min(add_months(month, 1) - timedelta(days=1), last_on)
        for tenant, currency, amount, starts, length, interval, count, is_trial in items:
            ends = None if length is None else starts + timedelta(days=length)
            if not is_trial and starts <= measured and (ends is None or ends > measured):
                exact[month, tenant, currency] += amount * PER_MONTH[interval] / count
    return {key: round_minor(value) for key, value in exact.items() if round_minor(value)}


def python_moves(mrr: dict[tuple[date, str, str], int], last_on: date) -> dict[tuple[date, str], dict[str, int]]:
    """Movements by (month, currency), from the first month of a currency on."""
    found: dict[tuple[date, str], dict[str, int]] = {}
    for tenant, currency in {(t, c) for _, t, c in mrr}:
        before, has_paid = 0, False
        for month in months_between(min(m for m, t, c in mrr if (t, c) == (tenant, currency)), last_on):
            now = mrr.get((month, tenant, currency), 0)
            cell = found.setdefault((month, currency), dict.fromkeys(MOVES, 0))
            cell["opening"] += before
            cell["closing"] += now
            if before == 0 and now > 0:
                cell["reactivation" if has_paid else "new"] += now
            elif now == 0:
                cell["churn"] += before
            elif now > before:
                cell["expansion"] += now - before
            else:
                cell["contraction"] += before - now
            before, has_paid = now, has_paid or now > 0
    return found


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(ITEMS, st.sampled_from([None, date(2026, 6, 30), date(2026, 2, 28)]))
def test_generated_companies_agree_with_python_and_with_themselves(
    company: Any, items: list[Any], as_of: date | None
) -> None:
    """Cells, movements, their identity, and that closing is the sum of the tenants."""
    company.clear()
    for tenant, currency, amount, starts, length, interval, count, is_trial in items:
        ends = None if length is None else (starts + timedelta(days=length)).isoformat()
        subscribe(
            company,
            tenant,
            amount,
            starts.isoformat(),
            ends,
            interval=interval,
            count=count,
            currency=currency,
            is_trial=is_trial,
        )
    last_on = as_of or TODAY
    day = as_of.isoformat() if as_of else None
    expected = python_mrr(items, last_on)
    rows = company.report("mrr_by_tenant", as_of=day)
    assert {
        (r["month"], r["tenant_id"], r["currency"]): r["committed_minor"] for r in rows if r["committed_minor"]
    } == expected
    found = {(r["month"], r["currency"]): r for r in company.report("mrr_movements", as_of=day)}
    assert {k: {m: r[f"{m}_minor"] for m in MOVES} for k, r in found.items()} == python_moves(expected, last_on)
    for (month, currency), row in found.items():
        of_tenants = [a for (m, _, c), a in expected.items() if (m, c) == (month, currency)]
        assert row["closing_minor"] == sum(of_tenants)
        assert row["tenants_count"] == len(of_tenants)
        gains = row["new_minor"] + row["reactivation_minor"] + row["expansion_minor"]
        assert row["opening_minor"] + gains - row["contraction_minor"] - row["churn_minor"] == row["closing_minor"]
        if add_months(month, 1) <= month_of(last_on):
            assert found[add_months(month, 1), currency]["opening_minor"] == row["closing_minor"]
    drilled: dict[tuple[date, str, str], int] = defaultdict(int)
    for r in company.report("mrr_movement_rows", as_of=day):
        drilled[r["month"], r["currency"], r["kind"]] += abs(r["change_minor"])
    for (month, currency), row in found.items():
        for kind in MOVES[1:6]:
            assert drilled[month, currency, kind] == row[f"{kind}_minor"]
