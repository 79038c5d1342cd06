"""A cell is read exactly or refused; nothing is guessed."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_core.rules import cells
from billing_core.rules.cells import CellError

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
# Hypothesis wants its bounds without a zone.
FIRST, LAST = datetime.fromisoformat("1900-01-02"), datetime.fromisoformat("2199-12-30")
NO_NUMBERS = [
    "", " 1", "1 ", "NaN", "nan", "Infinity", "-Infinity", "inf", "1e3", "1E3", "1_000", "1,000", "1.000,00", "١٢",
    "１２", "²", "true", "True", "0x10", "+1", "--1", "1-", ".5", "5.", "kr 5", "=1+1", "1\x00", "\udcff",
]  # fmt: skip


@pytest.mark.parametrize("cell", [*NO_NUMBERS, "1.5", "1.0", "-1", str(2**63), "9" * 40])
def test_what_is_no_whole_number_is_refused(cell: str) -> None:
    """Spreadsheet spellings, fractions, negatives where none may be, and numbers no column holds."""
    with pytest.raises(CellError, match="a whole number in plain digits, 0 or more"):
        cells.whole(0)(cell)


def test_whole_numbers_reach_to_the_ends_of_a_bigint() -> None:
    """2^63 - 1 is the largest; leading zeros are harmless."""
    assert cells.whole()(str(2**63 - 1)) == 2**63 - 1
    assert cells.whole()(str(-(2**63) + 1)) == -(2**63) + 1
    assert cells.whole(0)("007") == 7


@pytest.mark.parametrize("cell", [*NO_NUMBERS, "-1", "-0.000001", "0.0000001", "1" * 15])
def test_what_is_no_quantity_is_refused(cell: str) -> None:
    """More than six decimals or fourteen digits would be rounded or overflow; negative usage is a correction."""
    with pytest.raises(CellError, match="at most 6 decimals"):
        cells.quantity(cell)


@pytest.mark.parametrize(
    ("cell", "value"),
    [("0", "0"), ("0.000001", "0.000001"), ("9" * 14 + ".999999", "99999999999999.999999"), ("-0", "0")],
)
def test_quantities_are_exact_and_zero_is_one(cell: str, value: str) -> None:
    """The Decimal is what was written."""
    assert cells.quantity(cell) == Decimal(value)


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "2026-2-1",
        "2026-02-30",
        "01-02-2026",
        "20260201",
        "2026-W05-1",
        "2026-02-01T00:00",
        "２026-02-01",
        "0001-01-01",
        "9999-12-31",
        "today",
    ],
)
def test_what_is_no_date_is_refused(cell: str) -> None:
    """Other orders and other calendars are guesses; far years overflow."""
    with pytest.raises(CellError, match="a date such as 2026-10-31"):
        cells.day(cell)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2026-10-31T23:30:00Z", datetime(2026, 10, 31, 23, 30, tzinfo=UTC)),
        ("2026-10-31 23:30+00:00", datetime(2026, 10, 31, 23, 30, tzinfo=UTC)),
        ("2026-11-01T00:30:00.000001+0100", datetime(2026, 10, 31, 23, 30, 0, 1, tzinfo=UTC)),
    ],
)
def test_instants_with_a_zone_are_taken_to_utc(cell: str, value: datetime) -> None:
    """Z or an offset, T or a blank, with or without seconds."""
    assert cells.instant(cell) == value


@pytest.mark.parametrize(
    "cell",
    [
        "2026-10-31T23:30:00",
        "2026-10-31",
        "2026-10-31T25:00Z",
        "2026-10-31T23Z",
        "1793489400",
        "2026-10-31T23:30 CET",
        "2026-10-31T23:30+99:00",
    ],
)
def test_instants_without_a_zone_are_refused(cell: str) -> None:
    """A naive time has no place on the time line."""
    with pytest.raises(CellError, match="an instant with its zone"):
        cells.instant(cell)


def test_a_date_for_an_instant_is_the_start_of_that_day_in_the_zone() -> None:
    """Midnight in Copenhagen is 22:00 or 23:00 UTC of the day before; a naive time is still refused."""
    assert cells.moment(COPENHAGEN)("2026-07-01") == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert cells.moment(COPENHAGEN)("2026-01-01") == datetime(2025, 12, 31, 23, tzinfo=UTC)
    with pytest.raises(CellError, match="a date such as 2026-10-31, or an instant with its zone"):
        cells.moment(COPENHAGEN)("2026-07-01T12:00:00")


@pytest.mark.parametrize("cell", ["", " t_1", "t_1 ", "a\x00b", "a\nb", "a\tb", "x" * 256, "\udce6"])
def test_what_is_no_id_is_refused(cell: str) -> None:
    """Blanks around an id look like nothing and match nothing."""
    with pytest.raises(CellError):
        cells.identifier(cell)


@pytest.mark.parametrize(
    "cell", ["t_1", "' or 1=1 --", '=HYPERLINK("x")', "<b>x</b>", "lejer æøå", "x" * 255, "a\u00a0b"]
)
def test_ids_are_used_exactly_as_they_are(cell: str) -> None:
    """What looks dangerous is text like any other."""
    assert cells.identifier(cell) == cell


def test_booleans_emails_countries_and_currencies() -> None:
    """The accepted spellings, and the others."""
    assert [cells.boolean("true"), cells.boolean("false")] == [True, False]
    assert cells.country("dk") == "DK"
    assert cells.currency("DKK") == "dkk"
    assert cells.email("a+b@example.com") == "a+b@example.com"
    for read, bad in [
        (cells.boolean, "TRUE"), (cells.boolean, "1"), (cells.boolean, ""), (cells.country, "DNK"),
        (cells.country, "ÆØ"), (cells.currency, "kr"), (cells.currency, "ÆØÅ"), (cells.currency, "dk\n"),
        (cells.email, "nobody"), (cells.email, "a@b\r\nBcc: c@d"), (cells.email, "a b@c"), (cells.text, "   "),
        (cells.text, "x" * 2001),
    ]:  # fmt: skip
        with pytest.raises(CellError):
            read(bad)


def test_metadata_is_a_json_object() -> None:
    """Nested, over several lines, unicode; but no NaN, no infinity, no name twice, nothing a text cannot hold."""
    assert cells.json_object('{"a": [1, 2.5, null],\n "æ": {"b": true}}') == {"a": [1, 2.5, None], "æ": {"b": True}}
    for bad in [
        "",
        "[]",
        "null",
        "1",
        "{",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1, "a": 2}',
        '{"a": "\\u0000"}',
        '{"\\ud800": 1}',
        "[" * 100_000,
    ]:
        with pytest.raises(CellError):
            cells.json_object(bad)


@given(st.decimals(min_value=0, max_value=10**13, places=6, allow_nan=False, allow_infinity=False))
def test_any_quantity_survives_being_written_and_read(value: Decimal) -> None:
    """Plain notation in, the same number out."""
    assert cells.quantity(f"{value:f}") == value


@given(st.datetimes(min_value=FIRST, max_value=LAST, timezones=st.just(COPENHAGEN)))
def test_any_instant_survives_being_written_and_read(value: datetime) -> None:
    """ISO 8601 with its offset in, the same instant out."""
    instant = value.astimezone(UTC)
    assert cells.instant(instant.isoformat()) == instant


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2199, 12, 31)))
def test_any_date_survives_being_written_and_read(value: date) -> None:
    """ISO in, the same day out."""
    assert cells.day(value.isoformat()) == value


@given(st.text(max_size=300))
def test_any_text_is_taken_or_refused_never_changed(value: str) -> None:
    """No reader of text raises anything else, or returns anything else than the cell."""
    for read in (cells.identifier, cells.text, cells.email):
        with suppress(CellError):
            assert read(value) == value
