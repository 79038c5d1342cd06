"""A page on paper: what the builders draw on a screen is the same in the document."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pypdf import PdfReader
from streamlit.testing.v1 import AppTest

from billing_core.services.exports import ChartSpec, Figure, Figures, HeatSpec, Sentence, look, to_pdf
from billing_core.services.language import reader_of, spoken
from pages import _bars, _charts, _heatmap, _print
from pages._registry import PAGES
from pages._tables import Column
from tests.exports.reports_made import AS_OF

Open = Callable[..., AppTest]
READER = reader_of("da-DK", "da", ZoneInfo("Europe/Copenhagen"))
MONTHS = [date(2026, m, 1) for m in (9, 10, 11)]
AXIS = _charts.month_axis(MONTHS, READER, date(2026, 11, 22))
INVOICED = _charts.Series("Invoiced", _charts.INVOICED, [10.0, 20.0, 5.0], ["10", "20", "5"])
CREDITED = _charts.Series("Credited", _charts.CREDITED, [-1.0, None, -2.0], ["1", "–", "2"])
COLLECTED = _charts.Series("Collected", _charts.COLLECTED, [8.0, 15.0, 1.0], ["8", "15", "1"])


def test_bars_and_their_line_keep_values_colours_and_the_unfinished_month() -> None:
    """The stacked chart of a page, with its line in two pieces: what is over, and dotted what is not."""
    spec = _print.chart_part(_charts.bars(AXIS, [INVOICED, CREDITED], READER, line=COLLECTED, is_stacked=True), "alt")
    assert isinstance(spec, ChartSpec)
    assert spec.labels == ("sep. 26", "okt. 26", "nov. 26")
    assert (spec.is_stacked, spec.unfinished) == (True, frozenset({2}))
    told = [(m.name, m.kind, m.colour, m.values, m.is_dotted) for m in spec.marks]
    assert told == [
        ("Invoiced", "bar", look.CATEGORICAL[0], (10.0, 20.0, 5.0), False),
        ("Credited", "bar", look.CATEGORICAL[2], (-1.0, None, -2.0), False),
        ("Collected", "line", look.CATEGORICAL[1], (8.0, 15.0, None), False),
        ("Collected", "line", look.CATEGORICAL[1], (None, 15.0, 1.0), True),
    ]


def test_a_waterfall_keeps_where_its_steps_begin() -> None:
    """Opening, steps and closing stand where they stand on the screen, each in its own colour; the aids do not."""

    def bar(key: str, value: float, colour: str) -> _bars.Bar:
        return _bars.Bar(key, f"{key} &amp; co", value, str(value), key, colour)

    opening, closing = bar("opening", 100.0, "#000001"), bar("closing", 90.0, "#000001")
    changes = [bar("new", 20.0, _bars.GAIN), bar("lost", -30.0, _bars.LOSS)]
    spec = _print.chart_part(_bars.waterfall(opening, changes, closing, bar("net", -10, "#000001"), READER), "")
    assert isinstance(spec, ChartSpec)
    (mark,) = spec.marks
    assert mark.values == (100.0, 20.0, -30.0, 90.0)
    assert mark.bases == (0.0, 100.0, 120.0, 0.0)
    blue = look.CATEGORICAL[0]
    assert mark.colours == (blue, look.CATEGORICAL[8], look.CATEGORICAL[3], blue)
    assert spec.labels[1] == "new & co"


def test_a_heat_map_keeps_its_rows_columns_and_open_cells() -> None:
    """The first row stays on top; names lose the marks of the screen."""
    figure = _heatmap.heat_map(
        AXIS,
        ["a", "b"],
        ["Ærø", "Bo & Co"],
        [[1.0, None, 3.0], [0.0, 2.0, 4.0]],
        [[""] * 3] * 2,
        READER,
        unit="",
        chosen="a",
    )
    spec = _print.chart_part(figure, "")
    assert isinstance(spec, HeatSpec)
    assert spec.rows == ("Ærø", "Bo & Co")
    assert spec.values == ((1.0, None, 3.0), (0.0, 2.0, 4.0))


def test_a_table_is_printed_as_it_reads() -> None:
    """Amounts in their currency's decimals by the reader's locale, zeros that say nothing as a dash."""
    table = pa.table(
        {
            "name": ["Ærø", None],
            "open_minor": [123456, 0],
            "currency": ["dkk", "jpy"],
            "on": [MONTHS[0], None],
            "share": [Decimal("0.125"), None],
            "trend": [[1.0], [2.0]],
        }
    )
    columns = [
        Column("name", "Tenant"),
        Column("open_minor", "Open", "money", is_zero_nothing=True),
        Column("on", "Due", "date"),
        Column("share", "Share", "ratio"),
        Column("trend", "Trend", "trend"),
    ]
    spec = _print.table_part(table, columns, None, READER)
    assert spec.headings == ("Tenant", "Open", "Due", "Share")
    assert spec.rows == (("Ærø", "1.234,56", "1. sep. 2026", "12,5 %"), ("–", "–", "–", "–"))
    assert spec.is_number == (False, True, False, True)


def test_what_is_drawn_is_gathered_in_order_and_printed() -> None:
    """Sentences, figures side by side, charts and tables come out of one page; nothing outside of it does."""
    _print.answer("before")
    with _print.gathering() as gathered:
        _print.asked("Valuta", "DKK")
        _print.answer("**12** er :red[forfaldne] hos \\*Sol\\*")
        _print.metric("Udestående", "12 DKK", "+3 %", delta_description="mod oktober")
        _print.metric("Forfalden", "7 DKK")
        _charts.chart(_charts.bars(AXIS, [INVOICED], READER), key="chart", alt="alt")
    document = _print.document("Debitorer", gathered, AS_OF)
    assert document.asked == (("Valuta", "DKK"),)
    assert document.parts[0] == Sentence("**12** er forfaldne hos *Sol*")
    assert document.parts[1] == Figures(
        (Figure("Udestående", "12 DKK", "+3 % mod oktober"), Figure("Forfalden", "7 DKK"))
    )
    assert isinstance(document.parts[2], ChartSpec)
    with spoken("da"):
        text = PdfReader(io.BytesIO(to_pdf(document, READER))).pages[0].extract_text()
    assert "12 er forfaldne hos *Sol*" in text
    assert "Side 1 af 1" in text


@pytest.mark.parametrize("name", [page.name for page in PAGES])
def test_every_page_with_figures_offers_its_pdf(company_app: Open, name: str) -> None:
    """Also the tables on it offer their rows as CSV, workbook and PDF."""
    labels = [button.proto.label for button in company_app(name).get("download_button")]
    assert labels[-1] == "This page as PDF"


def test_an_empty_page_offers_no_pdf(empty_app: Open) -> None:
    """There is nothing to print."""
    assert not empty_app("overview").get("download_button")
