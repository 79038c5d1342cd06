"""Shared SQL of the reports: macros and prepared tables, written into every published file.

`queries/macros.sql` holds definitions that several datasets use (one definition per number); `queries/prepared/*.sql`
hold shapes that are costly to build and cheap to keep, each a single SELECT whose file name is the table's name. A
prepared table is rebuilt when one of the tables it names under `sources` has changed. `queries/macros_on_prepared.sql`
holds definitions on top of those (DuckDB looks a macro's tables up when it is created), and
`queries/macros_on_usage.sql` those of usage on top of both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

QUERIES = Path(__file__).resolve().parents[2] / "queries"
ON_PREPARED = ("macros_on_prepared", "macros_on_usage")
_SOURCES = re.compile(r"^-- sources:\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One prepared table: its name, the tables it is made of, and its SELECT."""

    name: str
    sources: frozenset[str]
    sql: str


def macros(name: str = "macros") -> str:
    """Return the text of shared macros: `macros`, or one of those in `ON_PREPARED`."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def prepared() -> list[Prepared]:
    """Return the prepared tables in name order; one may be made of another only when its name sorts later."""
    found = []
    for path in sorted((QUERIES / "prepared").glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        named = _SOURCES.search(sql)
        if named is None:
            raise ValueError(f"{path.name} has no '-- sources:' line")
        found.append(Prepared(path.stem, frozenset(n.strip() for n in named[1].split(",")), sql))
    return found


def text() -> str:
    """Return everything that shapes a published file, for its digest."""
    return "\n".join([macros(), *(macros(n) for n in ON_PREPARED), *(p.name + "\n" + p.sql for p in prepared())])


def install(connection: duckdb.DuckDBPyConnection, changed: frozenset[str] | None) -> None:
    """Write the shared SQL into an open file.

    Args:
        connection: a writable connection whose file holds the mirrored tables and `warehouse_info`.
        changed: names of tables that changed; None when the file is new, which also creates the macros.
    """
    if changed is None:
        connection.execute(macros())
    touched = set(changed or ())
    for table in prepared():
        if changed is None or table.sources & touched:
            connection.execute(f"create or replace table {table.name} as\n{table.sql}")
            touched.add(table.name)
    if changed is None:
        for name in ON_PREPARED:
            connection.execute(macros(name))
