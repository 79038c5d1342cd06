"""Revenue by hand: what counts where, and that every figure is the sum of the rows behind it."""

from __future__ import annotations

from collections import Counter
from typing import Any

FIGURES = ("invoiced_minor", "credited_minor", "collected_minor", "refunded_minor", "tax_minor")
MONTH = ("month", "currency", *FIGURES)


def test_each_figure_counts_in_its_own_month(company: Any) -> None:
    """By the day of finalizing, issuing, paying and refunding; the empty month between is there."""
    company.tenant("t1")
    company.invoice(
        "in_1", "t1", 12500, tax=2500, status="paid", finalized="2026-01-31", paid=12500, paid_on="2026-02-03"
    )
    company.payment("in_1", 12500, "2026-02-03")
    company.credit_note("in_1", 1250, "2026-04-01", tax=250)
    company.refund("in_1", 1250, "2026-04-02")
    assert company.cells("revenue_monthly", *MONTH) == [
        ("2026-01-01", "dkk", 10000, 0, 0, 0, 2500),
        ("2026-02-01", "dkk", 0, 0, 12500, 0, 0),
        ("2026-03-01", "dkk", 0, 0, 0, 0, 0),
        ("2026-04-01", "dkk", 0, 1000, 0, 1250, 0),
    ]


def test_an_instant_belongs_to_the_month_of_the_reporting_zone(company: Any) -> None:
    """31 January 23:30 UTC is already February in Copenhagen."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 100, finalized="2026-01-31T23:30:00+00:00")
    company.invoice("in_2", "t1", 10, finalized="2026-01-31T22:30:00+00:00")
    months = company.cells("revenue_monthly", "month", "invoiced_minor")
    assert months == [("2026-01-01", 10), ("2026-02-01", 100)]


def test_a_void_is_negative_in_the_month_of_voiding(company: Any) -> None:
    """The earlier month does not change, tax goes with it."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 1250, tax=250, status="void", finalized="2026-01-10", voided="2026-02-10")
    figures = company.cells("revenue_monthly", "month", "invoiced_minor", "tax_minor")
    assert figures == [("2026-01-01", 1000, 250), ("2026-02-01", -1000, -250)]
    assert company.cells("revenue_monthly", "month", "invoiced_minor", as_of="2026-02-09") == [("2026-01-01", 1000)]


def test_an_uncollectible_invoice_stays_invoiced_and_a_draft_is_not_yet(company: Any) -> None:
    """A write-off is a loss, not less revenue."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 1000, status="uncollectible", finalized="2026-01-10", written_off="2026-03-10")
    company.invoice("in_2", "t1", 500, status="draft", finalized=None, created="2026-01-20")
    assert company.cells("revenue_monthly", "month", "invoiced_minor") == [("2026-01-01", 1000)]


def test_a_voided_credit_note_is_taken_back_in_the_month_of_voiding(company: Any) -> None:
    """As with invoices, the earlier month stays."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 1000, finalized="2026-01-10")
    company.credit_note("in_1", 300, "2026-01-20", voided="2026-02-01")
    assert company.cells("revenue_monthly", "month", "credited_minor") == [("2026-01-01", 300), ("2026-02-01", -300)]


def test_only_money_that_moved_counts(company: Any) -> None:
    """A canceled payment and a failed refund move nothing; a payment by bank, outside Stripe, does."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 1000, finalized="2026-01-10")
    company.payment("in_1", 400, "2026-01-20", is_outside_stripe=True, reference="bank 77")
    company.payment("in_1", 600, "2026-01-21", status="canceled")
    company.refund("in_1", 100, "2026-01-22", status="failed")
    assert company.cells("revenue_monthly", "collected_minor", "refunded_minor") == [(400, 0)]
    details = [r["detail"] for r in company.report("revenue_rows") if r["kind"] == "payment"]
    assert details == ["bank 77"]


def test_currencies_stay_apart_and_have_their_own_months(company: Any) -> None:
    """Yen without decimals is minor units like any other."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 100, finalized="2026-01-10")
    company.invoice("in_2", "t1", 7000, finalized="2026-02-10", currency="jpy")
    figures = company.cells("revenue_monthly", "month", "currency", "invoiced_minor")
    assert figures == [("2026-01-01", "dkk", 100), ("2026-02-01", "jpy", 7000)]


def test_the_range_cuts_by_day_and_the_as_of_day_is_included(company: Any) -> None:
    """From is included, to is not, as of is the end of its day."""
    company.tenant("t1")
    for day in (10, 20, 30):
        company.invoice(f"in_{day}", "t1", day, finalized=f"2026-01-{day}")
    invoiced = "invoiced_minor"
    assert company.cells("revenue_monthly", invoiced, from_date="2026-01-20", to_date="2026-01-30") == [(20,)]
    assert company.cells("revenue_monthly", invoiced, as_of="2026-01-20") == [(30,)]


def test_every_figure_is_the_sum_of_its_rows_and_of_its_tenants(company: Any) -> None:
    """Each cell of the month, taken apart by row and by tenant, in two currencies, with a customer of no tenant."""
    busy_company(company)
    months = {(r["month"], r["currency"]): {f: r[f] for f in FIGURES} for r in company.report("revenue_monthly")}
    for name in ("revenue_rows", "revenue_by_tenant"):
        sums: dict[tuple[Any, str], Counter[str]] = {}
        for row in company.report(name):
            sums.setdefault((row["month"], row["currency"]), Counter()).update({f: row[f] for f in FIGURES})
        for key, figures in months.items():
            assert dict(sums.get(key, Counter(dict.fromkeys(FIGURES, 0)))) == figures, (name, key)
    for row in company.report("revenue_by_tenant"):
        assert row["net_minor"] == row["invoiced_minor"] - row["credited_minor"]


def test_the_key_figures_repeat_revenue_and_receivables_of_each_month(company: Any) -> None:
    """The last row is today; flows equal the monthly report, open equals the invoices as of the month's end."""
    busy_company(company)
    company.occupancy("t1", "u1", "2026-02-01")
    kpis = {(r["month"].isoformat(), r["currency"]): r for r in company.report("overview_kpis")}
    assert len(kpis) == 26
    for row in company.report("revenue_monthly"):
        kpi = kpis[row["month"].isoformat(), row["currency"]]
        assert [kpi[f] for f in FIGURES[:4]] == [row[f] for f in FIGURES[:4]]
        assert kpi["net_minor"] == row["invoiced_minor"] - row["credited_minor"]
    for (month, currency), kpi in kpis.items():
        listed = company.report("invoices_list", as_of=kpi["measured_on"].isoformat(), currency=currency)
        assert kpi["open_minor"] == sum(r["open_minor"] for r in listed), (month, currency)
        late = [r["open_minor"] for r in listed if (r["days_past_due"] or 0) > 0]
        assert kpi["past_due_minor"] == sum(late), (month, currency)
        assert (kpi["units_count"], kpi["tenants_with_units_count"]) == ((1, 1) if month >= "2026-02" else (0, 0))
    assert kpis["2026-11-01", "dkk"]["measured_on"].isoformat() == "2026-11-22"


def busy_company(company: Any) -> None:
    """Two tenants, an orphan, two currencies; payments, credits, refunds, a void and a write-off over five months."""
    company.tenant("t1")
    company.tenant("t2", currency="eur")
    for month in range(1, 6):
        for tenant, currency, amount in (("t1", "dkk", 1000), ("t2", "eur", 77), (None, "dkk", 13)):
            name = f"in_{month}_{tenant}"
            total = amount * month * 5
            company.invoice(
                name,
                tenant,
                total,
                tax=total // 5,
                finalized=f"2026-{month:02}-28",
                due=f"2026-{month + 1:02}-12",
                currency=currency,
                paid=total // 2,
                credited=total // 10,
            )
            company.payment(name, total // 2, f"2026-{month + 1:02}-05", currency=currency)
            company.credit_note(
                name,
                total // 10,
                f"2026-{month + 1:02}-20",
                tax=total // 50,
                before_payment=total // 10,
                currency=currency,
            )
            company.refund(name, month, f"2026-{month + 2:02}-01", currency=currency)
    company.invoice("in_void", "t1", 999, status="void", finalized="2026-02-02", voided="2026-04-30")
    company.invoice(
        "in_bad", "t2", 555, status="uncollectible", finalized="2026-02-02", written_off="2026-05-31", currency="eur"
    )
