"""Reading Stripe's JSON: the few conversions that every object needs.

Instants come as Unix seconds and leave as aware UTC datetimes. Money stays an integer in minor units. Decimals come
as strings (`*_decimal`) or JSON numbers (percentages) and leave as Decimal. A link to another object is its id,
whether the answer was expanded or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing_core.errors import GatewayError
from billing_core.periods import utc

Raw = Mapping[str, Any]


class UnknownShapeError(GatewayError):
    """Stripe sent an object that this version cannot read; the object is named, and nothing of it was kept."""


def part(raw: Raw | None, *path: str) -> Any:
    """Return a value deep inside an object, or None when any step is absent or null."""
    value: Any = raw
    for step in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def link(raw: Raw | None, *path: str) -> str | None:
    """Return the id of a linked object, expanded or not."""
    value = part(raw, *path)
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else None


def instant(raw: Raw | None, *path: str) -> datetime | None:
    """Return a Unix time inside an object as an aware UTC instant."""
    value = part(raw, *path)
    return None if value is None else utc(int(value))


def decimal(raw: Raw | None, *path: str) -> Decimal | None:
    """Return a decimal inside an object, exact.

    Raises:
        UnknownShapeError: the value is not a finite number.
    """
    value = part(raw, *path)
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise UnknownShapeError(f"Stripe sent {'.'.join(path)} = {value!r}, which is not a number.") from error
    if not number.is_finite():
        raise UnknownShapeError(f"Stripe sent {'.'.join(path)} = {value!r}, which is not a number.")
    return number


def amount(raw: Raw | None, *path: str) -> int:
    """Return an amount in minor units; absent or null is 0."""
    value = part(raw, *path)
    return 0 if value is None else int(value)


def total_of(entries: Iterable[Raw] | None, key: str = "amount") -> int:
    """Return the sum of an amount over a list such as `taxes` or `discount_amounts`; null is 0."""
    return sum(int(entry[key]) for entry in entries or ())


def entries(raw: Raw | None, *path: str) -> tuple[Raw, ...]:
    """Return the `data` of an embedded list."""
    return tuple(part(raw, *path, "data") or ())
