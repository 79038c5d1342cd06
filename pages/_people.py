"""Who is looking: in the demo one of its named staff, otherwise the person who signed in.

Only the demo lets a reader choose who he is (in the sidebar or with `?as=` in a link). Connected to a real account
the identity comes from the sign-in and from nowhere else; on a machine of one's own, without sign-in, it may be
`BILLING_ACTOR` while the app listens on loopback only. Roles are never taken from here: the core reads them again on
every run.
"""

from __future__ import annotations

import streamlit as st

from billing_core.errors import ForbiddenError
from billing_core.services import access
from billing_core.services.access import Actor
from billing_core.services.desk import Desk
from billing_core.services.language import N_, _
from billing_core.settings import Mode
from pages import _filters

ROLES = {
    "admin": N_("admin"),
    "finance": N_("finance"),
    "manager": N_("manager"),
    "support": N_("support"),
}
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def roles_of(person: Actor) -> str:
    """Return somebody's roles as words: `finance, support`."""
    return ", ".join(_(ROLES.get(role, role)) for role in person.roles)


def _by_email(desk: Desk) -> dict[str, Actor]:
    people = access.list_staff(desk)
    if not people and desk.settings.mode is Mode.DEMO:
        # A demo without anybody (its database was made empty) gets the people that a demo has.
        access.seed_demo_staff(desk.database)
        people = access.list_staff(desk)
    return {person.email: person for person in people}


def _first(people: dict[str, Actor]) -> str:
    """The person the demo starts as: one who may see everything."""
    return next((email for email, person in people.items() if "admin" in person.roles), next(iter(people)))


def choose(desk: Desk) -> None:
    """In the demo, draw who is looking in the sidebar; elsewhere draw nothing."""
    if desk.settings.mode is not Mode.DEMO:
        return
    people = _by_email(desk)
    with st.sidebar:
        _filters.choice(
            _("Look as"),
            "as",
            list(people),
            default=_first(people),
            is_remembered=True,
            name=lambda email: f"{people[email].name} · {roles_of(people[email])}",
            help=_("The demo company's staff. What each may see and do follows from the roles."),
        )
        st.caption(_("This is a demo company with made-up figures. Nothing here reaches a real Stripe account."))


def current(desk: Desk) -> Actor:
    """Return who is looking.

    Raises:
        ForbiddenError: nobody is, or somebody who is not staff; says what to do.
    """
    people = _by_email(desk)
    settings = desk.settings
    if settings.mode is Mode.DEMO:
        for asked in (st.query_params.get("as"), st.session_state.get("_last_as")):
            if asked in people:
                return people[asked]
        return people[_first(people)]
    email = _signed_in()
    if email is None and settings.actor and settings.host in LOOPBACK and _is_same_machine():
        email = settings.actor.strip().lower()
    if email is None:
        raise ForbiddenError(
            _(
                "Nobody is signed in. Set up sign-in for this installation, or on a machine of your own "
                "set BILLING_ACTOR to your e-mail address."
            )
        )
    if not people:
        raise ForbiddenError(
            _("There is no staff yet. Make the first admin with `billing roles grant {email} admin`.", email=email)
        )
    if email not in people:
        raise ForbiddenError(
            _(
                "{email} is not among the staff. Ask an admin to run `billing roles grant {email} finance`.",
                email=email,
            )
        )
    return people[email]


def _is_same_machine() -> bool:
    """Whether the browser runs where the app does; Streamlit gives no address for such a one, else the one it has."""
    address = st.context.ip_address
    return not isinstance(address, str) or address in LOOPBACK


def _signed_in() -> str | None:
    """The verified address of the sign-in, if there is one."""
    if not getattr(st.user, "is_logged_in", False) or not st.user.get("email_verified", False):
        return None
    return str(st.user.get("email", "")).lower() or None
