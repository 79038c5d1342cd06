"""The header comment of a query: what a reader is told about it, and what the tests hold it to.

Form, at the top of `queries/<name>.sql`:

    -- title: Units per day
    -- purpose: How the figure is computed, in words for a reader.
    --   Continued lines are indented.
    -- grain: tenant_id, day
    -- params: from_date, to_date, as_of, today, tenant_id, currency, basis=committed
    -- sources: unit_spans, tenants
    -- permission: reports.read
    -- columns:
    --   tenant_id | varchar | id | The tenant.

A report whose amounts may be shown in a reporting currency says before its columns which column dates a row, and which
columns beside the amounts are summed when rows of several currencies become one:

    -- converted_on: month
    -- added: invoices_count

Types are DuckDB's. A unit is `id`, `text`, `minor units`, `units`, `count`, `ratio`, `days`, `date`, `month`,
`instant`, `yes/no`, `quantity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from billing_core.errors import QueryError
from billing_core.warehouse.shared import QUERIES

UNITS = frozenset(
    ["id", "text", "minor units", "units", "count", "ratio", "days", "date", "month", "instant", "yes/no", "quantity"]
)
_FIELDS = ("title", "purpose", "grain", "params", "sources", "permission", "columns")
_OPTIONAL = ("converted_on", "added")
AS_OF = "as_of"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, DuckDB type, unit and what it means."""

    name: str
    type: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Header:
    """What a query says of itself.

    Attributes:
        name: file name without `.sql`, the name of the report.
        title: a few words.
        purpose: how the figures are computed, for a reader.
        grain: the columns that no two rows share.
        params: the values it takes, by name.
        defaults: what a value is that is not given, for params written `name=value`; text.
        sources: the tables it reads.
        permission: what an actor needs to see it.
        columns: in order.
        sql: the whole text.
        converted_on: the column by whose date amounts are converted to a reporting currency, or `as_of` for a balance
            of that day; empty when the report stays in its currencies.
        added: columns beside the amounts that are summed when rows of several currencies become one.
    """

    name: str
    title: str
    purpose: str
    grain: tuple[str, ...]
    params: tuple[str, ...]
    defaults: Mapping[str, str]
    sources: tuple[str, ...]
    permission: str
    columns: tuple[Column, ...]
    sql: str
    converted_on: str = ""
    added: tuple[str, ...] = ()


def names() -> list[str]:
    """Return the names of all reports, sorted."""
    return sorted(p.stem for p in QUERIES.glob("*.sql") if not p.stem.startswith("macros"))


def header(name: str) -> Header:
    """Return the header of a report.

    Raises:
        QueryError: no report has that name; the message lists those that exist.
    """
    choices = names()
    if name not in choices:
        raise QueryError(f"There is no report '{name}'. Choose one of: {', '.join(choices)}.")
    return _read(QUERIES / f"{name}.sql")


@lru_cache(maxsize=512)
def _read(path: Path) -> Header:
    return parse(path.stem, path.read_text(encoding="utf-8"))


def parse(name: str, sql: str) -> Header:
    """Read a header.

    Raises:
        ValueError: a field is missing, unknown or malformed; names the query.
    """
    fields: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        content = line[2:]
        key, colon, rest = content.strip().partition(":")
        if colon and content.startswith(" ") and not content.startswith("  ") and key in (*_FIELDS, *_OPTIONAL):
            current = fields.setdefault(key, [])
            current.append(rest.strip())
        elif current is not None:
            current.append(content.strip())
        else:
            raise ValueError(f"{name}.sql: '{line}' stands before any field")
    if missing := [f for f in _FIELDS if f not in fields]:
        raise ValueError(f"{name}.sql has no '{missing[0]}' in its header")
    params = [param.partition("=") for param in _listed(fields["params"])]
    header = Header(
        name=name,
        title=_joined(fields["title"]),
        purpose=_joined(fields["purpose"]),
        grain=_listed(fields["grain"]),
        params=tuple(param for param, _, _ in params),
        defaults={param: default for param, equals, default in params if equals},
        sources=_listed(fields["sources"]),
        permission=_joined(fields["permission"]),
        columns=tuple(_column(name, line) for line in fields["columns"] if line),
        sql=sql,
        converted_on=_joined(fields.get("converted_on", [])),
        added=_listed(fields.get("added", [])),
    )
    _check_conversion(header)
    return header


def _check_conversion(header: Header) -> None:
    kinds = {column.name: column.unit for column in header.columns}
    dated = header.converted_on
    if dated and (
        kinds.get(dated, "date" if dated == AS_OF else "") not in ("date", "month") or "currency" not in kinds
    ):
        raise ValueError(f"{header.name}.sql: converted_on must name a date or month beside a currency, or as_of")
    if header.added and (
        not dated or any(kinds.get(name) not in ("count", "units", "quantity") for name in header.added)
    ):
        raise ValueError(f"{header.name}.sql: added must name counts or quantities of a report with converted_on")


def _joined(lines: list[str]) -> str:
    return " ".join(line for line in lines if line)


def _listed(lines: list[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in _joined(lines).split(",") if part.strip())


def _column(name: str, line: str) -> Column:
    parts = [p.strip() for p in line.split("|")]
    if len(parts) != 4 or not all(parts) or parts[2] not in UNITS:
        raise ValueError(f"{name}.sql: '{line}' is not 'name | type | unit | meaning'")
    return Column(*parts)
