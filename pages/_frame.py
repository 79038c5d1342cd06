"""The frame around every page: who may see it, what world it shows, and what happens when something fails.

Every page file calls `show` first and does everything inside it, so a page checks its role however it was reached: by
the menu, a deep link to a cold server, or by running the file itself.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import streamlit as st

from billing_core.errors import BillingError, ForbiddenError, QueryError
from billing_core.services import access, reports
from billing_core.services.access import Actor
from billing_core.services.desk import Desk
from billing_core.services.formatting import Reader
from billing_core.services.language import N_, _, reader_of
from billing_core.settings import Mode
from pages import _desk, _filters, _language, _people, _print, _tables
from pages._registry import BY_NAME, PageSpec

log = logging.getLogger("billing_desk.pages")

MODE_LABEL = {
    Mode.DEMO: N_("Demo"),
    Mode.TEST: N_("Test mode"),
    Mode.LIVE: N_("Live"),
    Mode.OFFLINE: N_("Offline"),
}
MODE_COLOUR: dict[Mode, _tables.Colour] = {
    Mode.DEMO: "gray",
    Mode.TEST: "blue",
    Mode.LIVE: "red",
    Mode.OFFLINE: "violet",
}
MODE_HELP = {
    Mode.DEMO: N_("A made-up company and a local stand-in for Stripe. Nothing here is real."),
    Mode.TEST: N_("A real Stripe account in test mode. No money moves."),
    Mode.LIVE: N_("The real Stripe account. What is done here is done to real customers."),
    Mode.OFFLINE: N_("Imported data only; Stripe is switched off."),
}
# The strip stands in Streamlit's own bar, so that it is seen however far a page is scrolled.
STATUS_STYLE = """<style>
div:has(> .st-key-status) { position: absolute; }
.st-key-status { position: fixed; top: 0.9rem; right: 4.25rem; z-index: 999991; }
.st-key-status { width: auto !important; flex-wrap: nowrap; }
.st-key-status p { white-space: nowrap; }
@media (max-width: 640px) { .st-key-status { right: 3.25rem; } }
@media print { .st-key-status { top: 0; } }
</style>"""
STALE_AFTER = timedelta(minutes=10)
STALE_HELP = N_(
    "These figures are old: nothing has refreshed them for a while. `billing refresh` brings them up to date."
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page works with: the desk, pinned to one version of the figures, who looks, how he reads, and what time
    it is."""

    spec: PageSpec
    desk: Desk
    actor: Actor
    reader: Reader
    now: datetime

    @property
    def today(self) -> date:
        """The date in the reporting zone."""
        return self.now.astimezone(self.desk.settings.zone).date()

    def report(self, name: str, **params: Any) -> reports.Report:
        """Run a report as this actor (see `_desk.report`)."""
        return _desk.report(self.desk, self.actor, name, self.now, **params)


def show(name: str, body: Callable[[Page], None]) -> None:
    """Check the role, draw the frame and the page in it; turn every failure into something a person can act on.

    Args:
        name: the page in the registry.
        body: draws the page.
    """
    spec = BY_NAME[name]
    page = None
    words = _language.settle()
    try:
        desk = _desk.desk()
        actor = _people.current(desk)
        actor = access.authorize(desk, actor, spec.permission)
        reader = reader_of(st.context.locale, words, desk.settings.zone)
        page = Page(spec, desk.pinned(), actor, reader, datetime.now(UTC))
        _head(page)
        remarks = st.container()
        with _print.gathering() as gathered:
            body(page)
        _print.offer(name, _(spec.title), gathered, reader, page.desk.warehouse.snapshot().refreshed_at)
        with remarks:
            _filters.show_notes()
    except ForbiddenError as error:
        _forbidden(spec, error)
    except BillingError as error:
        log.warning("page %s: %s %s", name, error, error.ids)
        if isinstance(error, QueryError) and page is None:
            _nothing_yet(spec, error)
            return
        st.error(str(error), title=_("This page cannot be shown in full right now"), icon=":material/cloud_off:")
        _again(name)
    except Exception:
        # The last line of defence: a bug must not show its insides, and must be found again by what the reader quotes.
        reference = secrets.token_hex(4)
        log.exception("page %s failed, reference %s", name, reference)
        st.error(
            _(
                "Something went wrong in the program while drawing this page. Nothing was changed. "
                "Try again; if it stays, quote reference **{reference}**.",
                reference=reference,
            ),
            title=_("This page could not be drawn"),
            icon=":material/error:",
        )
        _again(name)


def _head(page: Page) -> None:
    """Draw the title, and in the bar above it, where it stays, the mode, the age of the figures and who is looking."""
    mode = page.desk.settings.mode
    reader, snapshot = page.reader, page.desk.warehouse.snapshot()
    seen = reader.as_of(snapshot.refreshed_at, page.now)
    who = f"{page.actor.name}, {_people.roles_of(page.actor)}"
    help = _(
        "When the figures were last brought up to date ({zone}) and who is looking ({email}).",
        zone=page.desk.settings.reporting_timezone,
        email=page.actor.email,
    )
    if mode is Mode.DEMO:
        help += " " + _("Choose somebody else in the sidebar.")
    as_of = _("as of {time}", time=seen)
    st.html(STATUS_STYLE)
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small", key="status"):
        st.badge(_(MODE_LABEL[mode]), color=MODE_COLOUR[mode], help=_(MODE_HELP[mode]))
        if page.now - snapshot.refreshed_at > STALE_AFTER:
            st.badge(as_of, color="orange", icon=":material/schedule:", help=_(STALE_HELP))
            st.caption(who, help=help, width="content")
        else:
            st.caption(f"{as_of} · {who}", help=help, width="content")
    st.title(_(page.spec.title), anchor=False)


def _again(name: str) -> None:
    if st.button(_("Try again"), key=f"again_{name}", icon=":material/refresh:"):
        st.rerun()


def _forbidden(spec: PageSpec, error: ForbiddenError) -> None:
    st.title(_(spec.title), anchor=False)
    st.warning(str(error), title=_("This page is not for you to see"), icon=":material/lock:")


def _nothing_yet(spec: PageSpec, error: QueryError) -> None:
    st.title(_(spec.title), anchor=False)
    empty(_("No figures yet"), str(error))
    _again(spec.name)


def empty(title: str, why: str, *, command: str | None = None) -> None:
    """Draw an empty state: what is missing, why, and the next step.

    Args:
        title: what there is none of.
        why: one or two sentences.
        command: what to type to change that.
    """
    with st.container(border=True, key=f"empty_{abs(hash(title))}"):
        st.markdown(f"**{title}**")
        st.markdown(why)
        if command:
            st.code(command, language="bash", width="content")


def open_page(name: str, **params: str) -> None:
    """Go to another page with these parameters in its link; for callbacks of clicks."""
    st.switch_page(BY_NAME[name].path, query_params=params)
