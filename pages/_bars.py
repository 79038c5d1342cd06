"""Bars by category: what something is made of, and what led from one amount to another (the waterfall).

Built on `_charts`: the same colours by meaning, bars from zero, the amount written at each bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import plotly.graph_objects as go

from billing_core.services.formatting import Reader
from pages import _charts

GAIN = "#000009"
LOSS = "#000004"
# Below this share of the larger total the changes of a waterfall would be slivers: they are then drawn alone.
READABLE = 0.12


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: the key a click gives back, its label, its height, the text written at it and the text on hover."""

    key: str
    label: str
    value: float
    text: str
    hover: str
    colour: str


def bars(marks: Sequence[Bar], reader: Reader, *, chosen: str | None = None, height: int = _charts.HEIGHT) -> go.Figure:
    """One bar per category, from zero, labelled at its end; a chosen one stays strong and the others step back."""
    return _figure(marks, [0.0] * len(marks), reader, chosen, height)


def waterfall(
    opening: Bar,
    changes: Sequence[Bar],
    closing: Bar,
    net: Bar,
    reader: Reader,
    *,
    chosen: str | None = None,
    height: int = _charts.HEIGHT,
) -> go.Figure:
    """Steps from an opening to a closing amount, each beginning where the one before it ended.

    Where the changes are small beside the totals, the totals are left out: the steps then begin at zero and end at
    the net change, so that they can be told apart and bars still start at zero.

    Args:
        opening: the amount before.
        changes: signed steps; opening + their sum = closing.
        closing: the amount after.
        net: closing less opening, drawn when the totals are left out.
        reader: for separators.
        chosen: key of the bar that stays strong.
        height: in pixels.
    """
    signed = [change.value for change in changes]
    moved = max((abs(end) for end in [*accumulate(signed), *signed]), default=0.0)
    if moved >= READABLE * max(abs(opening.value), abs(closing.value)):
        bases = [0.0, *accumulate(signed[:-1], initial=opening.value), 0.0] if signed else [0.0, 0.0]
        return _figure([opening, *changes, closing], bases, reader, chosen, height, has_links=True)
    return _figure(
        [*changes, net], [*accumulate(signed[:-1], initial=0.0), 0.0], reader, chosen, height, has_links=True
    )


def _figure(
    marks: Sequence[Bar],
    bases: Sequence[float],
    reader: Reader,
    chosen: str | None,
    height: int,
    *,
    has_links: bool = False,
) -> go.Figure:
    keys = [mark.key for mark in marks]
    ends = [base + mark.value for base, mark in zip(bases, marks, strict=True)]
    figure = go.Figure(layout=_charts.layout(reader, height))
    if has_links:
        figure.add_trace(_links(keys, ends))
    figure.add_trace(
        go.Bar(
            x=keys,
            y=[mark.value for mark in marks],
            base=list(bases),
            customdata=keys,
            hovertext=[mark.hover for mark in marks],
            hovertemplate="%{hovertext}<extra></extra>",
            marker={
                "color": [mark.colour for mark in marks],
                "opacity": [1.0 if chosen in (None, key) else 0.38 for key in keys],
            },
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.38}},
        )
    )
    figure.add_trace(_labels(marks, bases, ends))
    figure.update_layout(
        margin={"t": 28},
        bargap=0.4,
        xaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": keys,
            "tickmode": "array",
            "tickvals": keys,
            "ticktext": [mark.label for mark in marks],
            "autotickangles": [0, -45],
        },
    )
    return figure


def _links(keys: Sequence[str], ends: Sequence[float]) -> go.Scatter:
    """Thin lines from the end of each step to the next one."""
    x: list[str | None] = []
    y: list[float | None] = []
    for i in range(len(keys) - 1):
        x += [keys[i], keys[i + 1], None]
        y += [ends[i], ends[i], None]
    return go.Scatter(
        x=x, y=y, mode="lines", line={"width": 1, "color": _charts.QUIET}, hoverinfo="skip", showlegend=False
    )


def _labels(marks: Sequence[Bar], bases: Sequence[float], ends: Sequence[float]) -> go.Scatter:
    """The amounts, above bars that rise and below those that fall; a click on one is a click on its bar."""
    falls = [mark.value < 0 for mark in marks]
    return go.Scatter(
        x=[mark.key for mark in marks],
        y=[end if fall else max(base, end) for base, end, fall in zip(bases, ends, falls, strict=True)],
        customdata=[mark.key for mark in marks],
        mode="text+markers",
        marker={"size": 9, "color": "rgba(0,0,0,0)"},
        text=[mark.text for mark in marks],
        textposition=["bottom center" if fall else "top center" for fall in falls],
        hovertext=[mark.hover for mark in marks],
        hovertemplate="%{hovertext}<extra></extra>",
        cliponaxis=False,
        showlegend=False,
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}, "textfont": {"color": _charts.QUIET}},
    )
