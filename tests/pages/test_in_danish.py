"""The pages in Danish: by the browser's language, by a link, and by the switch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from billing_core.language import translated
from pages._registry import BY_NAME, PAGES

Open = Callable[..., AppTest]


def said(app: AppTest) -> str:
    """All running text of a page."""
    return "\n".join(element.value for element in [*app.title, *app.markdown, *app.caption, *app.subheader])


@pytest.mark.parametrize("name", [page.name for page in PAGES])
def test_a_danish_browser_gets_danish_pages(company_app: Open, name: str) -> None:
    """Titles and help are Danish, and no page fails in it."""
    app = company_app(name, locale="da-DK")
    assert not app.exception
    assert not app.error
    assert app.title[0].value == translated(BY_NAME[name].title, "da")
    assert "pr. " in said(app)


def test_sentences_and_figures_of_a_danish_page_are_danish(company_app: Open) -> None:
    """The answer of the overview has Danish words, months and separators; nothing English is left in its texts."""
    text = said(company_app("overview", locale="da-DK"))
    assert "udestår" in text
    assert "Kræver opmærksomhed" in text
    assert " net," not in text
    assert " is open" not in text


def test_a_link_may_ask_for_the_language(company_app: Open) -> None:
    """A colleague with an English browser sees what the link was sent in; one that does not exist is dropped."""
    assert company_app("invoices", locale="en-GB", lang="da").title[0].value == "Fakturaer"
    assert company_app("invoices", locale="da-DK", lang="en").title[0].value == "Invoices"
    assert company_app("invoices", locale="da-DK", lang="tlh").title[0].value == "Fakturaer"


def test_the_switch_stays_when_the_page_changes(company_app: Open) -> None:
    """Chosen once, Danish is spoken on the next page too, and figures are written as in Denmark."""
    app = company_app("overview", locale="en-GB")
    switch = next(s for s in app.sidebar.get("button_group") if s.proto.label == "Language")
    switch.set_value("da").run()
    assert app.title[0].value == "Overblik"
    assert app.switch_page("invoices.py").run().title[0].value == "Fakturaer"
