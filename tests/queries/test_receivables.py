"""Aging, collection and DSO: by hand, and aging against a calculation in Python on generated companies."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

BUCKETS = ("not_due", "d1_30", "d31_60", "d61_90", "d91_120", "over_120")
COLUMNS = (*(f"{b}_minor" for b in BUCKETS), "open_minor")


def test_buckets_by_whole_days_past_due(company: Any) -> None:
    """Due today is not due; 1, 30, 31, 60, 61, 90, 91, 120 and 121 days each in their bucket."""
    company.tenant("t1")
    today = date(2026, 11, 22)
    for i, days in enumerate((-5, 0, 1, 30, 31, 60, 61, 90, 91, 120, 121)):
        company.invoice(f"in_{i}", "t1", 10**i, finalized="2026-01-05", due=(today - timedelta(days=days)).isoformat())
    amounts = (11, 1100, 110_000, 11_000_000, 1_100_000_000, 10_000_000_000)
    assert company.cells("ar_aging", *COLUMNS) == [(*amounts, sum(amounts))]


def test_any_past_day_is_rebuilt_from_dated_payments_and_credits(company: Any) -> None:
    """What was paid, credited, voided or written off later was still open then."""
    company.tenant("t1")
    company.invoice(
        "in_1",
        "t1",
        1000,
        status="paid",
        finalized="2026-03-01",
        due="2026-03-15",
        paid=900,
        credited=100,
        paid_on="2026-05-01",
    )
    company.credit_note("in_1", 100, "2026-04-01", before_payment=100)
    company.payment("in_1", 400, "2026-04-20", is_outside_stripe=True)
    company.payment("in_1", 500, "2026-05-01")
    company.invoice("in_2", "t1", 70, status="void", finalized="2026-03-01", due="2026-03-31", voided="2026-04-25")
    company.invoice(
        "in_3", "t1", 6, status="uncollectible", finalized="2026-03-01", due="2026-03-31", written_off="2026-04-26"
    )

    def on(day: str) -> list[tuple[Any, ...]]:
        return company.cells("ar_aging", *COLUMNS[:3], "open_minor", as_of=day)

    assert on("2026-02-28") == []
    assert on("2026-03-15") == [(1076, 0, 0, 1076)]
    assert on("2026-03-31") == [(76, 1000, 0, 1076)]
    assert on("2026-04-01") == [(0, 976, 0, 976)]
    assert on("2026-04-20") == [(0, 76, 500, 576)]
    assert on("2026-04-25") == [(0, 6, 500, 506)]
    assert on("2026-04-26") == [(0, 0, 500, 500)]
    assert on("2026-05-01") == []


def test_an_invoice_without_a_due_day_ages_from_its_finalization_and_says_so(company: Any) -> None:
    """Charged automatically."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 100, finalized="2026-11-12")
    company.invoice("in_2", "t1", 7, finalized="2026-11-12", due="2026-12-12")
    assert company.cells("ar_aging", "not_due_minor", "d1_30_minor", "no_due_day_minor") == [(7, 100, 100)]


def test_later_payments_do_not_change_a_past_day(company: Any) -> None:
    """The same rows before and after."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 1000, finalized="2026-03-01", due="2026-03-15", paid=300)
    before = company.report("ar_aging", as_of="2026-04-01")
    company.payment("in_1", 300, "2026-06-01")
    assert company.report("ar_aging", as_of="2026-04-01") == before
    assert company.cells("ar_aging", "open_minor") == [(700,)]


def test_collection_ratios_count_days_from_finalization(company: Any) -> None:
    """Same day, within 30, 60 and 90 days; a void invoice is not in the cohort; the young are not judged yet."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 600, finalized="2026-05-01")
    for amount, day in (
        (100, "2026-05-01"),
        (100, "2026-05-31"),
        (100, "2026-06-01"),
        (100, "2026-06-30"),
        (100, "2026-07-30"),
        (50, "2026-07-31"),
    ):
        company.payment("in_1", amount, day)
    company.invoice("in_2", "t1", 600, finalized="2026-05-10", due="2026-06-01")
    company.invoice("in_v", "t1", 600, status="void", finalized="2026-05-10", voided="2026-06-10")
    columns = ("invoiced_minor", *(f"collected_{d}_ratio" for d in (0, 30, 60, 90)), "collected_minor")
    twelfth, sixth = Decimal("0.083333"), Decimal("0.166667")
    assert company.cells("collections", *columns) == [
        (1200, twelfth, sixth, Decimal("0.333333"), Decimal("0.416667"), 550)
    ]
    young = company.cells("collections", *columns, as_of="2026-06-10")
    assert young == [(1200, twelfth, sixth, None, None, 300)]
    # The void still was a part of the month on the day before.
    assert company.cells("collections", "invoiced_minor", as_of="2026-06-09") == [(1800,)]


def test_dso_and_countback_by_hand(company: Any) -> None:
    """May 31 days, April 30: open 1500 at the end of May, invoiced 1000 in May and 2000 in April."""
    company.tenant("t1")
    company.invoice("in_a", "t1", 2000, tax=400, finalized="2026-04-10", paid=1500)
    company.payment("in_a", 1500, "2026-05-20")
    company.invoice("in_m", "t1", 1000, tax=200, finalized="2026-05-10")
    rows = company.cells(
        "dso", "month", "dso_days", "countback_days", "open_minor", "invoiced_90_minor", as_of="2026-05-31"
    )
    assert rows == [
        ("2026-04-01", Decimal(90), Decimal(30), 2000, 2000),
        # 1500 × 90 ÷ 3000; 31 days of May and 500 ÷ 2000 of April's 30
        ("2026-05-01", Decimal(45), Decimal("38.5"), 1500, 3000),
    ]


def test_dso_is_not_applicable_where_nothing_was_invoiced(company: Any) -> None:
    """Open from long ago, nothing in the last 90 days: no DSO; countback runs through the empty months."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 100, finalized="2026-01-10")
    [row] = company.cells("dso", "dso_days", "countback_days", "open_minor", from_date="2026-06-01", as_of="2026-06-30")
    assert row == (None, Decimal(181), 100)


# --- generated companies against plain Python ------------------------------------------------------------------------

INVOICES = st.lists(
    st.tuples(
        st.sampled_from(["t1", "t2"]),
        st.sampled_from(["dkk", "jpy"]),
        st.integers(1, 1_000_000),
        st.dates(date(2026, 1, 1), date(2026, 10, 31)),
        st.one_of(st.none(), st.integers(0, 60)),
        st.sampled_from(["open", "paid", "void", "uncollectible"]),
        st.lists(st.tuples(st.integers(0, 120), st.integers(1, 99)), max_size=3),
        st.integers(0, 150),
    ),
    max_size=20,
)


def python_aging(invoices: list[Any], day: date) -> dict[tuple[str, str], dict[str, int]]:
    """Open by (tenant, currency) and bucket at the end of a day."""
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(BUCKETS, 0))
    for tenant, currency, total, finalized, terms, status, payments, closed_after in invoices:
        closed = None if status == "open" else finalized + timedelta(days=closed_after)
        if finalized > day or (closed is not None and closed <= day):
            continue
        paid = sum(part for on, part in parts(total, payments, finalized) if on <= day)
        late = (day - (finalized if terms is None else finalized + timedelta(days=terms))).days
        bucket = BUCKETS[0 if late <= 0 else min((late - 1) // 30 + 1, 5)]
        found[tenant, currency][bucket] += total - paid
    return {key: cells for key, cells in found.items() if any(cells.values())}


def parts(total: int, payments: list[tuple[int, int]], finalized: date) -> list[tuple[date, int]]:
    """Payments that together leave something open: each takes some hundredths of a third."""
    return [(finalized + timedelta(days=days), total * share // 300) for days, share in payments]


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(INVOICES, st.lists(st.dates(date(2026, 1, 1), date(2026, 11, 22)), min_size=1, max_size=3))
def test_aging_of_generated_companies_agrees_with_python_on_any_day(
    company: Any, invoices: list[Any], days: list[date]
) -> None:
    """To the minor unit, and the buckets add up to open."""
    company.clear()
    for i, (tenant, currency, total, finalized, terms, status, payments, closed_after) in enumerate(invoices):
        closed = (finalized + timedelta(days=closed_after)).isoformat()
        paid = [p for p in parts(total, payments, finalized) if p[1]]
        company.invoice(
            f"in_{i}",
            tenant,
            total,
            status=status,
            finalized=finalized.isoformat(),
            due=None if terms is None else (finalized + timedelta(days=terms)).isoformat(),
            paid=total if status == "paid" else sum(amount for _, amount in paid),
            paid_on=closed if status == "paid" else None,
            voided=closed if status == "void" else None,
            written_off=closed if status == "uncollectible" else None,
            currency=currency,
        )
        for on, amount in paid:
            company.payment(f"in_{i}", amount, on.isoformat(), currency=currency)
    for day in days:
        rows = company.report("ar_aging", as_of=day.isoformat())
        for row in rows:
            assert sum(row[f"{b}_minor"] for b in BUCKETS) == row["open_minor"]
        found = {(r["tenant_id"], r["currency"]): {b: r[f"{b}_minor"] for b in BUCKETS} for r in rows}
        assert found == python_aging(invoices, day)
        listed = company.report("invoices_list", as_of=day.isoformat())
        assert sum(r["open_minor"] for r in listed) == sum(r["open_minor"] for r in rows)
