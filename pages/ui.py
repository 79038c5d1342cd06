"""The UI script: chooses who looks, offers the pages that person may see, runs the one asked for.

It lies inside `pages/` on purpose: a folder `pages/` *beside* the main script is Streamlit's old multipage mode, in
which a deep link to a cold server runs a page without this script.
"""

from __future__ import annotations

import streamlit as st

from billing_core.errors import BillingError
from billing_core.services import access
from billing_core.services.language import _
from pages import _desk, _language, _people
from pages._registry import HERE, PAGES, PageSpec

# Up to this many pages stand side by side in the bar; more are grouped in menus by section.
MOST_IN_ONE_ROW = 6


def _visible() -> list[PageSpec]:
    """The pages this person may see; when that cannot be known, all: each says itself what is wrong."""
    try:
        desk = _desk.desk()
        _people.choose(desk)
        actor = _people.current(desk)
        allowed = {asked for asked in {p.permission for p in PAGES} if access.is_allowed(desk, actor, asked)}
        return [p for p in PAGES if p.permission in allowed] or [PAGES[0]]
    except BillingError:
        return list(PAGES)


def main() -> None:
    """Draw the navigation and run the page."""
    st.set_page_config(
        page_title="Billing Desk", page_icon=str(HERE / "icon.png"), layout="wide", initial_sidebar_state="collapsed"
    )
    _language.settle()
    shown = _visible()
    _language.choose()
    is_flat = len(shown) <= MOST_IN_ONE_ROW
    menu: dict[str, list[st.Page]] = {}
    for spec in shown:
        page = st.Page(spec.path, title=_(spec.title), url_path=spec.name, default=spec.is_default, help=_(spec.help))
        menu.setdefault("" if is_flat or not spec.section else _(spec.section), []).append(page)
    st.navigation(menu, position="top").run()


main()
