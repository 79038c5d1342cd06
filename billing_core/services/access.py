"""Who may do what: staff, their roles, and the one check that every public action makes.

Roles are read from Postgres at every check, so that a demotion takes effect at the next call; an `Actor` is only a
claim of who is acting. The table `ALLOWED` is the whole of the rules; `docs/permissions.md` shows it to people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from billing_core.errors import ForbiddenError, InvalidInputError, NotFoundError
from billing_core.language import N_, _
from billing_core.services.desk import Desk
from billing_core.settings import Mode
from billing_core.store.database import Database
from billing_core.store.tables import audit_log, staff

ROLES = ("finance", "support", "manager", "admin")
_SYSTEM_ROLE = "system"
_EVERYBODY = frozenset(ROLES)

# Permission → what it allows, and the roles that have it.
ALLOWED: Mapping[str, tuple[str, frozenset[str]]] = {
    "reports.read": (N_("see reports, invoices and tenants"), _EVERYBODY | {_SYSTEM_ROLE}),
    "reports.export": (N_("take tables out as files"), _EVERYBODY),
    "operations.read": (
        N_("see jobs, webhooks, e-mails and the audit log"),
        frozenset({"finance", "support", "admin"}),
    ),
    "data.refresh": (N_("mirror Stripe and refresh the figures"), _EVERYBODY | {_SYSTEM_ROLE}),
    "data.import": (N_("import CSV files"), frozenset({"finance", "admin"})),
    "notes.write": (N_("write notes on tenants"), _EVERYBODY),
    "usage.correct": (N_("correct usage and units before they are billed"), frozenset({"support", "finance", "admin"})),
    "units.sync": (N_("report units to Stripe"), frozenset({"support", "finance", "admin", _SYSTEM_ROLE})),
    "subscription.change": (N_("create, change and cancel subscriptions"), frozenset({"support", "finance", "admin"})),
    "invoice.credit": (N_("issue credit notes and write invoices off"), frozenset({"finance", "admin"})),
    "plan.approve": (N_("approve what another person planned"), frozenset({"finance", "manager", "admin"})),
    "writes.stop": (N_("stop all writes to Stripe and allow them again"), frozenset({"finance", "admin"})),
    "period.close": (N_("close a month and sign its pack"), frozenset({"finance", "admin"})),
    "roles.manage": (N_("grant and revoke roles"), frozenset({"admin"})),
}
_EMAIL = re.compile(r"[^\s@<>,;\x00-\x1f]+@[^\s@<>,;\x00-\x1f]+")
_LONGEST_EMAIL = 254


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts.

    Attributes:
        email: lower case; identifies the person.
        name: as shown.
        roles: what the person had when last looked up, sorted; for display, never trusted by a check.
    """

    email: str
    name: str
    roles: tuple[str, ...]


SYSTEM = Actor("system", "Scheduled jobs", (_SYSTEM_ROLE,))
DEMO_STAFF = (
    Actor("freja@demo.example", "Freja Lund", ("finance",)),
    Actor("oliver@demo.example", "Oliver Krogh", ("support",)),
    Actor("sara@demo.example", "Sara Holm", ("support",)),
    Actor("mikkel@demo.example", "Mikkel Bach", ("manager",)),
    Actor("asta@demo.example", "Asta Friis", ("admin",)),
)
DEMO_ADMIN = DEMO_STAFF[-1]


def authorize(desk: Desk, actor: Actor, permission: str) -> Actor:
    """Check that somebody may do something, by the roles Postgres holds now.

    Args:
        desk: the open desk.
        actor: who acts.
        permission: a key of `ALLOWED`.

    Returns:
        The actor with name and roles as they are now.

    Raises:
        ForbiddenError: not staff, not active any more, or without a role that has the permission.
    """
    what, allowed = ALLOWED[permission]
    present = SYSTEM if actor.email == SYSTEM.email else _find(desk.database, actor.email)
    if present is None:
        raise ForbiddenError(
            _(
                "{email} is not on the staff list. An admin can add people with: billing roles grant EMAIL ROLE",
                email=actor.email or _("Nobody"),
            )
        )
    if not allowed.intersection(present.roles):
        needed = _(" or ").join(_(r) for r in ROLES if r in allowed)
        raise ForbiddenError(
            _(
                "{email} may not {what}: that takes the role {needed}. An admin can grant it.",
                email=present.email,
                what=_(what),
                needed=needed,
            )
        )
    return present


def is_allowed(desk: Desk, actor: Actor, permission: str) -> bool:
    """Tell whether `authorize` would let somebody through; for menus and buttons, not instead of the check."""
    try:
        authorize(desk, actor, permission)
    except ForbiddenError:
        return False
    return True


def list_staff(desk: Desk) -> list[Actor]:
    """Return everybody who is active, by name."""
    query = (
        sa.select(staff.c.email, staff.c.name, staff.c.roles)
        .where(staff.c.is_active)
        .order_by(staff.c.name, staff.c.email)
    )
    with desk.database.connect() as connection:
        return [Actor(row.email, row.name, tuple(sorted(row.roles))) for row in connection.execute(query)]


def command_line_actor(desk: Desk, email: str | None) -> Actor:
    """Return who acts on the command line.

    Args:
        desk: the open desk.
        email: as given by `--as`; None: `BILLING_ACTOR`, and without that the demo's admin in demo mode.

    Raises:
        ForbiddenError: nobody is named outside the demo, or the person is not on the staff list.
    """
    is_demo = desk.settings.mode is Mode.DEMO
    wanted = (email or desk.settings.actor or (DEMO_ADMIN.email if is_demo else "")).strip().lower()
    if not wanted:
        raise ForbiddenError("Nobody is acting. Say who you are with --as EMAIL or BILLING_ACTOR.")
    found = _find(desk.database, wanted)
    if found is None and is_demo and wanted == DEMO_ADMIN.email:
        seed_demo_staff(desk.database)
        found = _find(desk.database, wanted)
    if found is None:
        raise ForbiddenError(
            f"{wanted} is not on the staff list. An admin can add people with: billing roles grant EMAIL ROLE"
        )
    return found


def grant(desk: Desk, actor: Actor | None, email: str, role: str, *, name: str | None = None) -> Actor:
    """Give somebody a role; a new e-mail address becomes staff.

    Args:
        desk: the open desk.
        actor: an admin; None only while there is no staff at all, which is how the first admin is made.
        email: whom.
        role: one of `ROLES`.
        name: how the person is shown; kept as it is when left out, for a new person the address.

    Returns:
        The person as they are now.

    Raises:
        InvalidInputError: not an e-mail address, or no such role.
        ForbiddenError: the actor may not manage roles, or nobody acts although there is staff, or the first grant is
            not admin.
    """
    address, role = _checked(email, role)
    with desk.database.begin() as connection:
        _lock_staff(connection)
        by = _who_manages(desk, connection, actor, role)
        before = _row(connection, address)
        roles = tuple(sorted({*(before.roles if before and before.is_active else ()), role}))
        shown = name or (before.name if before else address)
        changed = pg.insert(staff).values(email=address, name=shown, roles=list(roles), is_active=True)
        update = {"name": shown, "roles": list(roles), "is_active": True}
        connection.execute(changed.on_conflict_do_update(index_elements=[staff.c.email], set_=update))
        _note(connection, by, "role.granted", address, before.roles if before else [], list(roles))
    return Actor(address, shown, roles)


def revoke(desk: Desk, actor: Actor, email: str, role: str) -> Actor:
    """Take a role from somebody; without any role left the person is not active any more.

    Raises:
        InvalidInputError: not an e-mail address, no such role, or it is the last admin's.
        NotFoundError: the person does not have that role.
        ForbiddenError: the actor may not manage roles.
    """
    address, role = _checked(email, role)
    authorize(desk, actor, "roles.manage")
    with desk.database.begin() as connection:
        _lock_staff(connection)
        before = _row(connection, address)
        if before is None or not before.is_active or role not in before.roles:
            raise NotFoundError(f"{address} does not have the role {role}. See: billing roles list")
        if role == "admin" and _admins(connection) == {address}:
            raise InvalidInputError(f"{address} is the only admin. Make somebody else admin first.")
        roles = [r for r in before.roles if r != role]
        connection.execute(sa.update(staff).where(staff.c.email == address).values(roles=roles, is_active=bool(roles)))
        _note(connection, actor.email, "role.revoked", address, before.roles, roles)
    return Actor(address, before.name, tuple(sorted(roles)))


def seed_demo_staff(database: Database) -> None:
    """Put the demo's five people on the staff list; who is there already stays as they are."""
    rows = [{"email": a.email, "name": a.name, "roles": list(a.roles), "is_active": True} for a in DEMO_STAFF]
    with database.begin() as connection:
        connection.execute(pg.insert(staff).on_conflict_do_nothing(), rows)


def _find(database: Database, email: str) -> Actor | None:
    with database.connect() as connection:
        row = _row(connection, email.strip().lower())
    return Actor(row.email, row.name, tuple(sorted(row.roles))) if row and row.is_active else None


def _row(connection: sa.Connection, email: str) -> sa.Row[str, str, list[str], bool] | None:
    return connection.execute(
        sa.select(staff.c.email, staff.c.name, staff.c.roles, staff.c.is_active).where(staff.c.email == email)
    ).one_or_none()


def _checked(email: str, role: str) -> tuple[str, str]:
    address = email.strip().lower()
    if len(address) > _LONGEST_EMAIL or not _EMAIL.fullmatch(address):
        raise InvalidInputError(f"{email!r} is not an e-mail address.")
    if role not in ROLES:
        raise InvalidInputError(f"There is no role '{role}'. Choose one of: {', '.join(ROLES)}.")
    return address, role


def _lock_staff(connection: sa.Connection) -> None:
    # Two admins who demote each other at once would otherwise leave nobody.
    connection.execute(sa.text("lock table billing.staff in share row exclusive mode"))


def _admins(connection: sa.Connection) -> set[str]:
    query = sa.select(staff.c.email).where(staff.c.is_active, staff.c.roles.contains(["admin"]))
    return set(connection.execute(query).scalars())


def _who_manages(desk: Desk, connection: sa.Connection, actor: Actor | None, role: str) -> str:
    if actor is not None:
        return authorize(desk, actor, "roles.manage").email
    if _admins(connection):
        raise ForbiddenError("Nobody is acting. Say who you are with --as EMAIL or BILLING_ACTOR.")
    if role != "admin":
        raise ForbiddenError("There is no admin yet. Make the first one with: billing roles grant EMAIL admin")
    return "command line"


def _note(connection: sa.Connection, by: str, action: str, email: str, before: list[str], after: list[str]) -> None:
    connection.execute(
        sa.insert(audit_log).values(
            actor=by,
            action=action,
            subject_kind="staff",
            subject_id=email,
            before={"roles": list(before)},
            after={"roles": after},
        )
    )
