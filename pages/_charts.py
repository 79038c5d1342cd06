"""The few chart builders of the product, and how a chart is put on a page.

Colours are named by meaning and written as the placeholders of Streamlit's own chart theme (`#000001` is the first
categorical colour of .streamlit/config.toml, `#000011` the first step of its scale): the browser puts in those of the
appearance in force, so a figure follows light and dark without a rerun. Values come in exactly and become floats only
here, as lengths on a screen; texts are made by the reader's locale. Bars start at zero; a period that is not over yet
is hatched; one series has no legend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from billing_core.money import to_major
from billing_core.services.formatting import Reader
from billing_core.services.language import _
from pages import _print

# The same colour for the same thing on every page.
INVOICED = "#000001"
COLLECTED = "#000002"
CREDITED = "#000003"
PAST_DUE = "#000004"
UNITS = "#000005"
TAX = "#000006"
USAGE = "#000002"
REFUNDED = "#000008"
RECOGNISED = "#000007"
RECURRING = "#000010"
QUIET = "#000036"
PAPER = "#000038"

HEIGHT = 300
ROUND = "_chart_round"
QUIET_CONFIG = {"displaylogo": False, "scrollZoom": False, "doubleClick": False}


@dataclass(frozen=True, slots=True)
class Series:
    """One thing measured over the axis: a value per position (None leaves a gap) and the text a reader sees on
    hover."""

    name: str
    colour: str
    values: Sequence[float | None]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Axis:
    """The positions of a chart: keys that a click gives back, their labels, and which of them is not over yet."""

    keys: Sequence[str]
    labels: Sequence[str]
    long_labels: Sequence[str]
    unfinished: frozenset[int] = field(default_factory=frozenset)


def drawn(amounts_minor: Sequence[int | None], currency: str) -> list[float | None]:
    """Return amounts as heights in major units: for drawing only, never for a figure that is read."""
    return [None if a is None else float(to_major(a, currency)) for a in amounts_minor]


def drawn_numbers(values: Sequence[int | Decimal | None]) -> list[float | None]:
    """Return counts or quantities as heights."""
    return [None if v is None else float(v) for v in values]


def month_axis(months: Sequence[date], reader: Reader, today: date) -> Axis:
    """Return the axis of some months; the month of `today` is not over."""
    current = today.replace(day=1)
    return Axis(
        keys=[m.isoformat() for m in months],
        labels=[reader.short_month(m) for m in months],
        long_labels=[_("{month} so far", month=reader.month(m)) if m == current else reader.month(m) for m in months],
        unfinished=frozenset(i for i, m in enumerate(months) if m >= current),
    )


def day_axis(days: Sequence[date], reader: Reader) -> Axis:
    """Return the axis of some days."""
    texts = [reader.day(d) for d in days]
    return Axis(keys=[d.isoformat() for d in days], labels=texts, long_labels=texts)


def layout(reader: Reader, height: int) -> dict[str, Any]:
    """Return what all charts have in common."""
    return {
        "height": height,
        "margin": {"l": 0, "r": 8, "t": 12, "b": 0},
        "separators": reader.separators,
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": False,
        "bargap": 0.32,
        "bargroupgap": 0.08,
        "barcornerradius": 3,
        "yaxis": {
            "rangemode": "tozero",
            "tickformat": ",~f",
            "nticks": 5,
            "zeroline": True,
            "automargin": True,
            "fixedrange": True,
        },
        "xaxis": {"showgrid": False, "automargin": True, "fixedrange": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": {"text": ""}},
    }


def category_axis(axis: Axis, most: int = 13) -> dict[str, Any]:
    """Return an axis of named positions, with at most so many of them labelled, the last one always."""
    step = max(1, -(-len(axis.keys) // most))
    shown = [i for i in range(len(axis.keys)) if (len(axis.keys) - 1 - i) % step == 0]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(axis.keys),
        "tickmode": "array",
        "tickvals": [axis.keys[i] for i in shown],
        "ticktext": [axis.labels[i] for i in shown],
        # Where labels would touch each other, they turn.
        "autotickangles": [0, -45, -90],
    }


def _bar(series: Series, axis: Axis, chosen: str | None, group: str | None) -> go.Bar:
    shapes = ["/" if i in axis.unfinished else "" for i in range(len(axis.keys))]
    # A chosen bar stays strong and the others step back; the browser's own selection look is switched off below.
    strength = [1.0 if chosen in (None, key) else 0.38 for key in axis.keys]
    return go.Bar(
        name=series.name,
        x=list(axis.keys),
        y=list(series.values),
        customdata=list(axis.keys),
        hovertext=[
            f"{label}<br>{series.name}: {text}" for label, text in zip(axis.long_labels, series.texts, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        offsetgroup=group,
        marker={
            "color": series.colour,
            "opacity": strength,
            "line": {
                "width": [1.5 if i in axis.unfinished and series.values[i] else 0 for i in range(len(axis.keys))],
                "color": series.colour,
            },
            "pattern": {
                "shape": shapes,
                "fillmode": "replace",
                "size": 6,
                "solidity": 0.35,
                "fgcolor": series.colour,
                "bgcolor": PAPER,
            },
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.38}},
    )


def bars(
    axis: Axis,
    series: Sequence[Series],
    reader: Reader,
    *,
    line: Series | None = None,
    is_stacked: bool = False,
    chosen: str | None = None,
    height: int = HEIGHT,
) -> go.Figure:
    """Bars per position, beside or on top of each other, with at most one line over them labelled at its end."""
    figure = go.Figure(layout=layout(reader, height))
    for one in series:
        figure.add_trace(_bar(one, axis, chosen, None if is_stacked else one.name))
    if line is not None:
        _add_line_over(figure, line, axis)
    named = len(series) + (line is not None) > 1
    figure.update_layout(
        barmode="relative" if is_stacked else "group",
        showlegend=named,
        xaxis=category_axis(axis),
        margin={"t": 34 if named else 12},
    )
    return figure


def _add_line_over(figure: go.Figure, series: Series, axis: Axis) -> None:
    """A line over bars: solid over what is over, dotted to what is not."""
    is_over = [i not in axis.unfinished for i in range(len(axis.keys))]
    done = Series(
        series.name,
        series.colour,
        [v if o else None for v, o in zip(series.values, is_over, strict=True)],
        series.texts,
    )
    figure.add_trace(_line(done, axis, is_labelled=False))
    tail = [i for i, over in enumerate(is_over) if not over]
    if tail and tail[0] > 0:
        ahead = [v if i >= tail[0] - 1 else None for i, v in enumerate(series.values)]
        dotted = _line(Series(series.name, series.colour, ahead, series.texts), axis, is_labelled=False)
        dotted.update(
            showlegend=False,
            line={"dash": "dot", "width": 1.5},
            marker={
                "size": [8 if i >= tail[0] else 0.1 for i in range(len(axis.keys))],
                "color": PAPER,
                "line": {"width": 2, "color": series.colour},
            },
        )
        figure.add_trace(dotted)


def _line(
    series: Series, axis: Axis, *, is_labelled: bool, is_stepped: bool = False, has_fill: bool = False
) -> go.Scatter:
    last = max((i for i, v in enumerate(series.values) if v is not None), default=None)
    return go.Scatter(
        name=series.name,
        x=list(axis.keys),
        y=list(series.values),
        legendgroup=series.name,
        customdata=list(axis.keys),
        mode="lines+markers+text" if is_labelled else "lines+markers",
        line={"color": series.colour, "width": 2.25, "shape": "hv" if is_stepped else "linear"},
        marker={
            "color": series.colour,
            "size": [7 if i == last else (5 if len(axis.keys) <= 31 else 0.1) for i in range(len(axis.keys))],
        },
        fill="tozeroy" if has_fill else "none",
        fillcolor=f"{series.colour}22" if has_fill else None,
        text=[series.texts[i] if is_labelled and i == last else "" for i in range(len(axis.keys))],
        textposition="top left",
        textfont={"color": series.colour},
        hovertext=[
            f"{label}<br>{series.name}: {text}" for label, text in zip(axis.long_labels, series.texts, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        connectgaps=False,
        cliponaxis=False,
    )


def time_series(
    axis: Axis, series: Sequence[Series], reader: Reader, *, is_stepped: bool = False, height: int = HEIGHT
) -> go.Figure:
    """Lines over time; a single one is filled to zero and labelled at its end."""
    figure = go.Figure(layout=layout(reader, height))
    for one in series:
        figure.add_trace(
            _line(one, axis, is_labelled=len(series) == 1, is_stepped=is_stepped, has_fill=len(series) == 1)
        )
    figure.update_layout(
        showlegend=len(series) > 1, xaxis=category_axis(axis, most=9), hovermode="x", margin={"t": 26, "r": 14}
    )
    return figure


def heading(title: str, subtitle: str) -> None:
    """Say above a chart what it shows, and below that in small its unit, its zone and what can be clicked."""
    with st.container(gap=None):
        _print.heading(title)
        st.caption(subtitle)


def forget_clicks() -> None:
    """Let all charts forget what was clicked, so that the same mark can be clicked again."""
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1


def _config(key: str) -> dict[str, Any]:
    """Plotly's settings: nothing but a button that saves the chart as a picture, named in the reader's language."""
    save = _("Save this chart as a picture (SVG)")
    return {
        **QUIET_CONFIG,
        "displayModeBar": "hover",
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "svg", "filename": key},
        # The button's words come from Plotly's dictionary, so the reader's language is handed in as one.
        "locale": "reader",
        "locales": {"reader": {"dictionary": {"Download plot": save, "Download plot as a PNG": save}, "format": {}}},
    }


def chart(
    figure: go.Figure,
    *,
    key: str,
    alt: str,
    on_click: Callable[[list[Any]], None] | None = None,
    least_width: int | None = None,
) -> None:
    """Put a figure on the page.

    Args:
        figure: from a builder above.
        key: stable and unique on the page; the chart keeps its place across reruns.
        alt: what a reader who cannot see it needs to know, made from the data (`alt_text`).
        on_click: called with the custom data of the clicked mark, or with an empty list when the choice is taken back.
        least_width: pixels below which the chart is scrolled sideways and not made narrower; it fits the page unless
            told.
    """
    _print.add(lambda: _print.chart_part(figure, alt))
    config = _config(key)
    with _room(key, least_width):
        if on_click is None:
            st.plotly_chart(figure, key=key, alt=alt, config=config)
            return
        key = f"{key}_{st.session_state.get(ROUND, 0)}"

        def clicked() -> None:
            points = st.session_state[key].selection.points
            data = points[0].get("customdata", []) if points else []
            on_click(data if isinstance(data, list) else [data])

        st.plotly_chart(figure, key=key, alt=alt, config=config, on_select=clicked, selection_mode="points")


def _room(key: str, least_width: int | None) -> AbstractContextManager[object]:
    if least_width is None:
        return nullcontext()
    place = f"wide_{key}"
    st.html(
        f"<style>.st-key-{place} {{ overflow-x: auto; }} .st-key-{place} > * {{ min-width: {least_width}px; }}</style>"
    )
    return st.container(key=place)


def alt_text(title: str, axis: Axis, series: Sequence[Series]) -> str:
    """Describe a chart in one or two sentences: what, from when to when, the ends and the highest value of each
    series."""
    if not axis.keys:
        return _("{title}: no data.", title=title)
    parts = [_("{title}, {first} to {last}.", title=title, first=axis.long_labels[0], last=axis.long_labels[-1])]
    for one in series:
        known = [i for i, v in enumerate(one.values) if v is not None]
        if known:
            top = max(known, key=lambda i: one.values[i] or 0)
            parts.append(
                _(
                    "{name}: first {first}, last {last}, highest {highest} in {when}.",
                    name=one.name,
                    first=one.texts[known[0]],
                    last=one.texts[known[-1]],
                    highest=one.texts[top],
                    when=axis.long_labels[top],
                )
            )
    return " ".join(parts)
