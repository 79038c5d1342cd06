"""Revenue, recurring revenue and receivables of a company whose figures are known: said, drilled, and adding up."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from billing_core.periods import add_months, month_of
from tests import company
from tests.pages.test_pages import said

Open = Callable[..., AppTest]
TODAY = datetime.now(UTC).astimezone(ZoneInfo("Europe/Copenhagen")).date()
KRONER = [n for n in range(12) if n % 4 != 3]
FLAT = company.FLAT_MINOR
# Kroner: tenants 0, 1, 4, 5, 6, 8, 9 and 10, of whom the sixth has two fees; the third has left.
MRR = 9 * FLAT


def money(minor: int) -> str:
    """An amount as an Englishman reads it."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100:,}.{abs(minor) % 100:02}"


def month(number: int) -> str:
    """The n-th month of the company as it stands in a link; its last invoiced one is 13, the running one 14."""
    return add_months(month_of(TODAY), number - 14).isoformat()


def net(tenant: int, number: int) -> int:
    """What a tenant's invoice for the n-th month brings, ex tax."""
    return company.invoice_for(tenant, number, "dkk")[0]


def test_revenue_of_a_month_is_drilled_to_rows_that_add_up_to_it(company_app: Open) -> None:
    """The month's figure and the sum of its rows are said side by side and are equal."""
    invoiced = sum(net(n, 12) for n in KRONER)
    app = company_app("revenue", month=month(13), figure="invoiced_minor")
    said_of_it = f"Invoiced: **{money(invoiced)} DKK**. The {len(KRONER)} rows below add up to {money(invoiced)} DKK."
    assert said_of_it in said(app)
    assert app.dataframe[0].value.shape[0] == len(KRONER)


def test_revenue_of_a_product_and_of_a_tenant_add_up_over_all_months(company_app: Open) -> None:
    """One tenant's fourteen invoices; lines without a product are a row of their own."""
    invoiced = sum(net(4, number) for number in range(14))
    text = said(company_app("revenue", by="tenant", tenant="t_05", figure="invoiced_minor", period="all"))
    assert f"Invoiced: **{money(invoiced)} DKK**. The 14 rows below add up to {money(invoiced)} DKK." in text
    everything = sum(net(n, number) for n in KRONER for number in range(14))
    text = said(company_app("revenue", by="product", product="none", figure="invoiced_minor", period="all"))
    assert f"Invoiced: **{money(everything)} DKK**" in text
    assert f"add up to {money(everything)} DKK." in text
    assert "differ by" not in text


def test_collected_counts_money_with_its_tax_in_the_month_it_came(company_app: Open) -> None:
    """The invoices of month 12, finalized on the first of last month and paid nine days later."""
    paid = sum(company.invoice_for(n, 12, "dkk")[2] for n in KRONER)
    text = said(company_app("revenue", view="collected", month=month(13)))
    assert f"Collected: **{money(paid)} DKK**. The 9 rows below add up to {money(paid)} DKK." in text


def test_recognised_revenue_hangs_together_with_what_was_invoiced(company_app: Open) -> None:
    """To date: net invoiced less deferred plus accrued; the rows of a month add up to each."""
    text = said(company_app("revenue", view="recognised", period="all"))
    found = re.search(
        r"recognised ([\d,.]+) DKK = net invoiced ([\d,.]+) DKK − deferred (.+) DKK \+ accrued (.+) DKK", text
    )
    assert found is not None
    recognised, invoiced, deferred, accrued = (Decimal(g.replace(",", "")) for g in found.groups())
    assert recognised == invoiced - deferred + accrued
    for figure in ("recognised_minor", "deferred_minor", "accrued_minor"):
        drilled = said(company_app("revenue", view="recognised", month=month(13), figure=figure))
        assert "differ by" not in drilled
        assert "below" in drilled or "There are no rows behind it" in drilled


def test_the_bridge_of_a_month_adds_up_by_tenant_and_by_line(company_app: Open) -> None:
    """Each tenant has a unit more than the month before; that month the third one also got 40.00 credited."""
    change = sum(net(n, 12) - net(n, 11) for n in KRONER) + 4000
    link = {"view": "change", "month": month(13)}
    text = said(company_app("revenue", **link))
    assert f"Change: **{money(change)} DKK**. The 9 rows below add up to {money(change)} DKK." in text
    one = net(4, 12) - net(4, 11)
    text = said(company_app("revenue", tenant="t_05", **link))
    assert f"Change: **{money(one)} DKK**" in text
    assert f"add up to {money(one)} DKK." in text


def test_recurring_revenue_is_said_for_a_month_and_a_year(company_app: Open) -> None:
    """Nine flat fees of eight tenants; the year is twelve times the month."""
    text = said(company_app("recurring"))
    assert f"**{MRR // 100:,} DKK** a month, **{12 * MRR // 100:,} DKK** a year from 8 tenants" in text


def test_each_movement_is_drilled_to_tenants_that_add_up_to_it(company_app: Open) -> None:
    """The third tenant was lost in month 12, the sixth grew in month 13; balances are the tenants at each end."""
    lost = company_app("recurring", month=month(12), move="churn")
    assert f"Lost: **{money(-FLAT)} DKK**. The row below is {money(-FLAT)} DKK." in said(lost)
    assert lost.dataframe[0].value["tenant_name"].tolist() == [f"{company.NAMES[2]} ›"]
    grown = company_app("recurring", month=month(13), move="expansion")
    assert f"Expansion: **{money(FLAT)} DKK**. The row below is {money(FLAT)} DKK." in said(grown)
    end = company_app("recurring", move="closing")
    assert f"At the end: **{money(MRR)} DKK**. The 8 rows below add up to {money(MRR)} DKK." in said(end)


def test_retention_of_a_month_shows_both_sums_it_is_made_of(company_app: Open) -> None:
    """In month 12 one of nine tenants left; in month 13 the rest stayed and one doubled."""
    assert f"{money(8 * FLAT)} DKK at the end ÷ {money(9 * FLAT)} DKK at the start" in said(
        company_app("recurring", view="retention", month=month(12))
    )
    text = said(company_app("recurring", view="retention", month=month(13)))
    assert "Net retention **112.5 %**" in text
    assert "Gross retention **100.0 %**" in text
    assert "0 of 8 tenants were lost" in text


def test_a_cell_of_the_cohorts_leads_to_its_tenants_also_those_that_left(company_app: Open) -> None:
    """The third tenant began in month 2 and is gone twelve months later: the row is there, with nothing."""
    text = said(company_app("recurring", view="cohorts", period="all", cohort=month(2), after="12"))
    assert "**0** of 1 tenant has recurring revenue." in text
    assert "Recurring revenue: **0.00 DKK**. The row below is 0.00 DKK." in text


def test_recurring_revenue_keeps_currencies_apart(company_app: Open) -> None:
    """Two tenants pay in euro."""
    text = said(company_app("recurring", currency="eur"))
    assert f"**{2 * FLAT // 100:,} EUR** a month" in text
    assert "DKK" not in text


def test_a_link_with_a_movement_or_cell_that_does_not_exist_shows_the_page(company_app: Open) -> None:
    """Nothing of it is taken over."""
    app = company_app("recurring", move="<script>", cohort="2026-01-01", after="⁷", view="cohorts", period="all")
    assert not app.exception
    assert not app.error


def receivable(tenant: int) -> int:
    """What is open on a tenant's last invoice: all of it."""
    return company.invoice_for(tenant, 13, "dkk")[2]


OPEN = sum(receivable(n) for n in KRONER)


def days_past_due(tenant: int) -> int:
    """Of the last invoice: the first tenant has 14 days, the second is charged at once, the others have 30."""
    return (TODAY - (month_of(TODAY) + timedelta(days={0: 14, 1: 0}.get(tenant, 30)))).days


def test_each_bucket_is_drilled_to_invoices_that_add_up_to_it(company_app: Open) -> None:
    """By whole days since the due day, and one tenant's invoices by themselves."""
    not_due = [receivable(n) for n in KRONER if days_past_due(n) <= 0]
    text = said(company_app("receivables", bucket="not_due_minor"))
    assert f"**{(OPEN + 50) // 100:,} DKK** open" in text
    total = money(sum(not_due))
    assert f"Open: **{total} DKK**. The {len(not_due)} rows below add up to {total} DKK." in text
    one = company_app("receivables", tenant="t_01")
    assert f"Open: **{money(receivable(0))} DKK**. The row below is {money(receivable(0))} DKK." in said(one)


def test_a_past_day_shows_what_was_open_then(company_app: Open) -> None:
    """On the day the invoices of month 11 were finalized all of them were open, and later payments do not change it."""
    on = add_months(month_of(TODAY), -2)
    expected = sum(company.invoice_for(n, 11, "dkk")[2] for n in KRONER)
    app = company_app("receivables", as_of=on.isoformat())
    assert f"**{(expected + 50) // 100:,} DKK** open" in said(app)
    total = sum(Decimal(str(a)) for a in app.dataframe[0].value["open_minor"])
    assert total == Decimal(expected) / 100


def test_a_failed_payment_says_why_and_what_is_at_risk(company_app: Open) -> None:
    """The second tenant's card had no money; its attempts are a click away."""
    app = company_app("receivables", view="failed", failed="in_13_t_02")
    row = app.dataframe[0].value.iloc[0]
    assert (str(row["amount_at_risk_minor"]), row["failure_message"]) == (
        money(receivable(1)).replace(",", ""),
        "Your card has insufficient funds.",
    )
    assert "1 failed attempt, 1 row below" in said(app)


def test_collection_of_a_month_is_made_of_its_invoices(company_app: Open) -> None:
    """Month 12 was finalized on the first of last month; totals and what was paid are said beside the ratios."""
    total = sum(company.invoice_for(n, 12, "dkk")[2] for n in KRONER)
    text = said(company_app("receivables", view="collection", month=month(13)))
    assert f"Invoiced incl. tax: **{money(total)} DKK**. The 9 rows below add up to {money(total)} DKK." in text
    assert "same day" in text


def test_both_sides_of_dso_are_shown_with_their_rows(company_app: Open) -> None:
    """Open at the day and invoiced in the 90 days up to it."""
    text = said(company_app("receivables", view="dso", month=month(14)))
    assert f"**{money(OPEN)} DKK**. The 9 rows below add up to {money(OPEN)} DKK." in text
    assert "Invoiced in the 90 days up to it: **" in text
    assert "differ by" not in text


def test_nobody_has_credit_in_this_company(company_app: Open) -> None:
    """An empty view says so."""
    assert "No customer has a balance" in said(company_app("receivables", view="credit"))


def test_a_day_that_cannot_be_shown_falls_back_to_today(company_app: Open) -> None:
    """Tomorrow, before the first invoice, and what is no day."""
    for asked in ("2999-01-01", "1999-01-01", "yesterday", "2026-02-30"):
        app = company_app("receivables", as_of=asked)
        assert not app.exception
        assert "which cannot be shown; showing today" in said(app)


@pytest.mark.parametrize(
    ("page", "view"),
    [
        *(("revenue", view) for view in ("invoiced", "collected", "recognised", "change")),
        *(("recurring", view) for view in ("movements", "retention", "cohorts", "tenants")),
        *(("receivables", view) for view in ("aging", "failed", "collection", "dso", "credit")),
    ],
)
def test_each_view_stands_with_a_single_month(tiny_app: Open, page: str, view: str) -> None:
    """Nothing to compare with, nothing at the start, nothing paid: n/a and dashes, never a `nan` or `None`."""
    app = tiny_app(page, view=view)
    assert not app.exception
    assert not app.error
    texts = [said(app), *(str(metric.value) for metric in app.metric)]
    assert not re.search(r"\bnan\b|\bNone\b|inf\b", " ".join(texts))
