"""What people wrote down about a tenant, and what happened to it, in order of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from billing_core.errors import InvalidInputError
from billing_core.services import access, notes
from billing_core.services.language import N_, _, p_
from pages import _behind, _filters, _tables, _words
from pages._frame import Page
from pages._tables import Column

KINDS = {
    "created": N_("Became a tenant"),
    "deleted": N_("Deleted"),
    "move_in": N_("Move-in"),
    "move_out": N_("Move-out"),
    "subscription_started": N_("Subscription began"),
    "subscription_ended": N_("Subscription ended"),
    "trial_ended": N_("Trial ended"),
    "changed": N_("Subscription changed"),
    "invoice": N_("Invoice"),
    "invoice_voided": N_("Invoice voided"),
    "invoice_written_off": N_("Invoice written off"),
    "payment": N_("Payment"),
    "failed_attempt": N_("Failed attempt"),
    "refund": N_("Refund"),
    "credit_note": N_("Credit note"),
    "dispute": N_("Disputed"),
}
EVERYTHING = "all"
GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    EVERYTHING: (N_("Everything"), ()),
    "units": (N_("Moves"), ("move_in", "move_out")),
    "money": (
        N_("Invoices and money"),
        (
            "invoice",
            "invoice_voided",
            "invoice_written_off",
            "payment",
            "failed_attempt",
            "refund",
            "credit_note",
            "dispute",
        ),
    ),
    "subscriptions": (
        N_("Subscriptions"),
        ("subscription_started", "subscription_ended", "trial_ended", "changed", "created", "deleted"),
    ),
}


def show(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw the form for a new note and the notes there are, the latest first."""
    if access.is_allowed(page.desk, page.actor, "notes.write"):
        _form(page, tenant)
    found = notes.of_tenant(page.desk, page.actor, tenant["tenant_id"])
    if not found:
        st.caption(_("Nobody has written a note on this tenant yet."))
    for note in found:
        with st.container(border=True, gap=None):
            st.caption(f"{_words.inert(note.author_name)}, {page.reader.as_of(note.written_at, page.now)}")
            # Plain text: what somebody pasted from a mail is shown as it is.
            st.text(note.content)


def _form(page: Page, tenant: Mapping[str, Any]) -> None:
    with st.form(f"note_{tenant['tenant_id']}", clear_on_submit=True):
        content = st.text_area(
            _("New note"),
            max_chars=notes.LONGEST,
            placeholder=_("What the next person should know"),
            help=_("Everybody on the staff can read it. It stays as it is written, with your name and the time."),
        )
        is_sent = st.form_submit_button(_("Add note"), icon=":material/edit_note:")
    if not is_sent:
        return
    try:
        notes.add(page.desk, page.actor, tenant["tenant_id"], content)
    except InvalidInputError as error:
        st.warning(str(error), icon=":material/info:")


def timeline(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw what happened, the latest first; a row with an invoice opens it."""
    reader = page.reader
    report = page.report("tenant_timeline", tenant_id=tenant["tenant_id"])
    kinds = _filters.choice(
        _("Events"), "events", list(GROUPS), default=EVERYTHING, name=lambda g: _(GROUPS[g][0]), as_segments=True
    )
    table = report.table
    if kinds != EVERYTHING:
        table = table.filter(pc.is_in(table["kind"], pa.array(GROUPS[kinds][1], pa.string())))
    if table.num_rows == 0:
        st.caption(_("Nothing of this kind has happened."))
        _tables.beside(report, reader, key="timeline", what=f"timeline_{tenant['tenant_id']}")
        return
    codes = {c for c, a in zip(table["currency"].to_pylist(), table["amount_minor"].to_pylist(), strict=True) if a}
    one = next(iter(codes)) if len(codes) == 1 else None
    said = [
        _("{event}, ahead", event=_(KINDS.get(kind, kind))) if ahead else _(KINDS.get(kind, kind))
        for kind, ahead in zip(table["kind"].to_pylist(), table["is_ahead"].to_pylist(), strict=True)
    ]
    links = [p_("verb", "Open") if invoice else None for invoice in table["invoice_id"].to_pylist()]
    shown = _tables.with_texts(_tables.with_codes(table), "event", said)
    shown = _tables.with_texts(shown, "invoice", links)
    _tables.show(
        shown,
        [
            Column("on_date", _("Date"), "date", width=115),
            Column("event", _("What"), "status", width=180),
            Column("detail", _("Detail"), width=330),
            Column("amount_minor", _("Amount") + (f", {one.upper()}" if one else ""), "money", _("Incl. tax"), 125),
            *([] if one or not codes else [Column("currency_code", _("Currency"), width=80)]),
            Column("invoice", _("Invoice"), "open", _("Open the invoice"), 90),
        ],
        key=f"timeline_{kinds}",
        reader=reader,
        currency=one,
        alt=_("What happened, the latest first"),
        on_open={"invoice": _behind.open_invoice},
        rows=20,
    )
    _tables.beside(report, reader, key="timeline", what=f"timeline_{tenant['tenant_id']}")
