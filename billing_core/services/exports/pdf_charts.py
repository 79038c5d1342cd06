"""Charts as vectors: bars and lines over named positions, and heat maps.

Bars begin at zero unless they say otherwise; a position that is not over yet is hatched; one series has no legend. All
lengths are points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from reportlab.graphics.shapes import Drawing, Group, Line, PolyLine, Rect, String
from reportlab.lib.colors import Color, HexColor, white

from billing_core.services.exports.document import ChartSpec, HeatSpec, Mark
from billing_core.services.exports.look import FONT, QUIET, RULE, SEQUENTIAL, TEXT, printable, width
from billing_core.services.formatting import Reader

SIZE = 6.5
HEIGHT = 165.0
LEGEND = 13.0
TICKS = 5
BAR_SHARE = 0.68
ROW_HEIGHT = 15.0
HATCH = 3.0


def draw_chart(spec: ChartSpec, total_width: float, reader: Reader) -> Drawing:
    """Return bars and lines as a drawing of this width."""
    height = HEIGHT if not spec.is_horizontal else max(60.0, 26.0 + ROW_HEIGHT * len(spec.labels))
    legend = LEGEND if len([m for m in spec.marks if m.name]) > 1 else 0.0
    drawing = Drawing(total_width, height + legend)
    if spec.labels and any(v is not None for m in spec.marks for v in m.values):
        (_Across if spec.is_horizontal else _Upright)(drawing, spec, total_width, height, reader).draw()
    if legend:
        _add_legend(drawing, spec.marks, height + legend - 8)
    return drawing


def ticks_between(low: float, high: float, most: int = TICKS) -> list[float]:
    """Return round values that cover the range, in steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) or abs(high) or 1.0
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1.0, 2.0, 5.0, 10.0) if s * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


class _Plot:
    """Where the values of a chart go: its scale, its bars and its lines."""

    def __init__(self, drawing: Drawing, spec: ChartSpec, total_width: float, height: float, reader: Reader) -> None:
        self.drawing, self.spec, self.reader = drawing, spec, reader
        self.total_width, self.height = total_width, height
        bars = [m for m in spec.marks if m.kind == "bar"]
        self.slots: dict[str, int] = {}
        for mark in bars:
            self.slots.setdefault(mark.name, 0 if spec.is_stacked else len(self.slots))
        self.spans = self._spans(bars)
        ends = [e for spans in self.spans for span in spans if span for e in span]
        ends += [v for m in spec.marks if m.kind == "line" for v in m.values if v is not None]
        self.ticks = ticks_between(min(0.0, *ends), max(0.0, *ends))
        self.low, self.high = self.ticks[0], self.ticks[-1]

    def _spans(self, bars: Sequence[Mark]) -> list[list[tuple[float, float] | None]]:
        """Where each bar begins and ends; stacked ones go up from the last above zero, down from the last below."""
        up, down = [0.0] * len(self.spec.labels), [0.0] * len(self.spec.labels)
        found: list[list[tuple[float, float] | None]] = []
        for mark in bars:
            spans: list[tuple[float, float] | None] = []
            for i, value in enumerate(mark.values):
                if value is None:
                    spans.append(None)
                elif mark.bases is not None:
                    spans.append((mark.bases[i], mark.bases[i] + value))
                elif not self.spec.is_stacked:
                    spans.append((0.0, value))
                else:
                    side = up if value >= 0 else down
                    spans.append((side[i], side[i] + value))
                    side[i] += value
            found.append(spans)
        return found

    def number(self, value: float) -> str:
        decimals = 0 if abs(self.high - self.low) >= TICKS else 2
        return printable(self.reader.number(Decimal(repr(value)), None if decimals else 0))

    def bar(self, x: float, y: float, w: float, h: float, colour: str, *, is_unfinished: bool) -> Group:
        group = Group()
        if not is_unfinished:
            group.add(Rect(x, y, w, h, fillColor=HexColor(colour), strokeColor=None))
            return group
        group.add(Rect(x, y, w, h, fillColor=white, strokeColor=HexColor(colour), strokeWidth=0.7))
        offset = HATCH
        while offset < w + h:
            x1, y1 = (x, y + offset) if offset <= h else (x + offset - h, y + h)
            x2, y2 = (x + offset, y) if offset <= w else (x + w, y + offset - w)
            group.add(Line(x1, y1, x2, y2, strokeColor=HexColor(colour), strokeWidth=0.6))
            offset += HATCH
        return group

    def bars(self) -> list[Mark]:
        return [m for m in self.spec.marks if m.kind == "bar"]


class _Upright(_Plot):
    """Positions from left to right, values upwards."""

    def draw(self) -> None:
        left = max(width(self.number(t), SIZE) for t in self.ticks) + 6
        step = (self.total_width - left) / len(self.spec.labels)
        is_turned = any(width(printable(text), SIZE) > step * self._every(step) - 2 for text in self.spec.labels)
        longest = max(width(printable(text), SIZE) for text in self.spec.labels)
        bottom = min(70.0, longest * 0.72 + 8) if is_turned else 14.0
        unit = (self.height - bottom - 6) / ((self.high - self.low) or 1)

        def up(value: float) -> float:
            return bottom + (value - self.low) * unit

        for tick in self.ticks:
            y = up(tick)
            is_zero = abs(tick) < 1e-9
            self.drawing.add(
                Line(left, y, self.total_width, y, strokeColor=QUIET if is_zero else RULE, strokeWidth=0.5)
            )
            self.drawing.add(_string(left - 4, y - SIZE / 3, self.number(tick), "end", QUIET))
        self._bars(left, step, up)
        self._lines(left, step, up)
        self._labels(left, step, bottom, is_turned=is_turned)

    def _every(self, step: float) -> int:
        """How many positions share one label, so that turned labels still have a line of their own."""
        return max(1, math.ceil((SIZE + 2) / step))

    def _bars(self, left: float, step: float, up: Callable[[float], float]) -> None:
        each = step * BAR_SHARE / max(1, len(set(self.slots.values())))
        for mark, spans in zip(self.bars(), self.spans, strict=True):
            for i, span in enumerate(spans):
                if span is None or span[0] == span[1]:
                    continue
                x = left + step * i + step * (1 - BAR_SHARE) / 2 + each * self.slots[mark.name]
                low, high = sorted((up(span[0]), up(span[1])))
                colour = mark.colours[i] if mark.colours else mark.colour
                self.drawing.add(
                    self.bar(x, low, each * 0.94, high - low, colour, is_unfinished=i in self.spec.unfinished)
                )

    def _lines(self, left: float, step: float, up: Callable[[float], float]) -> None:
        for mark in (m for m in self.spec.marks if m.kind == "line"):
            run: list[float] = []
            for i, value in enumerate([*mark.values, None]):
                if value is not None:
                    x, y = left + step * (i + 0.5), up(value)
                    if mark.is_stepped and run:
                        run += [x, run[-1]]
                    run += [x, y]
                    continue
                if len(run) >= 4:
                    dash = [2, 2] if mark.is_dotted else None
                    colour = HexColor(mark.colour)
                    self.drawing.add(PolyLine(run, strokeColor=colour, strokeWidth=1.3, strokeDashArray=dash))
                elif run:
                    self.drawing.add(
                        Rect(run[0] - 1.5, run[1] - 1.5, 3, 3, fillColor=HexColor(mark.colour), strokeColor=None)
                    )
                run = []

    def _labels(self, left: float, step: float, bottom: float, *, is_turned: bool) -> None:
        every, last = self._every(step), len(self.spec.labels) - 1
        for i, text in enumerate(self.spec.labels):
            if (last - i) % every:
                continue
            x = left + step * (i + 0.5)
            if not is_turned:
                self.drawing.add(_string(x, bottom - 10, printable(text), "middle", QUIET))
                continue
            turned = Group(_string(0, 0, _cut(printable(text), 88), "end", QUIET))
            turned.translate(x + 2, bottom - 8)
            turned.rotate(45)
            self.drawing.add(turned)


class _Across(_Plot):
    """Positions from top to bottom, values to the right."""

    def draw(self) -> None:
        left = min(self.total_width * 0.35, max(width(printable(text), SIZE) for text in self.spec.labels) + 8)
        unit = (self.total_width - left - 12) / ((self.high - self.low) or 1)
        bottom = 14.0
        step = (self.height - bottom - 4) / len(self.spec.labels)
        for tick in self.ticks:
            x = left + (tick - self.low) * unit
            is_zero = abs(tick) < 1e-9
            self.drawing.add(
                Line(x, bottom, x, self.height - 4, strokeColor=QUIET if is_zero else RULE, strokeWidth=0.5)
            )
            self.drawing.add(_string(x, bottom - 9, self.number(tick), "middle", QUIET))
        each = step * BAR_SHARE / max(1, len(set(self.slots.values())))
        for i, text in enumerate(self.spec.labels):
            y = self.height - 4 - step * (i + 1)
            self.drawing.add(_string(left - 4, y + step / 2 - SIZE / 3, _cut(printable(text), left - 8), "end", TEXT))
            for mark, spans in zip(self.bars(), self.spans, strict=True):
                span = spans[i]
                if span is None or span[0] == span[1]:
                    continue
                low, high = sorted(left + (v - self.low) * unit for v in span)
                at = y + step * (1 - BAR_SHARE) / 2 + each * self.slots[mark.name]
                colour = mark.colours[i] if mark.colours else mark.colour
                self.drawing.add(
                    self.bar(low, at, high - low, each * 0.94, colour, is_unfinished=i in self.spec.unfinished)
                )


def draw_heat(spec: HeatSpec, total_width: float) -> Drawing:
    """Return a heat map as a drawing of this width: rows from the top, the strongest colour for the largest value."""
    left = min(total_width * 0.3, max((width(printable(r), SIZE) for r in spec.rows), default=0) + 8)
    step = (total_width - left) / max(1, len(spec.columns))
    height = ROW_HEIGHT * len(spec.rows) + 16
    drawing = Drawing(total_width, height)
    known = [v for row in spec.values for v in row if v is not None]
    top = max([*known, 0.0]) or 1.0
    every = max(1, math.ceil(max((width(printable(c), SIZE) + 3 for c in spec.columns), default=0) / step))
    for i, text in enumerate(spec.columns):
        if (len(spec.columns) - 1 - i) % every == 0:
            drawing.add(_string(left + step * (i + 0.5), height - 10, printable(text), "middle", QUIET))
    for r, row in enumerate(spec.values):
        y = height - 16 - ROW_HEIGHT * (r + 1)
        label = _cut(printable(spec.rows[r]), left - 8)
        drawing.add(_string(left - 4, y + ROW_HEIGHT / 2 - SIZE / 3, label, "end", TEXT))
        for c, value in enumerate(row):
            if value is None:
                continue
            strength = min(len(SEQUENTIAL) - 1, int(max(0.0, value) / top * (len(SEQUENTIAL) - 1) + 0.5))
            cell = (left + step * c + 0.5, y + 0.5, step - 1, ROW_HEIGHT - 1)
            drawing.add(Rect(*cell, fillColor=HexColor(SEQUENTIAL[strength]), strokeColor=None))
            said = printable(spec.texts[r][c]) if spec.texts else ""
            if said and width(said, SIZE) <= step - 3:
                ink = white if strength >= len(SEQUENTIAL) // 2 + 1 else TEXT
                drawing.add(_string(left + step * (c + 0.5), y + ROW_HEIGHT / 2 - SIZE / 3, said, "middle", ink))
    return drawing


def _add_legend(drawing: Drawing, marks: Sequence[Mark], y: float) -> None:
    x, seen = 0.0, set[str]()
    for mark in marks:
        if not mark.name or mark.name in seen:
            continue
        seen.add(mark.name)
        text = printable(mark.name)
        line = mark.kind == "line"
        drawing.add(
            Rect(x, y + (1.8 if line else 0), 9, 1.6 if line else 5, fillColor=HexColor(mark.colour), strokeColor=None)
        )
        drawing.add(_string(x + 12, y, text, "start", TEXT))
        x += width(text, SIZE) + 26


def _string(x: float, y: float, text: str, anchor: str, colour: Color) -> String:
    return String(x, y, text, fontName=FONT, fontSize=SIZE, textAnchor=anchor, fillColor=colour)


def _cut(text: str, most: float) -> str:
    """Return the text, shortened by an ellipsis where it does not fit."""
    if width(text, SIZE) <= most:
        return text
    while text and width(f"{text}…", SIZE) > most:
        text = text[:-1]
    return f"{text.rstrip()}…"
