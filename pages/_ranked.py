"""Bars that lie: things by size, the largest on top, with room for their names; losses to the left of zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from billing_core.services.formatting import Reader
from pages import _charts
from pages._bars import Bar

ROW = 26


def ranked(marks: Sequence[Bar], reader: Reader, *, chosen: str | None = None) -> go.Figure:
    """Return a chart of bars in the order given, top to bottom, each with its text at its end.

    Args:
        marks: `key` is what a click gives back, `label` stands on the left, `text` at the end of the bar.
        reader: for separators.
        chosen: key of the bar that stays strong.
    """
    keys = [mark.key for mark in marks]
    figure = go.Figure(layout=_charts.layout(reader, 40 + ROW * len(marks)))
    values = [mark.value for mark in marks]
    figure.add_trace(
        go.Bar(
            x=values,
            y=keys,
            orientation="h",
            customdata=keys,
            hovertext=[mark.hover for mark in marks],
            hovertemplate="%{hovertext}<extra></extra>",
            text=[mark.text for mark in marks],
            textposition="outside",
            cliponaxis=False,
            marker={
                "color": [mark.colour for mark in marks],
                "opacity": [1.0 if chosen in (None, mark.key) else 0.38 for mark in marks],
            },
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.38}},
        )
    )
    low, high = min(0.0, *values), max(0.0, *values)
    # The texts stand outside the bars; a margin inside the axis keeps them off the names.
    room = 0.16 * ((high - low) or 1.0)
    figure.update_layout(
        bargap=0.35,
        margin={"t": 4, "r": 4},
        xaxis={
            "range": [low - (room if low < 0 else 0), high + (room if high > 0 else 0)],
            "showgrid": True,
            "zeroline": True,
            "tickformat": ",~f",
            "nticks": 6,
            "fixedrange": True,
        },
        yaxis=_names(keys, [mark.label for mark in marks]),
    )
    return figure


@dataclass(frozen=True, slots=True)
class Outlook:
    """One thing that is not over: how much it is, where it is likely to end, and the range of that."""

    key: str
    label: str
    so_far: float
    expected: float
    low: float
    high: float
    text: str
    hover: str


def outlooks(rows: Sequence[Outlook], reader: Reader, *, names: tuple[str, str], colour: str) -> go.Figure:
    """Return lying bars: solid what there is, hatched what is expected besides, and the range as a line across the end.

    Args:
        rows: top to bottom.
        reader: for separators.
        names: of the solid and the hatched part, for the legend.
        colour: of both.
    """
    keys = [row.key for row in rows]
    figure = go.Figure(layout=_charts.layout(reader, 74 + ROW * len(rows)))
    common = {
        "y": keys,
        "orientation": "h",
        "customdata": keys,
        "hovertext": [row.hover for row in rows],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "selected": {"marker": {"opacity": 1}},
        "unselected": {"marker": {"opacity": 1}},
    }
    # What is there may be more than what is expected to be billed (a peak that moves out before licensed units count).
    solid = [min(row.so_far, row.expected) for row in rows]
    figure.add_trace(go.Bar(name=names[0], x=solid, marker={"color": colour}, **common))
    figure.add_trace(
        go.Bar(
            name=names[1],
            x=[row.expected - done for row, done in zip(rows, solid, strict=True)],
            marker={
                "color": colour,
                "line": {"width": 1, "color": colour},
                "pattern": {
                    "shape": "/",
                    "fillmode": "replace",
                    "size": 6,
                    "solidity": 0.35,
                    "fgcolor": colour,
                    "bgcolor": _charts.PAPER,
                },
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row.high - row.expected for row in rows],
                "arrayminus": [row.expected - row.low for row in rows],
                "thickness": 1.4,
                "width": 4,
                "color": _charts.QUIET,
            },
            **common,
        )
    )
    most = max((row.high for row in rows), default=1.0) or 1.0
    figure.add_trace(
        go.Scatter(
            x=[row.high for row in rows],
            y=keys,
            mode="text",
            text=[f"  {row.text}" for row in rows],
            textposition="middle right",
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        )
    )
    figure.update_layout(
        barmode="stack",
        barcornerradius=0,
        bargap=0.35,
        showlegend=True,
        legend={"traceorder": "normal"},
        margin={"t": 34, "r": 4},
        xaxis={"range": [0, most * 1.25], "showgrid": True, "tickformat": ",~f", "nticks": 6, "fixedrange": True},
        yaxis=_names(keys, [row.label for row in rows]),
    )
    return figure


def _names(keys: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """The axis of names, the first on top."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(keys),
        "autorange": "reversed",
        "tickmode": "array",
        "tickvals": list(keys),
        "ticktext": list(labels),
        "showgrid": False,
        "zeroline": False,
        "rangemode": "normal",
        "ticks": "",
        "automargin": True,
    }
