"""Numbers, money and dates as readers of different countries read them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from billing_core.money import exponent
from billing_core.services.formatting import Reader, change_ratio, parse_locale

ZONE = ZoneInfo("Europe/Copenhagen")


def reader(tag: str | None) -> Reader:
    """A reader with a browser's language tag, in Copenhagen."""
    return Reader(parse_locale(tag), ZONE)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("en-GB", "1,234,567.89 DKK"),
        ("da-DK", "1.234.567,89 DKK"),
        (None, "1,234,567.89 DKK"),
        ("xx-YY", "1,234,567.89 DKK"),
    ],
)
def test_money_follows_the_readers_locale_and_falls_back_to_british_english(tag: str | None, expected: str) -> None:
    """The same amount, 123,456,789 minor units, in four browsers."""
    assert reader(tag).money(123456789, "dkk") == expected


@pytest.mark.parametrize(
    ("amount_minor", "currency", "expected"),
    [
        (5, "jpy", "5 JPY"),
        (12345, "kwd", "12.345 KWD"),
        (-5, "dkk", "-0.05 DKK"),
        (0, "eur", "0.00 EUR"),
        (None, "eur", "–"),
    ],
)
def test_money_has_the_decimals_of_its_currency_and_a_dash_for_nothing(
    amount_minor: int | None, currency: str, expected: str
) -> None:
    """Zero-decimal, three-decimal, negative, zero and missing amounts."""
    assert reader("en-GB").money(amount_minor, currency) == expected


def test_headlines_are_short_from_a_million_on() -> None:
    """Below a million whole units are shown, above it two decimals of a million."""
    assert reader("en-GB").compact(99_999_949, "dkk") == "999,999 DKK"
    assert reader("en-GB").compact(123_456_789, "dkk") == "1.23M DKK"


def test_changes_carry_their_sign_and_are_rounded_half_away_from_zero() -> None:
    """0.0305 is +3.1 %, its negative −3.1 %, and no base gives a dash."""
    read = reader("en-GB")
    assert read.change(Fraction(305, 10_000)) == "+3.1 %"
    assert read.change(Fraction(-305, 10_000)) == "-3.1 %"
    assert read.change(Fraction(0)) == "0.0 %"
    assert read.change(change_ratio(0, 5)) == "–"
    assert reader("da-DK").change(Fraction(1, 8)) == "+12,5 %"


def test_a_change_is_measured_against_the_size_of_what_was_there() -> None:
    """From −100 to −50 is an improvement of a half, not a fall."""
    assert change_ratio(-100, -50) == Fraction(1, 2)
    assert change_ratio(100, 150) == Fraction(1, 2)
    assert change_ratio(None, 150) is None


def test_instants_are_shown_in_the_reporting_zone_and_with_their_date_when_it_is_not_today() -> None:
    """22:30 UTC is half past midnight in Copenhagen, the next day."""
    read = reader("en-GB")
    seen = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert read.as_of(seen, datetime(2026, 7, 2, 8, tzinfo=UTC)) == "00:30"
    assert read.as_of(seen, datetime(2026, 7, 3, 8, tzinfo=UTC)) == "2 Jul 2026 00:30"


def test_month_names_are_in_the_language_of_the_texts_around_them() -> None:
    """A Danish browser sees Danish numbers and dates, but no Danish month in an English sentence."""
    read = reader("da-DK")
    assert read.month(date(2026, 10, 1)) == "October 2026"
    assert read.short_month(date(2026, 10, 1)) == "Oct 26"
    assert read.day(date(2026, 10, 1)) == "1. okt. 2026"


@given(amount=some.integers(-(10**15), 10**15), currency=some.sampled_from(["dkk", "jpy", "kwd"]))
def test_what_is_shown_is_exactly_the_amount(amount: int, currency: str) -> None:
    """Taking the separators out of the text gives the minor units back."""
    shown = reader("en-GB").amount(amount, currency).replace(",", "")
    assert Decimal(shown).scaleb(exponent(currency)) == amount
