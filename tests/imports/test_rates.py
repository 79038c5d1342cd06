"""Files of exchange rates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa

from billing_core.errors import InvalidInputError
from billing_core.services.imports import ImportResult
from billing_core.store import tables
from billing_core.store.database import Database

Import = Callable[..., ImportResult]


def test_rates_are_known_by_day_and_pair(import_text: Import, database: Database) -> None:
    """Twelve decimals are kept, the same row again changes nothing, another rate replaces the one of that day."""
    rows = ("2026-10-01,EUR,dkk,7.460112345678", "2026-10-02,eur,dkk,7.46", "2026-10-01,dkk,eur,0.134")
    assert import_text("fx_rates", *rows) == ImportResult("fx_rates", 3, 3, 0, 0)
    assert import_text("fx_rates", *rows, "2026-10-03,eur,dkk,7.47") == ImportResult("fx_rates", 4, 1, 0, 3)
    assert import_text("fx_rates", "2026-10-02,eur,dkk,7.5") == ImportResult("fx_rates", 1, 0, 1, 0)
    r = tables.fx_rates.c
    with database.connect() as connection:
        found = connection.execute(
            sa.select(r.rate_on, r.base_currency, r.quote_currency, r.rate).order_by(r.base_currency.desc(), r.rate_on)
        )
        assert [tuple(row) for row in found] == [
            (date(2026, 10, 1), "eur", "dkk", Decimal("7.460112345678")),
            (date(2026, 10, 2), "eur", "dkk", Decimal("7.5")),
            (date(2026, 10, 3), "eur", "dkk", Decimal("7.47")),
            (date(2026, 10, 1), "dkk", "eur", Decimal("0.134")),
        ]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("2026-10-01,eur,eur,1", "quote"),
        ("2026-10-01,eur,dkk,0", "rate"),
        ("2026-10-01,eur,dkk,-7.46", "rate"),
        ('2026-10-01,eur,dkk,"7,46"', "rate"),
        ("2026-10-01,eur,dkk,7.4600000000001", "rate"),
        ("2026-10-01,eur,dkk,NaN", "rate"),
        ("2026-10-01,eur,dkk,", "rate"),
        ("01-10-2026,eur,dkk,7.46", "rate_on"),
        ("2026-10-01,euro,dkk,7.46", "base"),
    ],
)
def test_a_bad_rate_is_named_and_nothing_is_imported(
    import_text: Import, database: Database, row: str, column: str
) -> None:
    """File, line and column; the good row beside it is not written either."""
    with pytest.raises(InvalidInputError, match=rf"fx_rates\.csv has 1 bad cell.*line 3, column {column}: "):
        import_text("fx_rates", "2026-09-01,eur,dkk,7.46", row)
    with database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.fx_rates)) == 0


def test_a_day_and_pair_twice_is_refused(import_text: Import) -> None:
    """The second line is named with the first; the pair the other way round is another row."""
    rows = ("2026-10-01,eur,dkk,7.46", "2026-10-01,dkk,eur,0.134", "2026-10-01,EUR,DKK,7.47")
    with pytest.raises(InvalidInputError, match=r"line 4, column rate_on: '2026-10-01' .* on line 2 already"):
        import_text("fx_rates", *rows)
