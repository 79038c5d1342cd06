"""What each page says about a company whose figures are known, and about one that has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from billing_core.services.access import DEMO_STAFF
from pages._registry import BY_NAME, PAGES
from tests import company

Open = Callable[..., AppTest]
NAMES = [page.name for page in PAGES]
TODAY = datetime.now(UTC).astimezone(ZoneInfo("Europe/Copenhagen")).date()
# The company's last invoices are those of month 13, finalized on the first of today's month.
LAST, BEFORE = 13, 12
DKK = [n for n in range(12) if n % 4 != 3]


def said(app: AppTest) -> str:
    """All running text of a page."""
    return "\n".join(element.value for element in [*app.title, *app.markdown, *app.caption, *app.subheader])


def whole(minor: int) -> str:
    """Whole kroner as an Englishman reads them, halves up."""
    return f"{(minor + 50) // 100:,}"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_with_data_shows_figures_and_no_error(company_app: Open, name: str) -> None:
    """Title, a sentence, a table or chart; neither an exception nor an error box."""
    app = company_app(name)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == BY_NAME[name].title
    assert len(app.dataframe) + len(app.get("plotly_chart")) > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_page_without_data_says_why_and_what_to_do(empty_app: Open, name: str) -> None:
    """The empty state names the next command; there is no error."""
    app = empty_app(name)
    assert not app.exception
    assert not app.error
    assert "yet" in said(app)
    assert any("billing refresh" in code.value for code in app.code)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("person", DEMO_STAFF, ids=lambda person: person.email)
def test_every_member_of_the_demo_staff_may_see_every_page(company_app: Open, name: str, person: object) -> None:
    """Reports are for all four roles; the head names who is looking."""
    app = company_app(name, **{"as": person.email})  # type: ignore[attr-defined]
    assert not app.exception
    assert not app.error
    assert person.name in said(app)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_nonsense_in_the_link_falls_back_with_a_remark(company_app: Open, name: str) -> None:
    """Unknown values, wrong types, markup and overlong ones are dropped; the page stands."""
    nonsense = {
        "currency": "xxx",
        "month": "2026-99-99",
        "period": "-1",
        "tenant": "'; drop table tenants; --",
        "status": "<b>paid</b>",
        "figure": "1/0",
        "metric": "../../etc/passwd",
        "rows": "1e9",
        "invoice": "in_none",
        "q": "%" * 5000,
        "as": "root@example.com",
    }
    app = company_app(name, **nonsense)
    assert not app.exception
    assert not app.error
    assert "which is not there" in said(app) or "There is no invoice" in said(app)


def test_overview_answers_with_last_months_net_and_todays_open_amounts(company_app: Open) -> None:
    """Net of the invoices finalized last month, and what is open and past due now, computed from the company's rule."""
    net = sum(company.invoice_for(n, BEFORE, "dkk")[0] for n in DKK)
    open_minor = sum(company.invoice_for(n, LAST, "dkk")[2] for n in DKK)
    text = said(company_app("overview"))
    assert f"**{whole(net)} DKK** net" in text
    assert f"**{whole(open_minor)} DKK** is open" in text


def test_overview_keeps_currencies_apart(company_app: Open) -> None:
    """The other currency has figures of its own; nothing is a sum of both."""
    net = sum(company.invoice_for(n, BEFORE, "eur")[0] for n in range(12) if n not in DKK)
    text = said(company_app("overview", currency="eur"))
    assert f"**{whole(net)} EUR** net" in text
    assert "DKK" not in text


def test_invoices_are_counted_by_status_and_filtered_by_the_link(company_app: Open) -> None:
    """Twelve invoices are not paid yet; a number finds one of all 168."""
    assert "168 invoices" in said(company_app("invoices"))
    assert "156 invoices" in said(company_app("invoices", status="paid"))
    assert "1 invoice:" in said(company_app("invoices", q="bd-0168"))
    assert "14 invoices" in said(company_app("invoices", tenant="t_03"))
    assert "No invoice matches" in said(company_app("invoices", q="nothing like it"))


def test_one_invoice_shows_its_lines_taxes_and_failed_payment(company_app: Open) -> None:
    """The second tenant's last invoice: two lines, 25 % moms, one failed attempt with its reason."""
    subtotal, tax, total = company.invoice_for(1, LAST, "dkk")
    app = company_app("invoices", invoice="in_13_t_02")
    assert [metric.value for metric in app.metric] == [f"{a / 100:,.2f}" for a in (subtotal, tax, total, total)]
    assert "It is charged automatically and was finalized" in said(app)
    lines, payments = app.dataframe[0].value, app.dataframe[1].value
    assert [str(a) for a in lines["amount_minor"]] == ["99.00", f"{(subtotal - 9900) / 100:.2f}"]
    assert payments["reason"].tolist() == ["Your card has insufficient funds."]


def test_usage_shows_one_tenants_days_beside_all(company_app: Open) -> None:
    """A tenant in the link gets a chart of its own above the heat map."""
    assert len(company_app("usage").get("plotly_chart")) == 1
    app = company_app("usage", tenant="t_05")
    assert len(app.get("plotly_chart")) == 2
    assert company.NAMES[4] in said(app)


def test_usage_of_a_metric_can_be_chosen(company_app: Open) -> None:
    """Imported readings stand beside units."""
    app = company_app("usage", metric="heat_kwh", tenant="t_05")
    assert not app.exception
    assert "heat_kwh per day" in said(app)


def test_numbers_follow_the_readers_browser(company_app: Open) -> None:
    """A Danish browser reads a point as thousands separator."""
    net = sum(company.invoice_for(n, BEFORE, "dkk")[0] for n in DKK)
    assert f"**{whole(net).replace(',', '.')} DKK** net" in said(company_app("overview", locale="da-DK"))
