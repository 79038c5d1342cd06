"""Bars that lie: things by size, the largest on top, with room for their names; losses to the left of zero."""

from __future__ import annotations

from collections.abc import Sequence

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
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": keys,
            "autorange": "reversed",
            "tickmode": "array",
            "tickvals": keys,
            "ticktext": [mark.label for mark in marks],
            "showgrid": False,
            "zeroline": False,
            "rangemode": "normal",
            "ticks": "",
            "automargin": True,
        },
    )
    return figure
