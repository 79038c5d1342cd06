"""The printed page, read back as text, and its charts as vectors."""

from __future__ import annotations

import io
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader
from reportlab.graphics.shapes import Drawing, Group, Line, PolyLine, Rect

from billing_core.language import spoken
from billing_core.services.exports import (
    ChartSpec,
    Document,
    Figure,
    Figures,
    HeatSpec,
    Mark,
    Sentence,
    TableSpec,
    look,
    of_report,
    to_pdf,
)
from billing_core.services.exports.pdf_charts import draw_chart, ticks_between
from billing_core.services.language import reader_of
from tests.exports.reports_made import AS_OF, report_of

ZONE = ZoneInfo("Europe/Copenhagen")
DANE, BRITON = reader_of("da-DK", "da", ZONE), reader_of("en-GB", "en", ZONE)
A4_POINTS = (595, 842)

BARS = Mark("Invoiced", "bar", "#2C62A8", (10.0, 20.0, None))
DOWN = Mark("Credited", "bar", "#B3482F", (-4.0, 0.0, -1.0))
LINE = Mark("Collected", "line", "#12806F", (8.0, 18.0, 2.0))


def pages_of(content: bytes) -> list[str]:
    """The text of each page, as a reader would select it."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]


def page(*parts: object) -> Document:
    """A document around some parts."""
    return Document("Receivables", (("Currency", "DKK"),), tuple(parts), AS_OF)  # type: ignore[arg-type]


def shapes(drawing: Drawing) -> list[object]:
    """All shapes of a drawing, those in groups too."""
    found: list[object] = []
    waiting = list(drawing.contents)
    while waiting:
        shape = waiting.pop(0)
        if isinstance(shape, Group):
            waiting += shape.contents
        else:
            found.append(shape)
    return found


def test_text_can_be_selected_with_danish_letters() -> None:
    """Names and figures are text, not pictures, also æ, ø and å and what the font has no shape for."""
    document = page(
        Sentence("**1.234.567,89 kr.** er udestående hos Ærø Bådebyggeri, Łódź Estates og Đorđe & 東京"),
        Figures((Figure("Forfalden", "12.345,00 DKK", "18 % af det udestående"),)),
    )
    (text,) = pages_of(to_pdf(document, DANE))
    assert "1.234.567,89 kr. er udestående hos Ærø Bådebyggeri, Łódz Estates og Đorđe & ??" in text
    assert "Forfalden" in text
    assert "12.345,00 DKK" in text


def test_every_page_says_its_number_and_when_its_figures_are_from() -> None:
    """A sheet that is found alone tells what it belongs to; the heading row of a table comes again."""
    rows = tuple((f"Tenant {i}", f"{i}.00") for i in range(150))
    content = to_pdf(page(TableSpec(("Tenant", "Open"), rows, (False, True))), BRITON)
    pages = pages_of(content)
    assert len(pages) >= 3
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text
        assert "figures as of 1 Nov 2026 00:30 (Europe/Copenhagen)" in text
        assert "Open" in text
    told = "\n".join(pages)
    assert [int(n) for n in re.findall(r"Tenant (\d+)", told)] == list(range(150))
    box = PdfReader(io.BytesIO(content)).pages[0].mediabox
    assert (int(box.width), int(box.height) + 1) == A4_POINTS


def test_a_wide_table_lies_across() -> None:
    """A report of many columns is printed in landscape, and every figure is still there."""
    headings = tuple(f"Column {i}" for i in range(14))
    row = tuple(f"{i}.234.567,00" for i in range(14))
    content = to_pdf(page(TableSpec(headings, (row,), (True,) * 14)), DANE)
    box = PdfReader(io.BytesIO(content)).pages[0].mediabox
    assert box.width > box.height
    text = pages_of(content)[0]
    assert all(cell in text for cell in row)


def test_the_same_document_gives_the_same_bytes() -> None:
    """The file carries the instant of its figures, not the time it was written."""
    document = page(ChartSpec(("Jan", "Feb", "Mar"), (BARS, DOWN, LINE)), Sentence("x"))
    content = to_pdf(document, DANE)
    assert content == to_pdf(document, DANE)
    told = PdfReader(io.BytesIO(content)).metadata
    assert told is not None
    assert told.creation_date == datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert told.title == "Receivables"


def test_a_report_is_printed_with_its_definition_and_rows() -> None:
    """The same figures as on the screen: amounts of each row's currency, in the reader's locale."""
    report = report_of(notes=("Not final.",))
    text = "\n".join(pages_of(to_pdf(of_report(report, DANE), DANE)))
    assert "Three views that are never mixed." in text
    assert "12.345,67" in text
    assert "-1,005" in text
    assert "5.000" in text
    assert "102,5 %" in text
    assert "Not final." in text


def test_the_words_are_in_the_language_spoken() -> None:
    """The foot and the headings follow the language."""
    with spoken("da"):
        text = pages_of(to_pdf(of_report(report_of(), DANE), DANE))[0]
    assert "Side 1 af 1" in text
    assert "Faktureret" in text


def test_charts_are_vectors() -> None:
    """A bar is a rectangle and a line is a line; there is no picture in the file."""
    chart = ChartSpec(("Jan", "Feb", "Mar"), (BARS, LINE))
    content = to_pdf(page(chart, HeatSpec(("A",), ("Jan", "Feb"), ((1.0, None),), (("1", ""),))), BRITON)
    assert not [image for p in PdfReader(io.BytesIO(content)).pages for image in p.images]
    drawn = shapes(draw_chart(chart, 480, BRITON))
    blue = [s for s in drawn if isinstance(s, Rect) and s.fillColor == look.HexColor("#2C62A8") and s.height > 10]
    assert len(blue) == 2
    assert round(blue[1].height / blue[0].height, 6) == 2
    assert any(isinstance(s, PolyLine) and len(s.points) == 6 for s in drawn)


def test_stacked_bars_stand_on_each_other_on_both_sides_of_zero() -> None:
    """What is below zero hangs from zero, and does not take from what is above."""
    above = Mark("New", "bar", "#12806F", (5.0,))
    below = Mark("Lost", "bar", "#B3482F", (-3.0,))
    more = Mark("Grown", "bar", "#2C62A8", (5.0,))
    drawn = shapes(draw_chart(ChartSpec(("Jan",), (above, below, more), is_stacked=True), 480, BRITON))
    bars = {s.fillColor.hexval(): s for s in drawn if isinstance(s, Rect) and s.width > 20}
    new, lost, grown = bars["0x12806f"], bars["0xb3482f"], bars["0x2c62a8"]
    assert round(new.y + new.height - grown.y, 6) == 0
    assert round(lost.y + lost.height - new.y, 6) == 0


def test_a_period_that_is_not_over_is_hatched() -> None:
    """The unfinished bar is an outline with lines across it."""
    only = Mark("", "bar", "#2C62A8", (5.0, 5.0))
    drawn = shapes(draw_chart(ChartSpec(("Jan", "Feb"), (only,), unfinished=frozenset({1})), 480, BRITON))
    assert sum(1 for s in drawn if isinstance(s, Rect) and s.fillColor == look.HexColor("#2C62A8")) == 1
    assert sum(1 for s in drawn if isinstance(s, Line) and s.strokeColor == look.HexColor("#2C62A8")) > 5


@pytest.mark.parametrize("values", [(), (None, None), (0.0, 0.0)])
def test_a_chart_of_nothing_is_drawn(values: tuple[float | None, ...]) -> None:
    """No figures, and nothing but zeros, are charts too."""
    labels = tuple("ab"[: len(values)])
    assert to_pdf(page(ChartSpec(labels, (Mark("x", "bar", "#2C62A8", values),))), BRITON).startswith(b"%PDF")


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_ticks_cover_the_values_in_even_steps(one: float, other: float) -> None:
    """The scale reaches beyond both ends and has few lines."""
    low, high = min(one, other, 0.0), max(one, other, 0.0)
    ticks = ticks_between(low, high)
    reach = (high - low) * 1e-6
    assert ticks[0] <= low + reach
    assert ticks[-1] >= high - reach
    assert len(ticks) <= 9


def test_colours_are_those_of_the_app() -> None:
    """Paper and screen show the same thing in the same colour."""
    config = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    light = config["theme"]["light"]
    assert list(look.CATEGORICAL) == light["chartCategoricalColors"]
    assert list(look.SEQUENTIAL) == light["chartSequentialColors"]
    assert list(look.DIVERGING) == light["chartDivergingColors"]
    assert look.TEXT.hexval()[2:].upper() == light["textColor"][1:]
