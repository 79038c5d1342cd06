"""Clicks on the charts of the finance pages, as a hand makes them: a bar, a step, a cell; each leads to its rows."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Look, Watched
from tests.browser.test_pages_in_a_browser import point_at


def click_bar(tab: Watched, place: int) -> None:
    """Click a bar of the page's first chart."""
    tab.charts()
    mark = tab.page.locator(".stPlotlyChart").first.locator(".barlayer .point").nth(place)
    box = mark.bounding_box()
    assert box is not None
    point_at(tab, box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)


@pytest.mark.parametrize(
    ("path", "place", "link", "said"),
    [
        ("/recurring", 1, "**/recurring?move=new", "New: "),
        ("/receivables", 0, "**/receivables?bucket=not_due_minor", "Open: "),
        ("/revenue?view=change", 4, "**/revenue?*part=other_minor", "Other: "),
        ("/revenue?view=collected", 8, "**/revenue?*month=*", "Collected: "),
    ],
)
def test_a_click_on_a_bar_shows_rows_that_add_up_to_it(
    company_url: str, look: Look, path: str, place: int, link: str, said: str
) -> None:
    """The link says what was clicked, the sentence what its rows add up to; afterwards it can be clicked again."""
    tab = look(company_url)
    tab.go(path)
    click_bar(tab, place)
    tab.page.wait_for_url(link)
    tab.settle()
    assert said in tab.text()
    assert "add up to" in tab.text() or "below is" in tab.text()
    assert "differ by" not in tab.text()
    tab.page.get_by_role("button", name="All ").first.click()
    tab.until("!/part=|move=|bucket=|month=/.test(location.search)")
    tab.settle()
    click_bar(tab, place)
    tab.page.wait_for_url(link)
    assert tab.complaints == []


def test_a_click_on_a_cell_of_the_cohorts_shows_its_tenants(company_url: str, look: Look) -> None:
    """The first cohort in its first month."""
    tab = look(company_url)
    tab.go("/recurring?view=cohorts")
    tab.charts()
    box = tab.page.locator(".heatmaplayer").first.bounding_box()
    assert box is not None
    point_at(tab, box["x"] + 14, box["y"] + 14)
    tab.page.wait_for_url("**/recurring?*cohort=*")
    tab.settle()
    assert "recurring revenue." in tab.text()
    assert tab.complaints == []
