"""The rows behind recurring revenue and receivables add up to the figures that are clicked."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from billing_core.periods import add_months
from billing_core.services.receivables import BUCKETS, open_invoices
from tests.queries.test_recurring import subscribe


def test_tenants_of_a_cohort_add_up_to_its_cells_also_those_that_left(company: Any) -> None:
    """Two begin in September, one leaves and returns, in two currencies; every cell is the sum of its rows."""
    for currency, factor in (("dkk", 1), ("eur", 3)):
        subscribe(company, f"t1{currency}", 100 * factor, "2026-09-01", currency=currency)
        subscribe(company, f"t2{currency}", 50 * factor, "2026-09-15", "2026-10-10", currency=currency)
        subscribe(company, f"t2{currency}", 70 * factor, "2026-11-10", currency=currency)
        subscribe(company, f"t3{currency}", 10 * factor, "2026-10-01", currency=currency)
    rows = company.report("retention_cohort_rows")
    columns = ("tenant_id", "month", "is_retained", "mrr_start_minor", "mrr_minor")
    left = [tuple(r[c] for c in columns) for r in rows if (r["tenant_id"], r["month_number"]) == ("t2dkk", 1)]
    assert left == [("t2dkk", date(2026, 10, 1), False, 50, 0)]
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for r in rows:
        adds = (1, int(r["is_retained"]), r["mrr_start_minor"], r["mrr_minor"])
        key = (r["cohort_month"], r["month_number"], r["currency"])
        sums[key] = [a + b for a, b in zip(sums[key], adds, strict=True)]
    cells = {
        (r["cohort_month"], r["month_number"], r["currency"]): [
            r["tenants_count"],
            r["tenants_retained_count"],
            r["mrr_start_minor"],
            r["mrr_minor"],
        ]
        for r in company.report("retention_cohorts")
    }
    assert len(cells) == 10
    assert sums == cells


def receivables(company: Any) -> None:
    """Paid early and late, in part, not at all, credited, voided and written off, in two currencies."""
    company.tenant("t1")
    company.tenant("t2", currency="eur")
    for currency, tenant in (("dkk", "t1"), ("eur", "t2")):
        for i, month in enumerate(("05", "06", "07", "08", "09", "10", "11")):
            name, total = f"in_{currency}_{month}", 1000 * (i + 1)
            due = None if i % 3 == 2 else f"2026-{month}-20"
            company.invoice(
                name,
                tenant,
                total,
                tax=total // 5,
                finalized=f"2026-{month}-02",
                due=due,
                paid=total // 4,
                currency=currency,
            )
            company.payment(name, total // 4, f"2026-{month}-0{i + 2}", currency=currency)
        company.invoice(
            f"in_{currency}_paid", tenant, 900, status="paid", finalized="2026-06-30", paid=900, currency=currency
        )
        company.payment(f"in_{currency}_paid", 900, "2026-09-01", currency=currency)
        company.invoice(
            f"in_{currency}_void",
            tenant,
            70,
            tax=10,
            status="void",
            finalized="2026-07-01",
            voided="2026-08-15",
            currency=currency,
        )
        company.invoice(
            f"in_{currency}_bad",
            tenant,
            80,
            status="uncollectible",
            finalized="2026-06-01",
            written_off="2026-10-10",
            currency=currency,
        )
    company.invoice("in_draft", "t1", 5000, status="draft", finalized=None, created="2026-11-20")


DAYS = (None, "2026-05-31", "2026-07-31", "2026-08-20", "2026-10-09")


def test_invoices_add_up_to_every_bucket_of_the_aging_of_any_day(company: Any) -> None:
    """`invoices_list` of the same day, each invoice in the bucket of its days past due."""
    receivables(company)
    for day in DAYS:
        aging = company.report("ar_aging", as_of=day)
        assert aging
        table = company.publish().run("invoices_list", params(company, as_of=day))
        found: dict[tuple[str, str, str], int] = defaultdict(int)
        for row in open_invoices(table).to_pylist():
            found[row["tenant_id"], row["currency"], row["bucket"]] += row["open_minor"]
        expected = {(r["tenant_id"], r["currency"], b): r[b] for r in aging for b in BUCKETS if r[b]}
        assert found == expected, day


def test_invoices_add_up_to_what_collection_ratios_are_made_of(company: Any) -> None:
    """Total and paid within 0, 30, 60 and 90 days: part ÷ whole is the ratio to its six decimals."""
    receivables(company)
    for day in DAYS:
        sums: dict[tuple[date, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for row in company.report("collection_rows", as_of=day):
            for field in ("invoiced", *(f"collected_{n}" for n in (0, 30, 60, 90)), "collected"):
                sums[row["cohort_month"], row["currency"]][field] += row[f"{field}_minor"]
        cohorts = company.report("collections", as_of=day)
        assert len(cohorts) == len(sums)
        for row in cohorts:
            added = sums[row["cohort_month"], row["currency"]]
            assert (added["invoiced"], added["collected"]) == (row["invoiced_minor"], row["collected_minor"])
            for n in (0, 30, 60, 90):
                if row[f"collected_{n}_ratio"] is not None:
                    ratio = Fraction(added[f"collected_{n}"], added["invoiced"])
                    assert abs(Fraction(row[f"collected_{n}_ratio"]) - ratio) <= Fraction(1, 2_000_000)


def test_both_sides_of_dso_are_sums_of_rows(company: Any) -> None:
    """Open is that of the invoices at the month's end, invoiced what was billed in 90 days up to it, with tax."""
    receivables(company)
    checked = 0
    for row in company.report("dso"):
        last = min(add_months(row["month"], 1) - timedelta(days=1), company.now.date())
        listed = company.report("invoices_list", as_of=last.isoformat(), currency=row["currency"])
        assert sum(r["open_minor"] for r in listed if r["status"] == "open") == row["open_minor"]
        first = last - timedelta(days=89)
        billed = company.report(
            "revenue_rows",
            from_date=first.isoformat(),
            to_date=(last + timedelta(days=1)).isoformat(),
            currency=row["currency"],
        )
        both = sum(r["invoiced_minor"] + r["tax_minor"] for r in billed if r["kind"] in ("invoice", "invoice_voided"))
        assert both == row["invoiced_90_minor"]
        checked += 1
    assert checked == 14


def params(company: Any, **given: str | None) -> dict[str, Any]:
    """What every report is run with, dates from ISO strings."""
    clock = {"now": company.now, "today": company.now.date()}
    unfiltered = dict.fromkeys(("from_date", "to_date", "as_of", "tenant_id", "currency"))
    return {**unfiltered, **clock, **{k: v and date.fromisoformat(v) for k, v in given.items()}}
