"""Recognised, deferred and accrued revenue: by hand, and generated books against a count of days in plain Python."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_core.periods import add_months, month_of, months_between
from billing_core.store import tables
from tests.queries.generated import BOOKS, Credit, Invoice, Line, items, lay, reached

VIEWS = ("recognised_minor", "deferred_minor", "accrued_minor")
TODAY = date(2026, 11, 22)


def d(day: str) -> date:
    """A date."""
    return date.fromisoformat(day)


def recognised(company: Any, **params: Any) -> list[tuple[Any, ...]]:
    """Months with the three figures, where not all are 0."""
    return [row for row in company.cells("revenue_monthly", "month", *VIEWS, **params) if any(row[1:])]


def one(company: Any, *parts: Line, **more: Any) -> None:
    """A company with one invoice, of 1 February unless told."""
    lay(company, [Invoice("t1", "dkk", more.pop("finalized", d("2026-02-01")), parts, **more)])


def test_a_fee_in_advance_is_earned_by_the_days_of_its_period(company: Any) -> None:
    """15 January to 15 February is 31 days: 17 of them in January."""
    one(company, Line(3100, 0, d("2026-01-15"), d("2026-02-15")), finalized=d("2026-01-15"))
    assert recognised(company) == [("2026-01-01", 1700, 1400, 0), ("2026-02-01", 1400, 0, 0)]


def test_usage_in_arrears_is_earned_before_it_is_invoiced(company: Any) -> None:
    """January is earned in January, and accrued until the invoice of 1 February, which then defers nothing."""
    one(company, Line(3100, 0, d("2026-01-01"), d("2026-02-01")))
    assert recognised(company) == [("2026-01-01", 3100, 0, 3100)]
    assert company.cells("revenue_monthly", "month", "invoiced_minor", *VIEWS)[1] == ("2026-02-01", 3100, 0, 0, 0)


def test_what_is_invoiced_after_the_as_of_day_does_not_exist(company: Any) -> None:
    """As of 31 January nobody knows the invoice; as of 1 February January has its accrual."""
    one(company, Line(3100, 0, d("2026-01-01"), d("2026-02-01")))
    assert company.report("revenue_monthly", as_of="2026-01-31") == []
    assert recognised(company, as_of="2026-02-01") == [("2026-01-01", 3100, 0, 3100)]


def test_an_annual_fee_is_earned_month_by_month_and_the_whole_is_preserved(company: Any) -> None:
    """1000 over 365 days, rounded as a running total: 85, 77 (162 after 59 days), … and 1000 in the end."""
    one(company, Line(1000, 0, d("2025-01-01"), d("2026-01-01")), finalized=d("2025-01-01"))
    rows = recognised(company)
    assert [(r[0], r[1]) for r in rows[:2]] == [("2025-01-01", 85), ("2025-02-01", 77)]
    assert sum(r[1] for r in rows) == 1000
    assert [r[2] for r in rows][:2] == [915, 838]
    assert rows[-1][0] == "2025-12-01"


def test_today_ends_what_is_earned(company: Any) -> None:
    """On 22 November 22 of 30 days are earned; the rest is deferred; next month does not show yet."""
    one(company, Line(3000, 0, d("2026-11-01"), d("2026-12-01")), finalized=d("2026-11-01"))
    assert recognised(company) == [("2026-11-01", 2200, 800, 0)]


def test_discounts_are_off_and_tax_is_out_also_where_prices_include_it(company: Any) -> None:
    """1000 less 100 with 25 % on top, and the same with the tax inside, both earn 900."""
    line = Line(1000, 100, d("2026-02-01"), d("2026-02-11"))
    one(company, line)
    assert recognised(company) == [("2026-02-01", 900, 0, 0)]
    company.clear()
    one(company, line, is_inclusive=True)
    assert recognised(company) == [("2026-02-01", 900, 0, 0)]
    assert company.cells("revenue_monthly", "invoiced_minor", "tax_minor") == [(900, 225)]


def test_a_line_without_a_period_is_earned_on_the_day_of_the_invoice(company: Any) -> None:
    """One without length on its own day; what no line names, on the invoice's."""
    one(company, Line(100), Line(10, 0, d("2026-01-20"), d("2026-01-20")), rest=1)
    assert recognised(company) == [("2026-01-01", 10, 0, 10), ("2026-02-01", 101, 0, 0)]


def test_days_are_those_of_the_reporting_zone(company: Any) -> None:
    """31 January 23:00 UTC is 1 February in Copenhagen: February has all of it, and March its 31 days."""
    company.invoice("in_1", "t1", 280, finalized="2026-01-31T23:00:00+00:00")
    company.invoice("in_2", "t1", 3100, finalized="2026-03-01T00:00:00+00:00")
    for name, starts, ends in (
        ("in_1", "2026-01-31T23:00:00+00:00", "2026-02-28T23:00:00+00:00"),
        ("in_2", "2026-02-28T23:00:00+00:00", "2026-03-31T22:00:00+00:00"),
    ):
        amount = 280 if name == "in_1" else 3100
        company.add(
            tables.invoice_lines,
            invoice_line_id=f"{name}_l",
            invoice_id=name,
            position=0,
            amount_minor=amount,
            currency="dkk",
            period_start_at=starts,
            period_end_at=ends,
        )
    assert recognised(company) == [("2026-02-01", 280, 0, 0), ("2026-03-01", 3100, 0, 0)]
    assert recognised(company, as_of="2026-03-29")[1] == ("2026-03-01", 2900, 200, 0)


def test_a_credit_takes_back_what_is_earned_and_spreads_the_rest(company: Any) -> None:
    """Half of a fee of 280 for February, credited on the 14th: 70 back that day, 5 a day from then on."""
    one(company, Line(280, 0, d("2026-02-01"), d("2026-03-01")), credits=(Credit(d("2026-02-14"), ((0, 140),)),))
    assert recognised(company, as_of="2026-02-13") == [("2026-02-01", 130, 150, 0)]
    assert recognised(company, as_of="2026-02-14") == [("2026-02-01", 70, 70, 0)]
    assert recognised(company) == [("2026-02-01", 140, 0, 0)]


def test_a_credit_that_comes_later_leaves_earlier_months_alone(company: Any) -> None:
    """Issued in April for February: all of it is April's."""
    one(company, Line(280, 0, d("2026-02-01"), d("2026-03-01")), credits=(Credit(d("2026-04-10"), ((0, 140),)),))
    assert recognised(company) == [("2026-02-01", 280, 0, 0), ("2026-04-01", -140, 0, 0)]


def test_a_credit_on_no_line_counts_on_its_day_and_a_voided_one_comes_back(company: Any) -> None:
    """Both by the day they happen."""
    credit = Credit(d("2026-03-10"), ((None, 50),), d("2026-05-01"))
    one(company, Line(100), credits=(credit,))
    assert recognised(company) == [("2026-02-01", 100, 0, 0), ("2026-03-01", -50, 0, 0), ("2026-05-01", 50, 0, 0)]


def test_a_voiding_takes_everything_back_on_its_day(company: Any) -> None:
    """A year from February, voided on 1 April: 59 days are earned and taken back, nothing is deferred any more."""
    one(company, Line(3650, 0, d("2026-02-01"), d("2027-02-01")), voided=d("2026-04-01"))
    assert recognised(company) == [
        ("2026-02-01", 280, 3370, 0),
        ("2026-03-01", 310, 3060, 0),
        ("2026-04-01", -590, 0, 0),
    ]


def test_a_write_off_stays_earned(company: Any) -> None:
    """It is a loss, not less revenue."""
    one(company, Line(280, 0, d("2026-02-01"), d("2026-03-01")), written_off=d("2026-02-10"))
    assert recognised(company) == [("2026-02-01", 280, 0, 0)]


def test_a_range_begins_and_ends_within_a_month(company: Any) -> None:
    """From 11 February, to 21 February: ten days are earned, and the balance is that of the 20th."""
    one(company, Line(280, 0, d("2026-02-01"), d("2026-03-01")))
    assert recognised(company, from_date="2026-02-11", to_date="2026-02-21") == [("2026-02-01", 100, 80, 0)]


def test_zero_decimal_currencies_are_whole_units(company: Any) -> None:
    """100 yen over 28 days: 4, 7, 11, … the running total rounded, never a fraction."""
    lay(company, [Invoice("t1", "jpy", d("2026-02-01"), (Line(100, 0, d("2026-02-01"), d("2026-03-01")),))])
    earned = [recognised(company, as_of=f"2026-02-0{n}")[0][1] for n in (1, 2, 3)]
    assert earned == [4, 7, 11]


# --- generated books against plain Python -----------------------------------------------------------------------------


def python_figures(books: list[Invoice], as_of: date | None) -> dict[tuple[date, str, str], tuple[int, int, int]]:
    """Recognised, deferred and accrued by (month, tenant, currency), where not all are 0."""
    found: dict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    every = [item for invoice in books for item in items(invoice)]
    last_on = as_of or reached(books, TODAY)
    for item in every:
        if as_of is None or item.booked <= as_of:
            for month in months_between(min(item.booked, item.earns_from), last_on):
                end = min(add_months(month, 1) - timedelta(days=1), last_on)
                earned = item.earned_by(end)
                cell = found[month, item.tenant, item.currency]
                cell[0] += earned - item.earned_by(month - timedelta(days=1))
                cell[1] += item.net - earned if item.booked <= end else 0
                cell[2] += earned if item.booked > end else 0
    return {key: (c[0], c[1], c[2]) for key, c in found.items() if any(c)}


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(BOOKS, st.sampled_from([None, date(2026, 6, 30), date(2026, 2, 14)]))
def test_generated_books_agree_with_python_and_with_themselves(
    company: Any, books: list[Invoice], as_of: date | None
) -> None:
    """Every cell; recognised to date = net invoiced − deferred + accrued; tenants, products and rows add up."""
    company.clear()
    lay(company, books)
    day = as_of.isoformat() if as_of else None
    by_tenant = company.report("revenue_by_tenant", as_of=day)
    expected = python_figures(books, as_of)
    assert {
        (r["month"], r["tenant_id"], r["currency"]): tuple(r[v] for v in VIEWS)
        for r in by_tenant
        if any(r[v] for v in VIEWS)
    } == expected
    monthly = company.report("revenue_monthly", as_of=day)
    to_date: dict[str, int] = defaultdict(int)
    for row in monthly:
        to_date[row["currency"]] += row["recognised_minor"] - row["invoiced_minor"] + row["credited_minor"]
        assert to_date[row["currency"]] == row["accrued_minor"] - row["deferred_minor"], row
    for name in ("revenue_by_tenant", "revenue_by_product", "recognition_rows"):
        sums: dict[tuple[Any, str], list[int]] = defaultdict(lambda: [0] * 5)
        for row in company.report(name, as_of=day):
            for position, figure in enumerate((*VIEWS, "invoiced_minor", "credited_minor")):
                sums[row["month"], row["currency"]][position] += row[figure]
        for row in monthly:
            figures = [row[f] for f in (*VIEWS, "invoiced_minor", "credited_minor")]
            assert sums.pop((row["month"], row["currency"]), [0] * 5) == figures, (name, row)
        assert not sums, name


@pytest.mark.parametrize("column", ["tenant_id", "product_id"])
def test_each_cell_by_tenant_and_product_is_the_sum_of_its_rows(company: Any, column: str) -> None:
    """Each figure that a reader can click on, taken apart."""
    starts = d("2026-01-10")
    lay(
        company,
        [
            Invoice(
                tenant,
                currency,
                starts + timedelta(days=30 * n),
                (
                    Line(999 * n, 7, starts, starts + timedelta(days=40 * n), "p_unit"),
                    Line(50, 0, starts + timedelta(days=n), starts + timedelta(days=90)),
                ),
                credits=(Credit(starts + timedelta(days=30 * n + 9), ((0, 11 * n),)),),
            )
            for n in range(1, 6)
            for tenant, currency in (("t1", "dkk"), ("t2", "eur"))
        ],
    )
    name = {"tenant_id": "revenue_by_tenant", "product_id": "revenue_by_product"}[column]
    figures = (*VIEWS, "invoiced_minor", "credited_minor")
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 5)
    for row in company.report("recognition_rows"):
        cell = sums[row["month"], row[column], row["currency"]]
        for position, figure in enumerate(figures):
            cell[position] += row[figure]
    found = {(r["month"], r[column], r["currency"]): [r[f] for f in figures] for r in company.report(name)}
    assert found == dict(sums)
    assert len({key[1] for key in found}) == 2
    assert month_of(starts) in {key[0] for key in found}
