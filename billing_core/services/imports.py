"""Importing CSV files: the whole file is right and in the database, or nothing of it is.

Rows are keyed by their ids: the same row again changes nothing, a changed row updates what it was. Usage is the
exception: events are never edited, so a key with another body is refused (`services.usage`). Ids are used as they
are; one that Stripe's mirror holds is refused. Formats are in `rules.imports`; a byte order mark is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from billing_core.errors import InvalidInputError
from billing_core.rules import import_rows
from billing_core.rules.imports import KEY_COLUMNS, BadCell, Row, check_kind, read_rows
from billing_core.services.usage import merge_staged
from billing_core.store import tables
from billing_core.store import usage as usage_store
from billing_core.store.database import Database
from billing_core.store.writes import Changes, UpsertCount, delete, upsert, upsert_changes

LISTED = 20
# Where ids of a file could meet ids of the mirror.
MIRRORED_TOO = {
    "subscriptions": (tables.subscriptions, tables.subscription_item_versions),
    "invoices": (tables.invoices, tables.payments),
}


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, in rows of the file; the last three sum to `rows`."""

    kind: str
    rows: int
    inserted: int
    updated: int
    unchanged: int


@dataclass(slots=True)
class _Findings:
    """The bad cells of a file: the first ones by name, all of them by number."""

    name: str
    listed: list[BadCell] = field(default_factory=list)
    count: int = 0

    def add(self, cell: BadCell) -> None:
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append(cell)

    def refuse(self) -> None:
        """Raise what was found, if anything was."""
        if not self.count:
            return
        more = f"; and {self.count - len(self.listed)} more" if self.count > len(self.listed) else ""
        cells = "; ".join(map(str, self.listed))
        total = "1 bad cell" if self.count == 1 else f"{self.count} bad cells"
        raise InvalidInputError(
            f"{self.name} has {total}, nothing was imported: {cells}{more}.",
            bad_cells_count=self.count,
        )


def import_csv(
    database: Database, kind: str, source: Path, *, actor: str, zone: ZoneInfo, now: datetime, dry_run: bool = False
) -> ImportResult:
    """Import a file of one of the six kinds in one transaction, and note it in the audit log.

    Args:
        database: migrated.
        kind: tenants, occupancies, usage, subscriptions, invoices or fx_rates.
        source: the file.
        actor: who imports, by e-mail.
        zone: the reporting zone: dates of instants, and the start of a day where a date is given for an instant.
        now: aware; decides whether a subscription's end has come.
        dry_run: do everything, count, and leave the database as it was.

    Raises:
        InvalidInputError: no such kind, an unreadable file, or bad cells: file, line, column, value and what is
        expected for the first 20,
            and the number of all. Nothing was written.
        ConflictError: a usage key that was recorded with another body. Nothing was written.
        StoreError: Postgres was lost.
    """
    check_kind(kind)
    with database.begin() as connection, _lines(source) as lines:
        rows = read_rows(kind, source.name, lines, zone)
        known = set(connection.scalars(sa.text("select tenant_id from billing.source_tenants")))
        findings = _Findings(source.name)
        checked = _with_known_tenants(kind, rows, known, findings)
        if kind == "usage":
            count = _import_usage(connection, checked, findings, zone)
        else:
            count = _import_rows(connection, kind, checked, findings, zone, now)
        total = count.inserted + count.updated + count.unchanged
        result = ImportResult(kind, total, count.inserted, count.updated, count.unchanged)
        if dry_run:
            connection.rollback()
        else:
            noted = {**asdict(result), "file": source.name}
            connection.execute(
                tables.audit_log.insert(),
                {"actor": actor, "action": "import", "subject_kind": kind, "subject_id": source.name, "after": noted},
            )
    return result


@contextmanager
def _lines(source: Path) -> Iterator[Iterator[str]]:
    """Open a file as lines of text; bytes that are not UTF-8 become surrogates, which the readers of cells refuse."""
    try:
        with source.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
            yield handle
    except OSError as error:
        raise InvalidInputError(f"{source} cannot be read: {error.strerror or error}. Name a CSV file.") from error


def _with_known_tenants(
    kind: str, rows: Iterator[Row | BadCell], known: set[str], findings: _Findings
) -> Iterator[Row]:
    """Pass on the good rows; keep note of bad cells and of tenants that nobody knows."""
    for row in rows:
        if isinstance(row, BadCell):
            findings.add(row)
        elif kind != "tenants" and "tenant_id" in row.values and row.values["tenant_id"] not in known:
            findings.add(
                BadCell(row.line, "tenant_id", row.values["tenant_id"], "a known tenant: import the tenants first")
            )
        else:
            yield row


def _import_usage(connection: sa.Connection, rows: Iterator[Row], findings: _Findings, zone: ZoneInfo) -> UpsertCount:
    with usage_store.staging(connection, zone) as stage:
        for row in rows:
            if not findings.count:
                stage.add(row.line, import_rows.usage_event(row.values))
    findings.refuse()
    recorded = merge_staged(connection, zone=zone, where=f"{findings.name} line")
    return UpsertCount(recorded.recorded_count, 0, recorded.duplicates_count)


def _import_rows(
    connection: sa.Connection, kind: str, rows: Iterator[Row], findings: _Findings, zone: ZoneInfo, now: datetime
) -> UpsertCount:
    key = KEY_COLUMNS[kind]
    line_of: dict[tuple[Any, ...], int] = {}
    accepted: list[dict[str, Any]] = []
    for row in rows:
        row_key = tuple(row.values[column] for column in key)
        if row_key in line_of:
            new = "a new id" if len(key) == 1 else f"a new row for its {', '.join(key)}"
            findings.add(BadCell(row.line, key[0], str(row_key[0]), f"{new}: it is on line {line_of[row_key]} already"))
            continue
        line_of[row_key] = row.line
        accepted.append(row.values)
    for table in MIRRORED_TOO.get(kind, ()):
        _refuse_mirrored(connection, table, key[0], {row_key[0]: line for row_key, line in line_of.items()}, findings)
    findings.refuse()
    writers: dict[str, Callable[[], UpsertCount]] = {
        "tenants": lambda: upsert(connection, tables.tenants, [import_rows.tenant(row, zone) for row in accepted]),
        "occupancies": lambda: upsert(connection, tables.occupancies, accepted),
        "subscriptions": lambda: _write_subscriptions(connection, accepted, zone, now),
        "invoices": lambda: _write_invoices(connection, accepted, zone),
        "fx_rates": lambda: upsert(connection, tables.fx_rates, [import_rows.fx_rate(row) for row in accepted]),
    }
    return writers[kind]()


def _refuse_mirrored(
    connection: sa.Connection, table: sa.Table, key: str, line_of: dict[str, int], findings: _Findings
) -> None:
    """Note the ids that rows of another source hold already: those are what Stripe says, and no file changes it."""
    (column,) = table.primary_key.columns
    taken = connection.execute(
        sa.select(column, table.c.source).where(
            column == sa.any_(sa.cast(list(line_of), pg.ARRAY(sa.Text))), table.c.source != import_rows.SOURCE
        )
    )
    for row_key, source in sorted(taken, key=lambda row: line_of[row[0]]):
        findings.add(BadCell(line_of[row_key], key, row_key, f"a new id: {source} has one like it in {table.name}"))


def _write_subscriptions(
    connection: sa.Connection, rows: list[dict[str, Any]], zone: ZoneInfo, now: datetime
) -> UpsertCount:
    main = upsert_changes(connection, tables.subscriptions, [import_rows.subscription(row, now) for row in rows])
    items = upsert_changes(connection, tables.subscription_items, [import_rows.subscription_item(row) for row in rows])
    versions = upsert_changes(
        connection,
        tables.subscription_item_versions,
        [import_rows.subscription_item_version(row, zone) for row in rows],
    )
    return _count_of_rows(len(rows), main, items.inserted | items.updated | versions.inserted | versions.updated)


def _write_invoices(connection: sa.Connection, rows: list[dict[str, Any]], zone: ZoneInfo) -> UpsertCount:
    main = upsert_changes(connection, tables.invoices, [import_rows.invoice(row, zone) for row in rows])
    paid = [payment for row in rows if (payment := import_rows.payment(row, zone)) is not None]
    payments = upsert_changes(connection, tables.payments, paid)
    unpaid = {row["invoice_id"] for row in rows} - {payment["payment_id"] for payment in paid}
    withdrawn = connection.scalars(
        sa.select(tables.payments.c.payment_id).where(
            tables.payments.c.payment_id == sa.any_(sa.cast(list(unpaid), pg.ARRAY(sa.Text)))
        )
    ).all()
    delete(connection, tables.payments, [{"payment_id": payment_id} for payment_id in withdrawn])
    changed = payments.inserted | payments.updated | {(payment_id,) for payment_id in withdrawn}
    return _count_of_rows(len(rows), main, changed)


def _count_of_rows(total: int, main: Changes, changed_beside: Set[tuple[Any, ...]]) -> UpsertCount:
    """Count rows of the file when each of them is rows of several tables with the same id."""
    updated = (main.updated | changed_beside) - main.inserted
    return UpsertCount(len(main.inserted), len(updated), total - len(main.inserted) - len(updated))
