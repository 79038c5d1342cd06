"""A page as PDF: what is drawn is gathered on the way and put on paper when the reader asks for it.

Nothing is converted before that, so that gathering costs a page nothing. Charts keep their values and lose what needs
a pointer; colours named by meaning become those of the light appearance.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import pyarrow as pa
import streamlit as st

from billing_core.services import exports
from billing_core.services.exports import ChartSpec, Figure, Figures, HeatSpec, Mark, Sentence, TableSpec, look
from billing_core.services.formatting import NOTHING, Reader
from billing_core.services.language import _, current, spoken

if TYPE_CHECKING:
    from pages._tables import Column

Part = Sentence | Figures | ChartSpec | HeatSpec | TableSpec
Making = Callable[[], Part | None]


@dataclass(slots=True)
class Gathered:
    """What one run of a page has shown so far: filters as (name, value), and how to make each part."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    parts: list[Making] = field(default_factory=list)


_gathered: ContextVar[Gathered | None] = ContextVar("gathered", default=None)
_CLASSES = (look.CATEGORICAL, look.SEQUENTIAL, look.DIVERGING)
MOST_ROWS = 500
_QUIET = "#857E73"
_MARKUP = re.compile(r"<[^>]*>")
# What Markdown reads as a sign of its own is written with a backslash before it; paper shows the letter.
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_COLOURED = re.compile(r":[a-z]+\[([^\]]*)\]")


@contextmanager
def gathering() -> Iterator[Gathered]:
    """Gather what is shown in this block."""
    gathered = Gathered()
    token = _gathered.set(gathered)
    try:
        yield gathered
    finally:
        _gathered.reset(token)


def asked(name: str, value: str) -> None:
    """Remember a filter in force."""
    if (gathered := _gathered.get()) is not None:
        gathered.asked.append((name, value))


def add(make: Making) -> None:
    """Remember how to make a part, in the order of the page."""
    if (gathered := _gathered.get()) is not None:
        gathered.parts.append(make)


def answer(text: str) -> None:
    """Draw the sentence that answers the page's question; a month at its beginning gets its capital letter, which
    Danish months have nowhere else."""
    text = text[:1].upper() + text[1:]
    st.markdown(text)
    add(lambda: Sentence(plain(text)))


def heading(text: str) -> None:
    """Draw the title of a part."""
    st.subheader(text, anchor=False)
    gathered_heading(text)


def section(text: str) -> None:
    """Draw a small title."""
    st.markdown(f"**{text}**")
    gathered_heading(text)


def gathered_heading(text: str) -> None:
    """Remember a title that is drawn elsewhere."""
    add(lambda: Sentence(plain(text), is_heading=True))


def metric(label: str, value: str | int | None, delta: str | int | None = None, **more: Any) -> None:
    """Draw a key figure, as `st.metric` does; those that follow each other stand side by side on paper."""
    st.metric(label, value, delta, **more)
    against = [str(part) for part in (delta, more.get("delta_description")) if part]
    add(lambda: Figures((Figure(plain(label), plain(str(value)), plain(" ".join(against))),)))


def plain(text: str) -> str:
    """Return Markdown of a page as it reads, with the marks of strong words kept."""
    return _ESCAPED.sub(r"\1", _COLOURED.sub(r"\1", text)).replace("\u2060", "")


def offer(name: str, title: str, gathered: Gathered, reader: Reader, as_of: datetime) -> None:
    """Put the button under the page; its file is made when it is pressed."""
    if not gathered.parts:
        return
    language = current()

    def content() -> bytes:
        with spoken(language):
            return exports.to_pdf(document(title, gathered, as_of), reader)

    st.download_button(
        _("This page as PDF"),
        data=content,
        file_name=f"{name}.pdf",
        mime="application/pdf",
        key=f"page_pdf_{name}",
        on_click="ignore",
        type="tertiary",
        icon=":material/picture_as_pdf:",
        help=_("Figures, charts and tables as they stand here, on A4."),
    )


def document(title: str, gathered: Gathered, as_of: datetime) -> exports.Document:
    """Return what was gathered as a document."""
    parts: list[Part] = []
    for part in (make() for make in gathered.parts):
        if isinstance(part, Figures) and parts and isinstance(parts[-1], Figures):
            parts[-1] = Figures(parts[-1].items + part.items)
        elif part is not None:
            parts.append(part)
    return exports.Document(title, tuple(gathered.asked), tuple(parts), as_of)


def table_part(table: pa.Table, columns: Sequence[Column], currency: str | None, reader: Reader) -> TableSpec:
    """Return a table with its texts as on the screen, without what only a screen can show."""
    shown = [c for c in columns if c.kind not in {"trend", "link"}]
    rows = table.slice(0, MOST_ROWS)
    codes = rows["currency"].to_pylist() if "currency" in rows.column_names else [None] * rows.num_rows
    texts = [
        [
            _cell(c, value, currency or code, reader)
            for value, code in zip(rows[c.field].to_pylist(), codes, strict=True)
        ]
        for c in shown
    ]
    return TableSpec(
        headings=tuple(c.label for c in shown),
        rows=tuple(zip(*texts, strict=True)),
        is_number=tuple(c.kind in {"money", "ratio", "count", "quantity"} for c in shown),
        left_out_count=table.num_rows - rows.num_rows,
    )


def _cell(column: Column, value: Any, currency: str | None, reader: Reader) -> str:
    if value is None or (column.is_zero_nothing and value == 0):
        return NOTHING
    match column.kind:
        case "money" if currency:
            return reader.amount(value, currency)
        case "money" | "count" | "quantity":
            return reader.number(value)
        case "ratio":
            return reader.percent(value, 1)
        case "date":
            return reader.day(value)
        case "month":
            return reader.short_month(value)
        case "time":
            return f"{reader.day(value.astimezone(reader.zone).date())} {reader.clock(value)}"
        case _:
            return str(value)


def chart_part(figure: go.Figure, description: str) -> ChartSpec | HeatSpec | None:
    """Return a figure of `_charts` or `_bars` as plain values; None when there is nothing in it to draw."""
    drawn: dict[str, Any] = figure.to_dict()
    traces, layout = drawn["data"], drawn["layout"]
    heat = next((t for t in traces if t["type"] == "heatmap"), None)
    if heat is not None:
        return HeatSpec(
            rows=tuple(_labels(heat["y"], layout.get("yaxis", {}))),
            columns=tuple(_labels(heat["x"], layout.get("xaxis", {}))),
            values=tuple(tuple(row) for row in heat["z"]),
            texts=tuple(tuple(row) for row in heat["text"]) if heat.get("text") else (),
            description=description,
        )
    bars = [t for t in traces if t["type"] == "bar"]
    lines = [t for t in traces if t["type"] == "scatter" and "lines" in t.get("mode", "")]
    is_horizontal = any(t.get("orientation") == "h" for t in bars)
    axis = layout.get("yaxis" if is_horizontal else "xaxis", {})
    along = "y" if is_horizontal else "x"
    known = [key for t in [*bars, *lines] for key in t[along] if key is not None]
    keys = list(axis.get("categoryarray") or dict.fromkeys(known))
    # A line that comes back to a position is an aid to the eye, not a series.
    lines = [t for t in lines if len(set(t["x"]) - {None}) == len([x for x in t["x"] if x is not None])]
    marks = [_bar(t, keys, along) for t in bars] + [_line(t, keys) for t in lines]
    if not keys or not marks:
        return None
    hatched = {
        key
        for t in bars
        for key, shape in zip(t[along], t.get("marker", {}).get("pattern", {}).get("shape", ()), strict=False)
        if shape
    }
    return ChartSpec(
        labels=tuple(_labels(keys, axis)),
        marks=tuple(marks),
        is_stacked=layout.get("barmode") in {"relative", "stack"},
        is_horizontal=is_horizontal,
        unfinished=frozenset(i for i, key in enumerate(keys) if key in hatched),
        description=description,
    )


def _bar(trace: Mapping[str, Any], keys: Sequence[str], along: str) -> Mark:
    at = {key: i for i, key in enumerate(trace[along])}
    across = trace["x" if along == "y" else "y"]
    colour, base = trace.get("marker", {}).get("color"), trace.get("base")
    colours = [_colour(c) for c in colour] if isinstance(colour, list | tuple) else None
    one = colours[0] if colours else _colour(colour)
    return Mark(
        name=plain_label(trace.get("name")),
        kind="bar",
        colour=one,
        values=tuple(across[at[key]] if key in at else None for key in keys),
        bases=tuple(base[at[key]] if key in at else 0.0 for key in keys) if base is not None else None,
        colours=tuple(colours[at[key]] if key in at else one for key in keys) if colours else None,
    )


def _line(trace: Mapping[str, Any], keys: Sequence[str]) -> Mark:
    at = {key: i for i, key in enumerate(trace["x"])}
    look_of = trace.get("line", {})
    return Mark(
        name=plain_label(trace.get("name")),
        kind="line",
        colour=_colour(look_of.get("color")),
        values=tuple(trace["y"][at[key]] if key in at else None for key in keys),
        is_stepped=look_of.get("shape") == "hv",
        is_dotted=look_of.get("dash") in {"dot", "dash"},
    )


def _labels(keys: Sequence[str], axis: Mapping[str, Any]) -> list[str]:
    """What stands at each position; positions without a tick have no text."""
    shown = dict(zip(axis.get("tickvals") or keys, axis.get("ticktext") or keys, strict=False))
    return [plain_label(str(shown.get(key, ""))) for key in keys]


def plain_label(text: str | None) -> str:
    """Return the text of a chart without its HTML."""
    return html.unescape(_MARKUP.sub(" ", text or "")).strip()


def _colour(name: Any) -> str:
    """Return the light colour of one that is named by meaning (`#000001`); others stay, what is none is grey."""
    if not isinstance(name, str) or not re.fullmatch("#[0-9A-Fa-f]{6}", name):
        return _QUIET
    if not name.startswith("#0000"):
        return name
    place = int(name[5:]) - 1 if name[5:].isdigit() else -1
    return _CLASSES[place // 10][place % 10] if 0 <= place < 30 else _QUIET
