"""Heat maps: rows × time, darker is more."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from billing_core.services.formatting import Reader
from pages import _charts


def heat_map(
    axis: _charts.Axis,
    row_keys: Sequence[str],
    row_labels: Sequence[str],
    values: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]],
    reader: Reader,
    *,
    unit: str,
    chosen: str | None = None,
    most: float | None = None,
    is_labelled: bool = False,
) -> go.Figure:
    """Rows × time, darker is more; first row on top. A click gives back `[row key, column key]`.

    Args:
        axis: the columns.
        row_keys: of the rows, top to bottom.
        row_labels: how they read.
        values: by row and column; None leaves a cell open.
        texts: what a reader sees on hover, and in the cell when it is labelled.
        reader: for separators.
        unit: over the scale.
        chosen: the row whose label is bold.
        most: the value of the darkest colour; the highest there is unless told.
        is_labelled: write the text into each cell, and leave out the scale that it makes superfluous.
    """
    figure = go.Figure(layout=_charts.layout(reader, 74 + 25 * len(row_keys)))
    figure.add_trace(
        go.Heatmap(
            x=list(axis.keys),
            y=list(row_keys),
            z=[list(row) for row in values],
            xgap=2,
            ygap=2,
            hoverinfo="skip",
            zmin=0,
            zmax=most or max((v for row in values for v in row if v is not None), default=1) or 1,
            text=[list(row) for row in texts] if is_labelled else None,
            texttemplate="%{text}" if is_labelled else None,
            textfont={"size": 11},
            showscale=not is_labelled,
            colorscale=[[i / 9, f"#0000{11 + i}"] for i in range(10)],
            colorbar={
                "thickness": 8,
                "len": min(1, 260 / (74 + 25 * len(row_keys))),
                "y": 1,
                "yanchor": "top",
                "outlinewidth": 0,
                "nticks": 4,
                "title": {"text": unit, "side": "top", "font": {"size": 12}},
            },
        )
    )
    places = [(r, c) for r in range(len(row_keys)) for c in range(len(axis.keys))]
    # A labelled map says nothing where it is open, so there is nothing to click either.
    cells = [(r, c) for r, c in places if values[r][c] is not None or not is_labelled]
    # A heat map cannot be clicked in Streamlit; invisible points over its cells can, the nearest one wherever one is.
    figure.add_trace(
        go.Scatter(
            x=[axis.keys[c] for _, c in cells],
            y=[row_keys[r] for r, _ in cells],
            customdata=[[row_keys[r], axis.keys[c]] for r, c in cells],
            mode="markers",
            marker={"symbol": "square", "size": 22, "color": "rgba(0,0,0,0)"},
            hovertext=[f"{row_labels[r]}<br>{axis.long_labels[c]}: {texts[r][c]}" for r, c in cells],
            hovertemplate="%{hovertext}<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )
    labels = [f"<b>{label}</b>" if key == chosen else label for key, label in zip(row_keys, row_labels, strict=True)]
    figure.update_layout(
        hoverdistance=-1,
        xaxis={**_charts.category_axis(axis), "side": "top", "range": [-0.5, len(axis.keys) - 0.5], "ticks": ""},
        yaxis={
            "type": "category",
            "range": [len(row_keys) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "rangemode": "normal",
            "tickmode": "array",
            "tickvals": list(row_keys),
            "ticktext": labels,
        },
    )
    return figure
