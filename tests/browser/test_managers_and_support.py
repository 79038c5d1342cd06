"""Tenants, usage, search and one tenant in a real browser: what clicks lead to, and names that look like markup."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from billing_core.store import tables
from billing_core.store.database import Database
from tests import company
from tests.browser.conftest import Look, Watched, serving
from tests.browser.test_pages_in_a_browser import point_at
from tests.world import ZONE, world

HOSTILE = '<img src=x onerror="document.title=1"> **Sun** [press](https://evil.example) <b>&amp;</b> $x$ :red[y]'
PATHS = (
    "/",
    "/tenants",
    "/tenants?view=movers",
    "/tenants?view=movers&tenant=t_01&measure=units_days",
    "/tenants?view=unusual&period=24",
    "/tenants?view=compare&with=t_01",
    "/usage?tenant=t_01",
    "/usage?view=forecast",
    "/search?q=Sun",
    "/search?q=%3Cb%3E**none**",
    "/invoices",
    "/revenue",
    "/recurring?view=tenants",
    "/receivables",
    *(f"/tenant?tenant=t_01&part={part}" for part in ("units", "usage", "recurring", "payments", "timeline", "notes")),
)


def one_hostile_tenant(database: Database) -> None:
    """A single tenant, in one currency, whose every text looks like markup."""
    company.build(database, today=datetime.now(ZONE).date(), tenants=3, currencies=("dkk",))
    with database.begin() as connection:
        for table, column in (
            (tables.tenants, "name"),
            (tables.tenants, "email"),
            (tables.customers, "name"),
            (tables.charges, "failure_message"),
            (tables.invoice_lines, "description"),
        ):
            connection.execute(table.update().values({column: HOSTILE}))
        connection.execute(
            tables.tenant_details.insert().values(
                tenant_id="t_01", cvr_number=HOSTILE, order_reference=HOSTILE, note=HOSTILE
            )
        )
        connection.execute(tables.tenant_notes.insert().values(tenant_id="t_01", author=HOSTILE, content=HOSTILE))


@pytest.fixture(scope="module")
def hostile_url(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app looking at tenants with such names."""
    with world(server_url, tmp_path_factory.mktemp("hostile"), one_hostile_tenant) as made, serving(made) as url:
        yield url


def test_a_name_that_looks_like_markup_stays_a_name(hostile_url: str, look: Look) -> None:
    """On no page a picture, a link or a script comes out of it, and nothing is asked of another host."""
    tab = look(hostile_url)
    for path in PATHS:
        tab.go(path)
        main = tab.page.locator("[data-testid=stMain]")
        assert main.locator("img[src='x'], a[href*='evil']").count() == 0, path
        assert tab.page.locator("[data-testid=stAlert], [data-testid=stException]").count() == 0, path
        assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert tab.complaints == [], path
    tab.go("/tenant?tenant=t_01")
    heading = tab.page.locator("[data-testid=stHeading] h3").first.inner_text().replace("\u2060", "")
    assert heading.startswith('<img src=x onerror="document.title=1"> **Sun** [press](https://evil.example)')


def first_cell(tab: Watched) -> tuple[float, float]:
    """The middle of the first row's first cell of the first table."""
    table = tab.page.locator(".stDataFrame").first
    table.scroll_into_view_if_needed()
    tab.page.wait_for_timeout(500)
    box = table.bounding_box()
    assert box is not None
    return box["x"] + 50, box["y"] + 35 + 17


def test_a_name_in_the_list_leads_to_the_tenant_and_an_invoice_of_it_to_the_invoice(
    company_url: str, look: Look
) -> None:
    """Tenants, tenant, its invoices, one invoice: every step is in the link."""
    tab = look(company_url)
    tab.go("/tenants")
    tab.page.mouse.click(*first_cell(tab))
    tab.page.wait_for_url("**/tenant?tenant=t_12")
    tab.settle()
    tab.page.locator("[data-testid=stButtonGroup]").get_by_text("Invoices", exact=True).click()
    tab.page.wait_for_url("**part=invoices*")
    tab.settle()
    tab.page.mouse.click(*first_cell(tab))
    tab.page.wait_for_url("**/invoices?invoice=in_*")
    assert tab.complaints == []


def test_a_bar_of_the_movers_leads_to_the_days_behind_it(company_url: str, look: Look) -> None:
    """The sentence beside them says what they add up to."""
    tab = look(company_url)
    tab.go("/tenants?view=movers&measure=units_days")
    tab.charts()
    bar = tab.page.locator(".stPlotlyChart .barlayer .point").first.bounding_box()
    assert bar is not None
    point_at(tab, bar["x"] + bar["width"] * 0.5, bar["y"] + bar["height"] * 0.5)
    tab.page.wait_for_url("**tenant=t_*")
    tab.settle()
    assert "The days below add up to" in tab.text()


def test_what_was_typed_into_the_search_leads_to_the_invoice(company_url: str, look: Look) -> None:
    """A part of a number, the first row, the invoice."""
    tab = look(company_url)
    tab.go("/search")
    tab.page.locator("[data-testid=stTextInput] input").first.fill("bd-0168")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/search?q=bd-0168")
    tab.settle()
    assert "1 result" in tab.text()
    tab.page.mouse.click(*first_cell(tab))
    tab.page.wait_for_url("**/invoices?invoice=in_*")
    assert tab.complaints == []
