"""A report as text or bytes: CSV, JSON, Parquet and a plain table.

Numbers are written exactly: integers plain, decimals without trailing zeros or exponent, dates ISO 8601, instants in
UTC with a Z. Nothing is an empty cell (CSV, table) or null (JSON). A text cell of a CSV that a spreadsheet would take
for a formula gets a leading apostrophe.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

if TYPE_CHECKING:
    from billing_core.services.reports import Report

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def neutralised(text: str) -> str:
    """Return text that a spreadsheet does not run as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def to_csv(report: Report) -> str:
    """Return a header line and one line per row, ended by LF, UTF-8 when encoded."""
    lines = [",".join(report.table.schema.names)]
    for row in _rows(report.table):
        lines.append(",".join(_quoted(neutralised(v)) if isinstance(v, str) else _text(v) for v in row))
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # Python's writer leaves a lone CR unquoted when lines end with LF, and a reader would then end the row there.
    if any(c in text for c in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def to_json(report: Report) -> str:
    """Return an array with one object per row; decimals are JSON numbers with all their digits."""
    names = [json.dumps(n) for n in report.table.schema.names]
    lines = (
        "{" + ", ".join(f"{n}: {_json(v)}" for n, v in zip(names, row, strict=True)) + "}"
        for row in _rows(report.table)
    )
    return "[" + ",\n ".join(lines) + "]\n"


def to_parquet(report: Report) -> bytes:
    """Return a Parquet file whose metadata says which report it is, as of when and in which zone."""
    told = {"report": report.name, "title": report.title, "as_of": report.as_of.isoformat(), "zone": report.zone}
    out = io.BytesIO()
    parquet.write_table(report.table.replace_schema_metadata(told), out)
    return out.getvalue()


def to_table(report: Report) -> str:
    """Return aligned columns for a terminal, numbers to the right, with the as-of time below."""
    names = report.table.schema.names
    is_number = [pa.types.is_integer(f.type) or pa.types.is_decimal(f.type) for f in report.table.schema]
    rows = [[_printable(_text(v)) for v in row] for row in _rows(report.table)]
    widths = [max([len(n), *(len(r[i]) for r in rows)]) for i, n in enumerate(names)]

    def line(cells: list[str]) -> str:
        fitted = (c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, is_number, strict=True))
        return "  ".join(fitted).rstrip()

    as_of = report.as_of.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    count = f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
    body = [line(names), line(["-" * w for w in widths]), *map(line, rows)]
    return "\n".join([*body, "", f"{report.title} · {count} · as of {as_of} UTC, days in {report.zone}"]) + "\n"


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in table.to_batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _decimal(value: Decimal) -> str:
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _json(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool | int | Decimal):
        return _text(value)
    return json.dumps(value if isinstance(value, str) else _text(value), ensure_ascii=False)


def _printable(text: str) -> str:
    # A name with a line break or a control sequence must not draw on the terminal.
    return "".join(c if c.isprintable() else "�" for c in text)
