"""Numbers, money, dates and times as one reader wants to read them: locale by Babel, instants in the reporting time
zone.

Everything here returns text for people and is never parsed back. Amounts come in as minor units and are shown in
major units with the currency's own decimals; what has no value is an en dash. Rounding for display is half away from
zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import cast
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_compact_decimal, format_decimal, get_decimal_symbol, get_group_symbol

from billing_core.language import _
from billing_core.money import exponent, to_major

NOTHING = "–"
FALLBACK = "en_GB"


def _parse(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None


def parse_locale(tag: str | None) -> Locale:
    """Return the Babel locale of a browser's language tag (`da-DK`); an unknown or missing one reads as British
    English."""
    found = _parse(tag) or _parse(tag.split("-")[0]) if tag else None
    return found or Locale.parse(FALLBACK)


@dataclass(frozen=True, slots=True)
class Reader:
    """How one reader reads.

    Args:
        locale: decides separators, the order of dates, the clock.
        zone: the reporting time zone; every instant is shown in it.
        words: the language of the texts around the figures, which names of months in a sentence have to agree with.
    """

    locale: Locale
    zone: ZoneInfo
    words: Locale = field(default_factory=lambda: Locale.parse(FALLBACK))

    @property
    def separators(self) -> str:
        """The decimal and the group separator, in Plotly's order."""
        return f"{get_decimal_symbol(self.locale)}{get_group_symbol(self.locale)}"

    def number(self, value: int | Decimal | None, decimals: int | None = None) -> str:
        """Return a count or a quantity; `decimals` fixes how many are shown, otherwise at most two and none that say
        nothing."""
        if value is None:
            return NOTHING
        if decimals is None:
            return str(format_decimal(_rounded(value, 2), format="#,##0.##", locale=self.locale))
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        return str(format_decimal(_rounded(value, decimals), format=pattern, locale=self.locale))

    def amount(self, amount_minor: int | None, currency: str, *, whole: bool = False) -> str:
        """Return an amount without its currency: `1,234.50`, or `1,235` when only whole units matter."""
        if amount_minor is None:
            return NOTHING
        return self.number(to_major(amount_minor, currency), 0 if whole else exponent(currency))

    def money(self, amount_minor: int | None, currency: str, *, whole: bool = False) -> str:
        """Return an amount with its currency: `1,234.50 DKK`."""
        if amount_minor is None:
            return NOTHING
        return f"{self.amount(amount_minor, currency, whole=whole)} {currency.upper()}"

    def unit_price(self, amount_minor: Decimal, currency: str) -> str:
        """Return a price per unit, which may have more decimals than the currency, with it: `0.125 DKK`.

        Args:
            amount_minor: minor units with up to twelve decimals.
            currency: ISO code.
        """
        major = amount_minor.scaleb(-exponent(currency)).normalize()
        digits = max(exponent(currency), -int(major.as_tuple().exponent))
        return f"{self.number(major, digits)} {currency.upper()}"

    def compact(self, amount_minor: int | None, currency: str) -> str:
        """Return an amount for a headline: `1.24M DKK`; below a million it is shown in whole units."""
        if amount_minor is None:
            return NOTHING
        major = to_major(amount_minor, currency)
        if abs(major) < 1_000_000:
            return self.money(amount_minor, currency, whole=True)
        # Babel takes a Decimal and says float.
        short = format_compact_decimal(cast(float, major), fraction_digits=2, locale=self.locale)
        return f"{short} {currency.upper()}"

    def percent(self, ratio: Fraction | Decimal | None, decimals: int = 0) -> str:
        """Return a ratio (0.125 is 12.5 %) in percent; an en dash when there is none."""
        if ratio is None:
            return NOTHING
        exact = Fraction(ratio) * 100 * 10**decimals
        scaled = Decimal(exact.numerator) / Decimal(exact.denominator)
        shown = scaled.quantize(Decimal(1), rounding=ROUND_HALF_UP).scaleb(-decimals)
        return f"{self.number(shown, decimals)} %"

    def change(self, ratio: Fraction | None) -> str:
        """Return a change with its sign, in percent with one decimal: `+3.1 %`."""
        if ratio is None:
            return NOTHING
        return f"{'+' if ratio > 0 else ''}{self.percent(ratio, 1)}"

    def day(self, day: date | None) -> str:
        """Return a date, medium: `22 Nov 2026`."""
        return NOTHING if day is None else str(format_date(day, "medium", locale=self.locale))

    def month(self, day: date | None) -> str:
        """Return the month of a date in full: `November 2026`."""
        return NOTHING if day is None else str(format_date(day, "LLLL yyyy", locale=self.words))

    def month_name(self, day: date) -> str:
        """Return the name of a date's month without the year: `November`."""
        return str(format_date(day, "LLLL", locale=self.words))

    def short_month(self, day: date) -> str:
        """Return a month for an axis: `Nov 26`."""
        return str(format_date(day, "LLL yy", locale=self.words))

    def clock(self, instant: datetime) -> str:
        """Return the time of day of an instant in the reporting zone: `09:41`."""
        return str(format_time(instant, "short", tzinfo=self.zone, locale=self.locale))

    def as_of(self, instant: datetime, now: datetime) -> str:
        """Return an instant as short as it can be understood at `now`: the time today, otherwise date and time."""
        day = instant.astimezone(self.zone).date()
        if day == now.astimezone(self.zone).date():
            return self.clock(instant)
        return f"{self.day(day)} {self.clock(instant)}"

    def ago(self, day: date, today: date) -> str:
        """Return a date as distance from today in days: `today`, `yesterday`, `12 days ago`, `in 3 days`."""
        gap: timedelta = today - day
        match gap.days:
            case 0:
                return _("today")
            case 1:
                return _("yesterday")
            case -1:
                return _("tomorrow")
            case days if days > 0:
                return _("{count} days ago", count=self.number(days))
            case days:
                return _("in {count} days", count=self.number(-days))


def change_ratio(before: int | Decimal | None, after: int | Decimal | None) -> Fraction | None:
    """Return (after − before) ÷ |before|, exact; None when either is missing or there was nothing before."""
    if before is None or after is None or before == 0:
        return None
    return (Fraction(after) - Fraction(before)) / abs(Fraction(before))


def _rounded(value: int | Decimal, decimals: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
