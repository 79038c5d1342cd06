"""A document as PDF: A4, text that can be selected, vector charts, and on every page when its figures are from.

No browser is involved. The creation date in the file is the instant of the figures, so the same document gives the
same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import TimeStamp
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, KeepTogether, PageTemplate, Paragraph, Spacer, Table

from billing_core.language import _, current, n_
from billing_core.services.exports.document import ChartSpec, Document, Figures, HeatSpec, Part, Sentence, TableSpec
from billing_core.services.exports.look import ACCENT, BOLD, FONT, QUIET, RULE, SHADE, TEXT, printable, register_fonts
from billing_core.services.exports.look import width as width_of
from billing_core.services.exports.pdf_charts import draw_chart, draw_heat
from billing_core.services.formatting import Reader

MARGIN = 16 * mm
WIDE_FROM = 520.0
CELL = 7.0
SMALLEST_CELL = 5.0
PADDING = 8.0
WIDEST_CELL = 150.0
NARROWEST_CELL = 34.0

_BODY = {"fontName": FONT, "fontSize": 8.5, "leading": 12, "textColor": TEXT}
TITLE = ParagraphStyle("title", fontName=BOLD, fontSize=17, leading=22, textColor=TEXT, spaceAfter=2)
HEADING = ParagraphStyle("heading", fontName=BOLD, fontSize=10.5, leading=14, textColor=TEXT, spaceBefore=8)
BODY = ParagraphStyle("body", **_BODY, spaceAfter=4)
ASKED = ParagraphStyle("asked", fontName=FONT, fontSize=7.5, leading=10.5, textColor=QUIET)
FIGURE_LABEL = ParagraphStyle("label", fontName=FONT, fontSize=7.5, leading=10, textColor=QUIET)
FIGURE_VALUE = ParagraphStyle("value", fontName=BOLD, fontSize=12, leading=16, textColor=TEXT)


def to_pdf(document: Document, reader: Reader) -> bytes:
    """Return the PDF, upright or, where a table is too wide for that, across; words are in the language being spoken.

    Args:
        document: what to print.
        reader: for the numbers on axes and the zone and form of the as-of line.
    """
    register_fonts()
    widest = max((sum(_natural_widths(p, CELL)) for p in document.parts if isinstance(p, TableSpec)), default=0.0)
    page = landscape(A4) if widest > WIDE_FROM else A4
    room = page[0] - 2 * MARGIN
    out = io.BytesIO()
    template = BaseDocTemplate(
        out,
        pagesize=page,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=document.title,
        author="Billing Desk",
        creator="Billing Desk",
        subject=_as_of(document, reader),
        lang=current(),
    )
    frame = Frame(MARGIN, MARGIN, room, page[1] - 2 * MARGIN, 0, 0, 0, 0, id="body")
    template.addPageTemplates(PageTemplate(id="page", frames=[frame]))

    def canvas(*args: Any, **kwargs: Any) -> Canvas:
        return _Numbered(document, reader, *args, **{**kwargs, "invariant": 1})

    template.build(list(_story(document, reader, room)), canvasmaker=canvas)
    return out.getvalue()


class _Numbered(Canvas):  # type: ignore[misc]
    """A canvas that writes the foot of every page when it knows how many there are."""

    def __init__(self, document: Document, reader: Reader, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held: list[dict[str, Any]] = []
        self._document, self._reader = document, reader
        self._doc._timeStamp = _stamp(document)

    def showPage(self) -> None:  # noqa: N802 (reportlab's name)
        self._held.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._held, start=1):
            self.__dict__.update(page)
            self._foot(number, len(self._held))
            super().showPage()
        super().save()

    def _foot(self, number: int, pages: int) -> None:
        wide = self._pagesize[0]
        self.setStrokeColor(RULE)
        self.setLineWidth(0.5)
        self.line(MARGIN, MARGIN - 8, wide - MARGIN, MARGIN - 8)
        self.setFont(FONT, 7)
        self.setFillColor(QUIET)
        left = f"Billing Desk · {self._document.title} · {_as_of(self._document, self._reader)}"
        self.drawString(MARGIN, MARGIN - 18, printable(left))
        of = _("Page {number} of {pages}", number=number, pages=pages)
        self.drawRightString(wide - MARGIN, MARGIN - 18, printable(of))


def _stamp(document: Document) -> TimeStamp:
    """The instant of the figures as reportlab keeps the time of a file."""
    stamp = TimeStamp(1)
    instant = document.as_of.astimezone(UTC)
    stamp.t = int(instant.timestamp())
    stamp.lt = instant.timetuple()
    stamp.YMDhms = tuple(stamp.lt)[:6]
    stamp.tzname, stamp.dhh, stamp.dmm = "UTC", 0, 0
    return stamp


def _as_of(document: Document, reader: Reader) -> str:
    day = reader.day(document.as_of.astimezone(reader.zone).date())
    return _("figures as of {day} {time} ({zone})", day=day, time=reader.clock(document.as_of), zone=reader.zone.key)


def _story(document: Document, reader: Reader, room: float) -> Sequence[Flowable]:
    story: list[Flowable] = [_paragraph(document.title, TITLE)]
    lines = [*(f"{name}: {value}" for name, value in document.asked), _as_of(document, reader)]
    story += [_paragraph(" · ".join(lines), ASKED), Spacer(1, 6)]
    held: list[Flowable] = []
    for part in document.parts:
        drawn = _drawn(part, reader, room)
        if isinstance(part, Sentence) and part.is_heading:
            held += drawn
        elif isinstance(part, ChartSpec | HeatSpec) and drawn:
            # A heading and its chart stay on one page; a table may break, its heading row comes again.
            story.append(KeepTogether([*held, *drawn]))
            held = []
        else:
            story += [*held, *drawn]
            held = []
    return [*story, *held]


def _drawn(part: Part, reader: Reader, room: float) -> list[Flowable]:
    match part:
        case Sentence():
            return [_paragraph(part.text, HEADING if part.is_heading else BODY)]
        case Figures():
            return [_figures(part, room), Spacer(1, 8)]
        case ChartSpec():
            return [_fitted(draw_chart(part, room, reader)), Spacer(1, 8)]
        case HeatSpec():
            return [_fitted(draw_heat(part, room)), Spacer(1, 8)]
        case TableSpec():
            return _table(part, room)


def _fitted(drawing: Drawing) -> Drawing:
    """A drawing that is higher than a page is made smaller as a whole."""
    most = A4[0] - 3 * MARGIN
    if drawing.height > most:
        factor = most / drawing.height
        drawing.scale(factor, factor)
        drawing.width, drawing.height = drawing.width * factor, drawing.height * factor
    return drawing


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """Text as it stands, with the two marks that pages use for strong words."""
    pieces = escape(printable(text)).split("**")
    strong = len(pieces) % 2 == 1
    return Paragraph("".join(f"<b>{p}</b>" if i % 2 and strong else p for i, p in enumerate(pieces)), style)


def _figures(figures: Figures, room: float) -> Table:
    cells = [
        [
            _paragraph(f.label, FIGURE_LABEL),
            _paragraph(f.value, FIGURE_VALUE),
            *([_paragraph(f.note, FIGURE_LABEL)] if f.note else []),
        ]
        for f in figures.items
    ]
    across = 4 if len(cells) != 3 else 3
    rows = [cells[i : i + across] for i in range(0, len(cells), across)]
    rows[-1] += [[] for _missing in range(across - len(rows[-1]))]
    style = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEABOVE", (0, 0), (-1, -1), 1.2, ACCENT)]
    style += [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 8)]
    return Table(rows, colWidths=[room / across] * across, style=style)


def _natural_widths(table: TableSpec, size: float) -> list[float]:
    """How wide each column wants to be: its longest cell, of the first rows, within bounds."""
    columns = range(len(table.headings))
    widths = []
    for at in columns:
        cells = max((width_of(printable(row[at]), size) for row in table.rows[:300]), default=0.0)
        # A heading may break between words, a figure may not.
        heading = max(width_of(printable(w), size, BOLD) for w in table.headings[at].split() or [""])
        most = cells if table.is_number[at] else min(cells, WIDEST_CELL)
        widths.append(max(most, heading, NARROWEST_CELL - PADDING) + PADDING)
    return widths


def _table(table: TableSpec, room: float) -> list[Flowable]:
    size = CELL
    widths = _natural_widths(table, size)
    while sum(widths) > room and size > SMALLEST_CELL:
        size -= 0.5
        widths = _natural_widths(table, size)
    # A table that nearly fills the page fills it; a narrow one stays as narrow as it is.
    if sum(widths) > room * 0.75:
        widths = [w * room / sum(widths) for w in widths]
    left = ParagraphStyle("cell", fontName=FONT, fontSize=size, leading=size * 1.3, textColor=TEXT)
    head = ParagraphStyle("head", parent=left, fontName=BOLD)
    head_right = ParagraphStyle("head_right", parent=head, alignment=2)

    def cell(text: str, at: int) -> str | Paragraph:
        shown = printable(text)
        return shown if width_of(shown, size) <= widths[at] - PADDING + 0.01 else Paragraph(escape(shown), left)

    rows: list[list[Any]] = [
        [
            Paragraph(escape(printable(h)), head_right if is_number else head)
            for h, is_number in zip(table.headings, table.is_number, strict=True)
        ]
    ]
    rows += [[cell(text, at) for at, text in enumerate(row)] for row in table.rows]
    style: list[tuple[Any, ...]] = [
        ("FONT", (0, 1), (-1, -1), FONT, size),
        ("TEXTCOLOR", (0, 0), (-1, -1), TEXT),
        ("BACKGROUND", (0, 0), (-1, 0), SHADE),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), PADDING / 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), PADDING / 2),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ]
    style += [("ALIGN", (at, 1), (at, -1), "RIGHT") for at, is_number in enumerate(table.is_number) if is_number]
    drawn: list[Flowable] = [Table(rows, colWidths=widths, repeatRows=1, style=style, hAlign="LEFT")]
    if not table.rows:
        drawn.append(_paragraph(_("No rows."), BODY))
    if table.left_out_count:
        said = n_(
            "{count} further row is not printed; the CSV and the workbook have it.",
            "{count} further rows are not printed; the CSV and the workbook have them.",
            table.left_out_count,
            count=table.left_out_count,
        )
        drawn.append(_paragraph(said, BODY))
    return [*drawn, Spacer(1, 8)]
