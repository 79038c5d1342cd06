"""A file is taken whole or refused with a sentence that says where and why; a refused one leaves no trace."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from billing_core.errors import InvalidInputError
from billing_core.services.imports import ImportResult, import_csv
from billing_core.store.database import Database

Import = Callable[..., ImportResult]
TENANT_HEADER = "tenant_id,name,email,country,currency,created_at,deleted_at"


def rows_of(database: Database, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """Return a table's rows, ordered."""
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(f"select {columns} from billing.{table} order by 1"))]


def refused(import_text: Import, *arguments: Any, **options: Any) -> str:
    """Import something that must be refused as invalid; return the message."""
    with pytest.raises(InvalidInputError) as caught:
        import_text(*arguments, **options)
    return str(caught.value)


def test_new_changed_and_equal_rows_are_counted(import_text: Import, database: Database) -> None:
    """The same file again changes nothing; a changed row updates; a row that is no longer in the file stays."""
    rows = [
        "t1,Sol ApS,a@example.com,DK,dkk,2026-01-01,",
        "t2,Måne A/S,a@example.com,se,SEK,2026-01-01T12:00:00Z,2026-05-01",
    ]
    assert import_text("tenants", *rows) == ImportResult("tenants", 2, 2, 0, 0)
    before = rows_of(database, "tenants", "tenant_id, chg::text")
    assert import_text("tenants", *rows) == ImportResult("tenants", 2, 0, 0, 2)
    assert rows_of(database, "tenants", "tenant_id, chg::text") == before
    assert import_text("tenants", rows[1].replace("Måne", "Stjerne")) == ImportResult("tenants", 1, 0, 1, 0)
    columns = "tenant_id, name, email, country, currency, created_at, created_on, deleted_at"
    assert rows_of(database, "tenants", columns) == [
        ("t1", "Sol ApS", "a@example.com", "DK", "dkk", datetime(2025, 12, 31, 23, tzinfo=UTC), date(2026, 1, 1), None),
        (
            "t2", "Stjerne A/S", "a@example.com", "SE", "sek", datetime(2026, 1, 1, 12, tzinfo=UTC), date(2026, 1, 1),
            datetime(2026, 4, 30, 22, tzinfo=UTC),
        ),
    ]  # fmt: skip


def test_a_dry_run_counts_and_writes_nothing(import_text: Import, database: Database) -> None:
    """The counts are those of the real run; neither rows nor an audit entry stay."""
    row = "t1,Sol ApS,,DK,dkk,2026-01-01,"
    assert import_text("tenants", row, dry_run=True) == ImportResult("tenants", 1, 1, 0, 0)
    assert rows_of(database, "tenants") == rows_of(database, "audit_log") == []


def test_every_import_is_in_the_audit_log(import_text: Import, database: Database) -> None:
    """Who, what and how much; one entry per import."""
    import_text("tenants", "t1,Sol ApS,,DK,dkk,2026-01-01,")
    assert rows_of(database, "audit_log", "actor, action, subject_kind, subject_id, after") == [
        (
            "finance@example.com", "import", "tenants", "tenants.csv",
            {"kind": "tenants", "rows": 1, "inserted": 1, "updated": 0, "unchanged": 0, "file": "tenants.csv"},
        )
    ]  # fmt: skip


def test_one_bad_cell_in_ten_thousand_rows_is_named_and_nothing_is_imported(
    import_text: Import, database: Database, two_tenants: None
) -> None:
    """File, line, column, value and what is expected; the other 9,999 rows are not written."""
    rows = [f"o{n},t1,unit {n},2026-01-01,," for n in range(10_000)]
    rows[6_788] = "o6788,t1,unit 6788,2026-02-30,,"
    message = refused(import_text, "occupancies", *rows)
    assert message == (
        "occupancies.csv has 1 bad cell, nothing was imported: line 6790, column starts_on: '2026-02-30' is not a date "
        "such as 2026-10-31, between 1900 and 2199."
    )
    assert rows_of(database, "occupancies") == []


def test_the_first_twenty_bad_cells_are_listed_and_all_are_counted(import_text: Import, two_tenants: None) -> None:
    """A column that is wrong throughout does not fill the screen."""
    message = refused(import_text, "occupancies", *[f"o{n},t1,u,2026-13-01,{n}," for n in range(50)])
    assert message.startswith("occupancies.csv has 100 bad cells")
    assert len(re.findall("line ", message)) == 20
    assert message.endswith("; and 80 more.")


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("", "has no header. Expected: tenant_id,name,email,country,currency,created_at,deleted_at"),
        ("tenant_id,name,email,country,currency,created_at", "line 1: the header lacks deleted_at"),
        (TENANT_HEADER + ",note,x", "line 1: the header has unknown 'note', 'x'"),
        (TENANT_HEADER.replace("email", "Email"), "the header lacks email, has unknown 'Email'"),
        (TENANT_HEADER + ",name", "the header has more than one 'name'"),
        (TENANT_HEADER.replace(",", ";"), "is separated by semicolons or tabs. Save it with commas"),
        (TENANT_HEADER.replace("name", " name"), "lacks name, has unknown ' name'"),
    ],
)
def test_a_wrong_header_is_refused_by_name(import_text: Import, header: str, sentence: str) -> None:
    """Missing, unknown, repeated and nearly right columns; another separator."""
    assert sentence in refused(import_text, "tenants", "t1,Sol,,DK,dkk,2026-01-01,", header=header)


def test_columns_may_come_in_any_order(import_text: Import, database: Database) -> None:
    """They are found by their names."""
    import_text(
        "tenants", "dkk,t1,Sol,,,2026-01-01,", header="currency,tenant_id,name,email,country,created_at,deleted_at"
    )
    assert rows_of(database, "tenants", "tenant_id, name, currency") == [("t1", "Sol", "dkk")]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_excels_byte_order_mark_and_line_ends_are_accepted(
    import_text: Import, database: Database, mark: str, ending: str
) -> None:
    """The mark is not a part of the first column's name; lines end as they do on any system."""
    text = mark + ending.join([TENANT_HEADER, 't1,"Sol, ""ApS""",,DK,dkk,2026-01-01,', "", "t2,Å,,DK,dkk,2026-01-01,"])
    assert import_text("tenants", content=text.encode()).rows == 2
    assert rows_of(database, "tenants", "tenant_id, name") == [("t1", 'Sol, "ApS"'), ("t2", "Å")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has no header"),
        (
            (TENANT_HEADER + "\nt1,S\u00f8l,,DK,dkk,2026-01-01,\n").encode("latin-1"),
            r"line 2, column name: 'S\udcf8l' is not text in UTF-8",
        ),
        ((TENANT_HEADER + "\n").encode("utf-16"), "is not UTF-8. Save it as CSV UTF-8"),
        (
            TENANT_HEADER.encode() + b"\nt1,a\x00b,,DK,dkk,2026-01-01,\n",
            r"line 2, column name: 'a\x00b' is not text without NUL",
        ),
        (TENANT_HEADER.encode() + b"\nt1,\xed\xa0\x80,,DK,dkk,2026-01-01,\n", "line 2, column name"),
        (TENANT_HEADER.encode() + b'\nt1,"Sol,,DK,dkk,2026-01-01,\n', "line 2: not readable as CSV"),
        (TENANT_HEADER.encode() + b'\nt1,"Sol"x,,DK,dkk,2026-01-01,\n', "line 2: not readable as CSV"),
        (TENANT_HEADER.encode() + b"\nt1,Sol,,DK,dkk\n", "a row of 7 cells: it has 5"),
        (TENANT_HEADER.encode() + b"\nt1,Sol,,DK,dkk,2026-01-01,,x\n", "a row of 7 cells: it has 8"),
        (TENANT_HEADER.encode() + b"\nt1," + b"x" * 200_000 + b",,DK,dkk,2026-01-01,\n", "line 2: not readable as CSV"),
    ],
)
def test_what_is_no_utf8_csv_is_refused(import_text: Import, database: Database, content: bytes, sentence: str) -> None:
    """Other encodings, NUL, surrogates, open quotation marks, rows that are too short or too long."""
    assert sentence in refused(import_text, "tenants", content=content)
    assert rows_of(database, "tenants") == []


def test_lines_are_counted_as_an_editor_counts_them(import_text: Import) -> None:
    """A quoted cell may span lines and blank lines count; the row is where it begins."""
    text = TENANT_HEADER + '\nt1,Sol,,DK,dkk,"2026\n-01-01",\n\nt2,Sol,,XXX,dkk,2026-01-01,\n'
    message = refused(import_text, "tenants", content=text.encode())
    assert r"line 2, column created_at: '2026\n-01-01'" in message
    assert "line 5, column country: 'XXX'" in message


@pytest.mark.parametrize(
    ("kind", "row", "place"),
    [
        ("occupancies", "o1,t9,u,2026-01-01,,", "column tenant_id: 't9' is not a known tenant"),
        ("usage", "t9,heat,1,2026-01-01T00:00:00Z,k", "column tenant_id: 't9' is not a known tenant"),
        (
            "subscriptions",
            "s1,t9,flat,2026-01-01,,false,1,100,dkk,month,1",
            "column tenant_id: 't9' is not a known tenant",
        ),
        ("invoices", "i1,t9,1,dkk,100,25,125,2026-01-01,,open,,0", "column tenant_id: 't9' is not a known tenant"),
        (
            "occupancies",
            "o1,t1,u,2026-02-01,2026-01-31,",
            "column ends_on: '2026-01-31' is not a date on or after starts_on",
        ),
        (
            "usage",
            "t1,heat,1,2026-01-01T00:00:00,k",
            "column at: '2026-01-01T00:00:00' is not an instant with its zone",
        ),
        (
            "usage",
            "t1,heat,-1,2026-01-01T00:00:00Z,k",
            "column quantity: '-1' is not a number in plain digits, 0 or more",
        ),
        ("usage", "t1,heat,1,2026-01-01T00:00:00Z,", "column idempotency_key: '' is not an id"),
        (
            "subscriptions",
            "s1,t1,flat,2026-01-01,2025-01-01,false,1,100,dkk,month,1",
            "column ended_at: '2025-01-01' is not at or after",
        ),
        ("subscriptions", "s1,t1,flat,2026-01-01,,1,1,100,dkk,month,1", "column is_trial: '1' is not true or false"),
        (
            "subscriptions",
            "s1,t1,flat,2026-01-01,,false,1.5,100,dkk,month,1",
            "column quantity: '1.5' is not a whole number",
        ),
        (
            "subscriptions",
            "s1,t1,flat,2026-01-01,,false,1,100,dkk,quarter,1",
            "column interval: 'quarter' is not one of day",
        ),
        (
            "subscriptions",
            "s1,t1,flat,2026-01-01,,false,1,100,dkk,month,0",
            "column interval_count: '0' is not a whole number",
        ),
        (
            "subscriptions",
            "s1,t1,flat,2026-01-01,,false,99999999999,999999999,dkk,month,1",
            "column quantity: '99999999999' is not a quantity",
        ),
        (
            "invoices",
            "i1,t1,1,dkk,100,25,126,2026-01-01,,open,,0",
            "column total_minor: '126' is not at most subtotal_minor",
        ),
        (
            "invoices",
            "i1,t1,1,dkk,100,25,125,,,open,,0",
            "column finalized_at: '' is not a date or instant, as an invoice that",
        ),
        ("invoices", "i1,t1,1,dkk,100,25,125,2026-01-01,,draft,,0", "column finalized_at: '2026-01-01' is not empty"),
        (
            "invoices",
            "i1,t1,1,dkk,100,25,125,2026-01-01,,sent,,0",
            "column status: 'sent' is not one of draft, open, paid",
        ),
        (
            "invoices",
            "i1,t1,1,dkk,100,25,125,2026-01-01,,paid,2026-01-02,126",
            "column paid_minor: '126' is not at most total_minor",
        ),
        ("invoices", "i1,t1,1,dkk,100,25,125,2026-01-01,,paid,,125", "column paid_at: '' is not a date or instant"),
        (
            "invoices",
            "i1,t1,1,dkk,100,25,125,2026-01-01,,paid,2026-01-02,",
            "column paid_minor: '' is not a whole number",
        ),
        (
            "invoices",
            f"i1,t1,1,dkk,{2**63},25,125,2026-01-01,,open,,0",
            f"column subtotal_minor: '{2**63}' is not a whole number",
        ),
    ],
)
def test_a_bad_row_names_line_column_value_and_expectation(
    import_text: Import, database: Database, two_tenants: None, kind: str, row: str, place: str
) -> None:
    """What is wrong in itself, beside another cell, or in the light of what was imported before."""
    assert f"line 2, {place}" in refused(import_text, kind, row)
    assert rows_of(database, "metrics") == []


def test_an_id_twice_in_a_file_names_both_lines(import_text: Import) -> None:
    """Which of the two would be right is not for us to say, even when they are equal."""
    message = refused(import_text, "tenants", *["t1,Sol,,DK,dkk,2026-01-01,"] * 2)
    assert "line 3, column tenant_id: 't1' is not a new id: it is on line 2 already" in message


def test_an_unknown_kind_and_an_unreadable_file_are_sentences(
    database: Database, tmp_path: Path, zone: ZoneInfo, now: datetime
) -> None:
    """A typing error, a missing file, a directory."""
    for kind, path, sentence in [
        ("tenants", tmp_path, "cannot be read: Is a directory"),
        ("tenants", tmp_path / "none.csv", "none.csv cannot be read: No such file"),
        ("tenant", tmp_path / "none.csv", "no import of 'tenant'. Choose one of tenants, occupancies, usage"),
    ]:
        with pytest.raises(InvalidInputError, match=sentence):
            import_csv(database, kind, path, actor="a", zone=zone, now=now)


def test_a_header_alone_is_an_import_of_nothing(import_text: Import) -> None:
    """Zero rows are no error."""
    assert import_text("tenants") == ImportResult("tenants", 0, 0, 0, 0)
    assert import_text("usage") == ImportResult("usage", 0, 0, 0, 0)
    assert import_text("invoices") == ImportResult("invoices", 0, 0, 0, 0)
