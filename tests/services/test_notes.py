"""Notes on tenants: added, read, never changed, and written down in the audit log."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from billing_core.errors import ForbiddenError, InvalidInputError, NotFoundError
from billing_core.services import access, notes
from billing_core.services.access import Actor
from billing_core.services.desk import Desk
from billing_core.settings import Settings
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Warehouse
from tests.company import insert

SARA = Actor("sara@demo.example", "Sara Holm", ("support",))
FREJA = Actor("freja@demo.example", "Freja Lund", ("finance",))


@pytest.fixture
def desk(database: Database, tmp_path: Path, now: datetime) -> Desk:
    """A desk with the demo's people and two tenants."""
    access.seed_demo_staff(database)
    tenant = {"currency": "dkk", "created_at": now, "created_on": now.date()}
    rows = [{"tenant_id": i, "name": i, **tenant} for i in ("t_1", "t_2")]
    insert(database, tables.tenants, rows)
    return Desk(Settings(_env_file=None, home=tmp_path), database, Warehouse(tmp_path / "warehouse"))  # type: ignore[call-arg]


def test_notes_come_back_latest_first_with_author_and_time(desk: Desk) -> None:
    """Each tenant has its own; text is kept as typed, trimmed."""
    notes.add(desk, SARA, "t_1", "  Called about the heat.\r\nWill call back.  ")
    notes.add(desk, FREJA, "t_1", "Pays by bank transfer.")
    notes.add(desk, FREJA, "t_2", "Something else.")
    found = notes.of_tenant(desk, SARA, "t_1")
    assert [(n.author_name, n.content) for n in found] == [
        ("Freja Lund", "Pays by bank transfer."),
        ("Sara Holm", "Called about the heat.\nWill call back."),
    ]
    assert found[0].written_at.utcoffset() is not None


def test_writing_a_note_is_in_the_audit_log(desk: Desk) -> None:
    """Who, what, about whom, and the text."""
    note = notes.add(desk, SARA, "t_1", "Called.")
    log = tables.audit_log.c
    with desk.database.connect() as connection:
        row = connection.execute(sa.select(log.actor, log.action, log.subject_id, log.tenant_id, log.after)).one()
    assert tuple(row) == ("sara@demo.example", "note.written", str(note.note_id), "t_1", {"content": "Called."})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (" \n ", "needs some text"),
        ("x" * 4001, "at most 4000 characters; this one has 4001"),
        ("a\x00b", "no text"),
        ("\ud83d", "no text"),
    ],
)
def test_what_is_no_note_is_refused(desk: Desk, content: str, sentence: str) -> None:
    """Nothing is written then."""
    with pytest.raises(InvalidInputError, match=sentence):
        notes.add(desk, SARA, "t_1", content)
    assert notes.of_tenant(desk, SARA, "t_1") == []


def test_a_note_on_nobody_is_refused(desk: Desk) -> None:
    """The tenant has to be there."""
    with pytest.raises(NotFoundError, match="There is no tenant “t_9”"):
        notes.add(desk, SARA, "t_9", "Hello?")


def test_who_is_not_staff_neither_writes_nor_reads(desk: Desk) -> None:
    """Whatever roles are claimed."""
    stranger = Actor("nobody@example.com", "Nobody", ("admin",))
    with pytest.raises(ForbiddenError):
        notes.add(desk, stranger, "t_1", "Hello.")
    with pytest.raises(ForbiddenError):
        notes.of_tenant(desk, stranger, "t_1")


@pytest.mark.parametrize(
    "statement", ["update billing.tenant_notes set content = 'x'", "delete from billing.tenant_notes"]
)
def test_a_note_cannot_be_changed_or_taken_away(desk: Desk, statement: str) -> None:
    """The database refuses, whoever asks."""
    notes.add(desk, SARA, "t_1", "Called.")
    with pytest.raises(sa.exc.DBAPIError, match="only ever added to"), desk.database.begin() as connection:
        connection.execute(sa.text(statement))
