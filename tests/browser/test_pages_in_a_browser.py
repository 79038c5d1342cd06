"""Every page as a reader sees it: light, dark, narrow, empty, cold, and what a click does."""

from __future__ import annotations

import httpx
import pytest

from pages._registry import PAGES
from tests.browser.conftest import Look, Watched, serving
from tests.world import World

NAMES = [page.name for page in PAGES]


def point_at(tab: Watched, x: float, y: float) -> None:
    """Move to a mark, as a hand does, and click it; a chart answers clicks on what it has under the pointer."""
    tab.page.mouse.move(x, y)
    tab.page.wait_for_timeout(300)
    tab.page.mouse.click(x, y)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_a_page_is_drawn_without_a_complaint(company_url: str, look: Look, name: str, scheme: str, width: int) -> None:
    """No error on the page or in the console, nothing from another host, nothing wider than the window."""
    tab = look(company_url, scheme, width)
    tab.go(f"/{name}")
    tab.charts()
    assert tab.page.locator("[data-testid=stAlert], [data-testid=stException]").count() == 0
    assert name.replace("_", " ") in tab.page.locator("h1").inner_text().lower()
    assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    background = tab.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert background == ("rgb(26, 25, 22)" if scheme == "dark" else "rgb(252, 251, 249)")
    assert tab.complaints == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_without_data_names_the_next_step(empty_url: str, look: Look, name: str) -> None:
    """The empty state is text and a command, and no complaint."""
    tab = look(empty_url)
    tab.go(f"/{name}")
    assert "billing refresh" in tab.text()
    assert tab.page.locator("[data-testid=stAlert], [data-testid=stException]").count() == 0
    assert tab.complaints == []


@pytest.mark.parametrize("name", NAMES)
def test_a_deep_link_to_a_cold_server_meets_the_role_check(company_world: World, look: Look, name: str) -> None:
    """The first request a server ever gets is the deep link; connected to Stripe and not signed in it shows nothing."""
    with serving({**company_world, "STRIPE_API_KEY": "sk_test_nobody"}) as url:
        tab = look(url)
        tab.go(f"/{name}?as=asta%40demo.example")
        assert "Nobody is signed in" in tab.text()
        assert tab.page.locator(".stPlotlyChart, .stDataFrame, [data-testid=stMetric]").count() == 0


def test_a_click_on_a_month_leads_to_its_rows_and_a_row_to_its_invoice(company_url: str, look: Look) -> None:
    """Overview, bar, revenue of that month, first row, invoice: every step is in the link."""
    tab = look(company_url)
    tab.go("/")
    tab.charts()
    bar = tab.page.locator(".stPlotlyChart .barlayer .point").nth(10).bounding_box()
    assert bar is not None
    point_at(tab, bar["x"] + bar["width"] * 0.3, bar["y"] + bar["height"] * 0.5)
    tab.page.wait_for_url("**/revenue?month=*")
    tab.settle()
    assert "add up to" in tab.text()
    table = tab.page.locator(".stDataFrame").first
    table.scroll_into_view_if_needed()
    tab.page.wait_for_timeout(500)
    box = table.bounding_box()
    assert box is not None
    # The second column leads to the invoice, the first to the tenant.
    tab.page.mouse.click(box["x"] + 350, box["y"] + 35 + 17)
    tab.page.wait_for_url("**/invoices?invoice=in_*")
    tab.settle()
    assert "Payments, refunds and credit notes" in tab.text()
    assert tab.complaints == []


def test_a_click_on_a_cell_of_the_heat_map_opens_the_tenant(company_url: str, look: Look) -> None:
    """Anywhere in the cell, not only in its middle."""
    tab = look(company_url)
    tab.go("/usage")
    tab.charts()
    box = tab.page.locator(".heatmaplayer").first.bounding_box()
    assert box is not None
    point_at(tab, box["x"] + box["width"] * 0.51, box["y"] + box["height"] * 0.3)
    tab.page.wait_for_url("**/usage?tenant=t_*")


def test_a_table_can_be_taken_away_as_a_file(company_url: str, look: Look) -> None:
    """The CSV beside the table has the report's columns and all its rows, amounts in minor units."""
    tab = look(company_url)
    tab.go("/invoices?status=paid")
    with tab.page.expect_download() as waiting:
        tab.page.locator("[data-testid=stDownloadButton] button").first.click()
    lines = waiting.value.path().read_text("utf-8").splitlines()
    assert waiting.value.suggested_filename == "invoices.csv"
    assert lines[0].startswith("invoice_id,number,tenant_id,tenant_name")
    assert len(lines) == 1 + 168


def test_a_chart_can_be_saved_as_a_picture(company_url: str, look: Look) -> None:
    """The browser makes a drawing of the chart; nothing is asked of another host for it."""
    tab = look(company_url)
    tab.go("/revenue")
    chart = tab.page.locator(".js-plotly-plot").first
    chart.hover()
    button = chart.locator(".modebar-btn")
    assert button.get_attribute("data-title") == "Save this chart as a picture (SVG)"
    with tab.page.expect_download() as waiting:
        button.click(force=True)
    assert waiting.value.suggested_filename.endswith(".svg")
    assert waiting.value.path().read_text("utf-8").startswith("<svg")


def test_a_figure_explains_itself(company_url: str, look: Look) -> None:
    """The definition stands behind the question beside the figure."""
    tab = look(company_url)
    tab.go("/revenue")
    tab.page.get_by_role("button", name="How is this computed?").first.click()
    assert "Three views that are never mixed" in tab.page.locator("[data-testid=stPopoverBody]").inner_text()


def test_looking_as_somebody_else_is_kept_from_page_to_page(company_url: str, look: Look) -> None:
    """The choice in the link holds when the reader goes on by the menu."""
    tab = look(company_url)
    tab.go("/overview?as=sara%40demo.example")
    assert "Sara Holm" in tab.text()
    tab.page.get_by_text("Finance", exact=True).first.click()
    tab.page.get_by_role("menuitem", name="Invoices").click()
    tab.page.wait_for_url("**/invoices*")
    tab.settle()
    assert "Sara Holm" in tab.text()


def test_health_says_ready_and_files_come_compressed(company_url: str) -> None:
    """What a supervisor and a slow line need to know."""
    answer = httpx.get(f"{company_url}/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    index = httpx.get(company_url)
    assert "default-src 'self'" in index.headers["content-security-policy"]
    script = index.text.split('type="module" crossorigin src=".')[1].split('"')[0]
    packed = httpx.get(company_url + script)
    assert packed.headers["content-encoding"] == "gzip"
