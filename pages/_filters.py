"""Filters that live in the link: every view can be sent to a colleague.

Streamlit's own `bind="query-params"` writes an option's *label* into the URL, and ours are names and localised
months; links have to carry ids. So the URL is the truth here: a widget is set from it before it is drawn and writes
it back when it changes. A value that the page does not know (an old link, a typo) falls back to the default, and the
reader is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date

import streamlit as st

from billing_core.services.language import _
from pages import _print

NOTES = "_filter_notes"


def note(text: str) -> None:
    """Remember a remark about the link for `show_notes`."""
    st.session_state.setdefault(NOTES, []).append(text)


def show_notes() -> None:
    """Show what could not be understood in the link, once."""
    for text in st.session_state.pop(NOTES, []):
        st.caption(f":orange[{text}]")


def row() -> AbstractContextManager[object]:
    """Return the place of a page's filters: four side by side, two on a telephone."""
    return st.grid(4, min_column_width=150, gap="small", key="filters")


def remembered(param: str) -> str:
    """Return where the session keeps a choice that stays between pages."""
    return f"_last_{param}"


def put(param: str, value: str | None) -> None:
    """Write one parameter of the link; None takes it out."""
    if value is None:
        st.query_params.pop(param, None)
    else:
        st.query_params[param] = value


def choice(
    label: str,
    param: str,
    options: Sequence[str],
    *,
    default: str,
    name: Callable[[str], str] = str,
    is_remembered: bool = False,
    as_segments: bool = False,
    help: str | None = None,
) -> str:
    """Draw a choice of one among some and return it.

    Args:
        label: shown above the widget.
        param: its name in the link.
        options: the values as they stand in the link; `default` is one of them.
        default: chosen when the link says nothing; it is then left out of the link.
        name: how a value reads.
        is_remembered: keep the choice while the reader moves between pages (currency, for example).
        as_segments: buttons side by side, for two to five short options.
        help: one sentence on the term.
    """
    asked = st.query_params.get(param)
    value = asked if asked in options else None
    if asked is not None and value is None:
        note(
            _(
                "The link asks for {what} “{asked}”, which is not there; showing {shown}.",
                what=param,
                asked=asked[:40],
                shown=name(default),
            )
        )
        put(param, None)
    if value is None and is_remembered and st.session_state.get(remembered(param)) in options:
        value = st.session_state[remembered(param)]
    value = value or default
    if is_remembered:
        st.session_state[remembered(param)] = value
    key = f"filter_{param}"
    if st.session_state.get(key) != value:
        st.session_state[key] = value

    def changed() -> None:
        chosen = st.session_state[key]
        if is_remembered:
            st.session_state[remembered(param)] = chosen
        put(param, None if chosen == default or chosen is None else chosen)

    # Named within the run, where the reader's language is known.
    names = {option: name(option) for option in options}
    if as_segments:
        st.segmented_control(
            label, options, format_func=names.__getitem__, key=key, required=True, on_change=changed, help=help
        )
    else:
        st.selectbox(label, options, format_func=names.__getitem__, key=key, on_change=changed, help=help)
    # What a browser sends is not proof of anything: only a known option is passed on.
    drawn = st.session_state[key]
    chosen = drawn if drawn in options else default
    _print.asked(label, names[chosen])
    return chosen


def several(
    label: str,
    param: str,
    options: Sequence[str],
    *,
    most: int,
    name: Callable[[str], str] = str,
    placeholder: str = "",
    help: str | None = None,
) -> list[str]:
    """Draw a choice of several among many and return them in the order they were chosen; the link has the parameter
    once for each.

    Args:
        label: shown above the widget.
        param: its name in the link.
        options: the values as they stand in the link.
        most: how many can be chosen; more in a link are dropped with a note.
        name: how a value reads.
        placeholder: shown while nothing is chosen.
        help: one sentence on the term.
    """
    asked = list(dict.fromkeys(st.query_params.get_all(param)))
    chosen = [value for value in asked if value in options][:most]
    if len(chosen) < len(asked):
        note(_("The link asks for {what} that are not there, or for too many; showing the others.", what=param))
        _put_all(param, chosen)
    key = f"filter_{param}"
    if st.session_state.get(key) != chosen:
        st.session_state[key] = chosen
    st.multiselect(
        label,
        options,
        format_func={option: name(option) for option in options}.__getitem__,
        key=key,
        max_selections=most,
        placeholder=placeholder,
        on_change=lambda: _put_all(param, st.session_state[key]),
        help=help,
    )
    return [value for value in st.session_state[key] if value in options][:most]


def _put_all(param: str, values: Sequence[str]) -> None:
    if values:
        st.query_params[param] = list(values)
    else:
        st.query_params.pop(param, None)


def words(label: str, param: str, *, placeholder: str) -> str:
    """Draw a search field and return what was typed, trimmed, at most 80 characters."""
    # A browser may send half a character; nothing could be found by it, and no file or database would take it.
    value = st.query_params.get(param, "")[:80].encode("utf-8", "ignore").decode("utf-8")
    key = f"filter_{param}"
    if st.session_state.get(key) != value:
        st.session_state[key] = value
    st.text_input(
        label,
        key=key,
        placeholder=placeholder,
        type="search",
        on_change=lambda: put(param, st.session_state[key] or None),
    )
    return value.strip()


def day(label: str, param: str, *, default: date, first: date, help: str | None = None) -> date:
    """Draw a choice of a day and return it; `default`, the latest there is, is left out of the link.

    Args:
        label: shown above the widget.
        param: its name in the link (`2026-10-31`).
        default: the latest day, chosen when the link says nothing.
        first: the earliest day.
        help: one sentence on the term.
    """
    asked = st.query_params.get(param)
    try:
        value = default if asked is None else date.fromisoformat(asked)
    except ValueError:
        value = None
    if value is None or not first <= value <= default:
        note(_("The link asks for the day “{asked}”, which cannot be shown; showing today.", asked=str(asked)[:40]))
        put(param, None)
        value = default
    key = f"filter_{param}"
    if st.session_state.get(key) != value:
        st.session_state[key] = value

    def changed() -> None:
        chosen = st.session_state[key]
        put(param, None if chosen in (None, default) else chosen.isoformat())

    st.date_input(label, key=key, min_value=first, max_value=default, format="YYYY-MM-DD", on_change=changed, help=help)
    drawn = st.session_state[key]
    chosen = drawn if isinstance(drawn, date) and first <= drawn <= default else default
    _print.asked(label, chosen.isoformat())
    return chosen


def month(param: str, known: Sequence[date]) -> date | None:
    """Return the month in the link (`2026-10-01`) when it is one of those known, else None with a note."""
    asked = st.query_params.get(param)
    if asked is None:
        return None
    try:
        day = date.fromisoformat(asked)
    except ValueError:
        day = None
    if day is None or day not in known:
        note(_("The link asks for the month “{asked}”, which has no figures; showing all.", asked=asked[:40]))
        put(param, None)
        return None
    return day


def identifier(param: str) -> str | None:
    """Return an id in the link as it stands, at most 120 characters; whether it exists is for the page to find out."""
    asked = st.query_params.get(param)
    return asked[:120] if asked else None
