"""Notes on tenants: what staff want the next person to know. A note is added, never edited; who wrote it and when stays
with it. They are read straight from Postgres, so that a note is there the moment it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from billing_core.errors import InvalidInputError, NotFoundError
from billing_core.language import _
from billing_core.services.access import Actor, authorize
from billing_core.services.desk import Desk
from billing_core.store.tables import audit_log, staff, tenant_notes

LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Note:
    """One note.

    Attributes:
        note_id: unique, rising with time.
        tenant_id: about whom.
        written_at: UTC.
        author: e-mail address of who wrote it.
        author_name: the name the staff list has for the address now; the address when it has none.
        content: plain text, as typed, with its line breaks.
    """

    note_id: int
    tenant_id: str
    written_at: datetime
    author: str
    author_name: str
    content: str


def add(desk: Desk, actor: Actor, tenant_id: str, content: str) -> Note:
    """Write a note on a tenant, and into the audit log that one was written.

    Args:
        desk: the open desk.
        actor: who writes.
        tenant_id: about whom.
        content: 1 to 4,000 characters after trimming.

    Raises:
        ForbiddenError: the actor may not write notes.
        InvalidInputError: nothing was written, too much was, or it has characters that are no text.
        NotFoundError: no such tenant.
    """
    author = authorize(desk, actor, "notes.write")
    text = checked(content)
    with desk.database.begin() as connection:
        known = sa.text("select exists (select from billing.source_tenants where tenant_id = :tenant_id)")
        if not connection.scalar(known, {"tenant_id": tenant_id}):
            raise NotFoundError(_("There is no tenant “{tenant}”; the note was not kept.", tenant=tenant_id[:40]))
        new = sa.insert(tenant_notes).values(tenant_id=tenant_id, author=author.email, content=text)
        row = connection.execute(new.returning(tenant_notes.c.tenant_note_id, tenant_notes.c.written_at)).one()
        connection.execute(
            sa.insert(audit_log).values(
                actor=author.email,
                action="note.written",
                subject_kind="tenant_note",
                subject_id=str(row.tenant_note_id),
                tenant_id=tenant_id,
                after={"content": text},
            )
        )
    return Note(row.tenant_note_id, tenant_id, row.written_at, author.email, author.name, text)


def of_tenant(desk: Desk, actor: Actor, tenant_id: str) -> list[Note]:
    """Return a tenant's notes, the latest first; none for a tenant that does not exist.

    Raises:
        ForbiddenError: the actor may not see tenants.
    """
    authorize(desk, actor, "reports.read")
    notes = tenant_notes.c
    query = (
        sa.select(tenant_notes, sa.func.coalesce(staff.c.name, notes.author).label("author_name"))
        .select_from(tenant_notes.outerjoin(staff, notes.author == staff.c.email))
        .where(notes.tenant_id == tenant_id)
        .order_by(notes.tenant_note_id.desc())
    )
    with desk.database.connect() as connection:
        return [
            Note(r.tenant_note_id, r.tenant_id, r.written_at, r.author, r.author_name, r.content)
            for r in connection.execute(query)
        ]


def checked(content: str) -> str:
    """Return a note as it is kept: trimmed, line breaks as `\\n`.

    Raises:
        InvalidInputError: see `add`.
    """
    text = content.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise InvalidInputError(_("A note needs some text."))
    if len(text) > LONGEST:
        raise InvalidInputError(
            _("A note has at most {most} characters; this one has {count}.", most=LONGEST, count=len(text))
        )
    # Postgres keeps no NUL, and half a surrogate pair is no character at all.
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInputError(_("The note has a character that is no text; type it again without it."))
    return text
