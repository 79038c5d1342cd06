"""Roles: read at every check, granted and revoked by admins, written down."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from billing_core.errors import ForbiddenError, InvalidInputError, NotFoundError
from billing_core.services import access, reports
from billing_core.services.access import ALLOWED, DEMO_ADMIN, DEMO_STAFF, ROLES, SYSTEM, Actor
from billing_core.services.desk import Desk
from billing_core.services.refresh import refresh
from billing_core.settings import Settings
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Warehouse

NOBODY = Actor("nobody@example.com", "Nobody", ("admin",))


def desk_of(database: Database, home: Path, **settings: object) -> Desk:
    return Desk(Settings(_env_file=None, home=home, **settings), database, Warehouse(home / "warehouse"))  # type: ignore[arg-type]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """A demo's desk with its five people."""
    access.seed_demo_staff(database)
    return desk_of(database, tmp_path)


@pytest.fixture
def connected(database: Database, tmp_path: Path) -> Desk:
    """A desk that is connected to a real account, without staff."""
    return desk_of(database, tmp_path, STRIPE_API_KEY="sk_test_1")


def audit(desk: Desk) -> list[tuple[str, str, str, object]]:
    log = tables.audit_log
    with desk.database.connect() as connection:
        rows = connection.execute(
            sa.select(log.c.actor, log.c.action, log.c.subject_id, log.c.after).order_by(log.c.audit_id)
        )
        return [tuple(row) for row in rows]


@pytest.mark.parametrize("permission", sorted(ALLOWED))
def test_each_role_gets_exactly_what_the_table_says(desk: Desk, permission: str) -> None:
    """All five people, the system and somebody who is not staff."""
    _, allowed = ALLOWED[permission]
    for actor in (*DEMO_STAFF, SYSTEM):
        assert access.is_allowed(desk, actor, permission) == bool(allowed.intersection(actor.roles)), actor
    assert not access.is_allowed(desk, NOBODY, permission)
    assert not access.is_allowed(desk, Actor("", "", ROLES), permission)


def test_the_page_about_permissions_is_the_table(desk: Desk) -> None:
    """docs/permissions.md and the code say the same."""
    page = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if line.startswith("| `")]
    expected = []
    for permission, (what, allowed) in ALLOWED.items():
        marks = " | ".join("yes" if role in allowed else "–" for role in (*ROLES, "system"))
        expected.append(f"| `{permission}` | {what} | {marks} |")
    assert shown == expected


def test_roles_that_an_actor_claims_are_not_believed(desk: Desk) -> None:
    """Only what Postgres holds counts."""
    claim = Actor("mikkel@demo.example", "Mikkel", ("admin",))
    with pytest.raises(ForbiddenError, match="takes the role admin"):
        access.authorize(desk, claim, "roles.manage")


def test_a_demotion_takes_effect_at_the_next_call(desk: Desk, now: datetime) -> None:
    """The actor object of before is worth nothing then."""
    refresh(desk, now=now)
    manager = DEMO_STAFF[3]
    assert reports.run(desk, manager, "usage_daily", now=now).table.num_rows == 0
    access.revoke(desk, DEMO_ADMIN, manager.email, "manager")
    with pytest.raises(ForbiddenError, match="not on the staff list"):
        reports.run(desk, manager, "usage_daily", now=now)


def test_grant_and_revoke_change_staff_and_are_audited(desk: Desk) -> None:
    """Addresses are lower case; without a role left somebody is not staff."""
    person = access.grant(desk, DEMO_ADMIN, " New@Example.com ", "support", name="Nia")
    assert person == Actor("new@example.com", "Nia", ("support",))
    assert access.grant(desk, DEMO_ADMIN, "new@example.com", "finance").roles == ("finance", "support")
    assert access.revoke(desk, DEMO_ADMIN, "new@example.com", "support").roles == ("finance",)
    assert access.revoke(desk, DEMO_ADMIN, "new@example.com", "finance").roles == ()
    assert "new@example.com" not in [p.email for p in access.list_staff(desk)]
    assert access.grant(desk, DEMO_ADMIN, "new@example.com", "manager").roles == ("manager",)
    by = DEMO_ADMIN.email
    assert audit(desk) == [
        (by, "role.granted", "new@example.com", {"roles": ["support"]}),
        (by, "role.granted", "new@example.com", {"roles": ["finance", "support"]}),
        (by, "role.revoked", "new@example.com", {"roles": ["finance"]}),
        (by, "role.revoked", "new@example.com", {"roles": []}),
        (by, "role.granted", "new@example.com", {"roles": ["manager"]}),
    ]


def test_only_an_admin_manages_roles_and_a_refusal_changes_nothing(desk: Desk) -> None:
    """Nor the system, nor somebody unknown."""
    for actor in (*DEMO_STAFF[:4], SYSTEM, NOBODY):
        with pytest.raises(ForbiddenError):
            access.grant(desk, actor, actor.email if "@" in actor.email else "a@b.c", "admin")
        with pytest.raises(ForbiddenError):
            access.revoke(desk, actor, DEMO_ADMIN.email, "admin")
    assert audit(desk) == []
    assert [p.email for p in access.list_staff(desk) if "admin" in p.roles] == [DEMO_ADMIN.email]


def test_the_last_admin_cannot_be_demoted(desk: Desk) -> None:
    """With a second one it works."""
    with pytest.raises(InvalidInputError, match="only admin"):
        access.revoke(desk, DEMO_ADMIN, DEMO_ADMIN.email, "admin")
    access.grant(desk, DEMO_ADMIN, "sara@demo.example", "admin")
    access.revoke(desk, DEMO_ADMIN, DEMO_ADMIN.email, "admin")
    assert not access.is_allowed(desk, DEMO_ADMIN, "reports.read")


@pytest.mark.parametrize("email", ["", "x", "a@", "@b", "a b@c", "a@b\nc@d", "a@b,c@d", "x" * 250 + "@b.dk"])
def test_what_is_no_address_is_refused(desk: Desk, email: str) -> None:
    """Blank, without an at sign, with a line break or a list."""
    with pytest.raises(InvalidInputError, match="not an e-mail address"):
        access.grant(desk, DEMO_ADMIN, email, "support")


def test_unknown_roles_and_roles_not_held_are_named(desk: Desk) -> None:
    """The message lists the roles there are."""
    with pytest.raises(InvalidInputError, match="finance, support, manager, admin"):
        access.grant(desk, DEMO_ADMIN, "a@b.dk", "system")
    with pytest.raises(NotFoundError, match="does not have the role"):
        access.revoke(desk, DEMO_ADMIN, "sara@demo.example", "finance")


def test_the_first_admin_is_made_by_nobody_and_nobody_else(connected: Desk) -> None:
    """An installation without an admin takes one grant without an actor: admin."""
    with pytest.raises(ForbiddenError, match="no admin yet"):
        access.grant(connected, None, "a@b.dk", "finance")
    assert access.grant(connected, None, "a@b.dk", "admin").roles == ("admin",)
    with pytest.raises(ForbiddenError, match="Nobody is acting"):
        access.grant(connected, None, "c@d.dk", "admin")


def test_without_a_name_the_demo_acts_as_its_admin_and_a_connected_desk_as_nobody(desk: Desk, connected: Desk) -> None:
    """Both share the staff table here; only the mode differs."""
    assert access.command_line_actor(desk, None) == DEMO_ADMIN
    assert access.command_line_actor(desk, "FREJA@demo.example").roles == ("finance",)
    with pytest.raises(ForbiddenError, match="--as EMAIL"):
        access.command_line_actor(connected, None)
    with pytest.raises(ForbiddenError, match="not on the staff list"):
        access.command_line_actor(connected, "who@example.com")
    with pytest.raises(ForbiddenError, match="not on the staff list"):
        access.command_line_actor(desk, "system")


def test_an_empty_demo_seeds_its_people_when_first_asked(database: Database, tmp_path: Path) -> None:
    """So that every command works in a home that was made before there were people."""
    desk = desk_of(database, tmp_path)
    assert access.list_staff(desk) == []
    assert access.command_line_actor(desk, None) == DEMO_ADMIN
    assert {p.email for p in access.list_staff(desk)} == {p.email for p in DEMO_STAFF}
