"""Reading the cells of a file: text in, exact value out, or a sentence that says what is expected.

Strict on purpose: what a spreadsheet would guess (1e3, 1_000, ١٢, TRUE for 1, 01-02-2026) is refused, because a wrong
guess is money. Every reader raises `CellError` with the end of the sentence "expected …".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing_core import money
from billing_core.errors import InvalidInputError
from billing_core.periods import start_of_day

BIGINT_LIMIT = 2**63
INTEGER_LIMIT = 2**31
# What numeric(20,6) and numeric(24,12) hold before the point.
QUANTITY_LIMIT = 10**14
UNIT_AMOUNT_LIMIT = 10**12
ID_LENGTH = 255
TEXT_LENGTH = 2000
YEARS = (1900, 2199)

WHOLE = re.compile(r"-?[0-9]{1,19}")
DECIMAL = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,6})?")
RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")
OFFSET = re.compile(r"(Z|[+-][0-9]{2}:?[0-9]{2})\Z")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
COUNTRY = re.compile(r"[A-Za-z]{2}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SURROGATE = re.compile(r"[\ud800-\udfff]")

Reader = Callable[[str], Any]


class CellError(ValueError):
    """A cell that cannot be read; the message says what is expected."""


def optional(read: Reader) -> Reader:
    """Return a reader that takes an empty cell as None."""
    return lambda cell: None if cell == "" else read(cell)


def clean(cell: str, *, may_break_lines: bool = False) -> str:
    """Return a cell that is text a database can hold and a person can read.

    Raises:
        CellError: bytes that are not UTF-8, NUL, other control characters.
    """
    if cell.isascii() and cell.isprintable():
        return cell
    if SURROGATE.search(cell):
        raise CellError("text in UTF-8")
    if CONTROL.search(cell.translate({10: None, 13: None, 9: None}) if may_break_lines else cell):
        raise CellError("text without NUL, line breaks or other control characters")
    return cell


def identifier(cell: str) -> str:
    """Read an id: 1 to 255 characters, used exactly as it is."""
    value = clean(cell)
    if not value or value != value.strip() or len(value) > ID_LENGTH:
        raise CellError(f"an id of 1 to {ID_LENGTH} characters without blanks around it")
    return value


def text(cell: str) -> str:
    """Read a text that is not empty, of at most 2,000 characters."""
    value = clean(cell)
    if not value.strip() or len(value) > TEXT_LENGTH:
        raise CellError(f"a text of 1 to {TEXT_LENGTH} characters")
    return value


def email(cell: str) -> str:
    """Read an e-mail address; the mail server decides the rest."""
    value = clean(cell)
    if not EMAIL.fullmatch(value) or len(value) > ID_LENGTH:
        raise CellError("an e-mail address such as name@example.com")
    return value


def country(cell: str) -> str:
    """Read a two-letter country code; returned in capitals."""
    if not COUNTRY.fullmatch(cell):
        raise CellError("a two-letter country code such as DK")
    return cell.upper()


def currency(cell: str) -> str:
    """Read a currency; returned in lower case, as Stripe writes it."""
    try:
        money.exponent(clean(cell))
    except InvalidInputError:
        raise CellError("a three-letter currency such as dkk") from None
    return cell.lower()


def choice(*allowed: str) -> Reader:
    """Return a reader of one of some words."""

    def read(cell: str) -> str:
        if cell not in allowed:
            raise CellError(f"one of {', '.join(allowed)}")
        return cell

    return read


def boolean(cell: str) -> bool:
    """Read true or false."""
    if cell not in ("true", "false"):
        raise CellError("true or false")
    return cell == "true"


def whole(lowest: int | None = None, *, limit: int = BIGINT_LIMIT) -> Reader:
    """Return a reader of whole numbers in plain digits, at least `lowest`, below `limit` in size."""
    least = "" if lowest is None else f", {lowest} or more"

    def read(cell: str) -> int:
        if not WHOLE.fullmatch(cell) or abs(int(cell)) >= limit or (lowest is not None and int(cell) < lowest):
            raise CellError(f"a whole number in plain digits{least}, below {limit}")
        return int(cell)

    return read


def quantity(cell: str) -> Decimal:
    """Read a quantity: zero or more, at most 14 digits before and 6 after the point."""
    if not DECIMAL.fullmatch(cell) or Decimal(cell) < 0:
        raise CellError("a number in plain digits, 0 or more, with a point and at most 6 decimals")
    return abs(Decimal(cell))


def rate(cell: str) -> Decimal:
    """Read an exchange rate: above zero, at most 12 digits before and 12 after the point."""
    if not RATE.fullmatch(cell) or Decimal(cell) <= 0:
        raise CellError("a rate in plain digits, above 0, with a point and at most 12 decimals")
    return Decimal(cell)


def day(cell: str) -> date:
    """Read a date, 2026-10-31."""
    expected = CellError(f"a date such as 2026-10-31, between {YEARS[0]} and {YEARS[1]}")
    if not DATE.fullmatch(cell):
        raise expected
    try:
        value = date.fromisoformat(cell)
    except ValueError:
        raise expected from None
    if not YEARS[0] <= value.year <= YEARS[1]:
        raise expected
    return value


def instant(cell: str) -> datetime:
    """Read an instant with its zone, 2026-10-31T12:00:00Z or +01:00; returned in UTC."""
    expected = CellError("an instant with its zone, such as 2026-10-31T12:00:00Z or 2026-10-31T13:00:00+01:00")
    if not OFFSET.search(cell) or not TIME.fullmatch(OFFSET.sub("", cell)):
        raise expected
    try:
        value = datetime.fromisoformat(cell)
    except ValueError:
        raise expected from None
    if not YEARS[0] <= value.year <= YEARS[1]:
        raise expected
    return value.astimezone(UTC)


def moment(zone: ZoneInfo) -> Reader:
    """Return a reader of an instant with its zone, or of a date, which is the start of that day in `zone`; in UTC."""

    def read(cell: str) -> datetime:
        try:
            return start_of_day(day(cell), zone) if DATE.fullmatch(cell) else instant(cell)
        except CellError:
            raise CellError(
                "a date such as 2026-10-31, or an instant with its zone such as 2026-10-31T12:00:00Z"
            ) from None

    return read


def json_object(cell: str) -> dict[str, Any]:
    """Read a JSON object, with finite numbers and no name twice."""
    expected = CellError('a JSON object such as {"source": "meter 7"}')
    clean(cell, may_break_lines=True)
    try:
        value = json.loads(cell, parse_float=_finite, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise expected from None
    if not isinstance(value, dict) or _has_bad_text(value):
        raise expected
    return value


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name twice")
    return value


def _has_bad_text(value: Any) -> bool:
    """True when an escape such as \\u0000 or \\ud800 smuggles in what no database text can hold."""
    if isinstance(value, str):
        return "\x00" in value or bool(SURROGATE.search(value))
    if isinstance(value, dict):
        return any(_has_bad_text(key) or _has_bad_text(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_bad_text(item) for item in value)
