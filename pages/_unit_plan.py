"""A plan of units as it is looked at: what it comes to, the changes from before to after, and who is left alone."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import streamlit as st

from billing_core.services import access, unit_runs
from billing_core.services.access import SYSTEM
from billing_core.services.formatting import NOTHING, Reader
from billing_core.services.language import N_, _, n_
from billing_core.services.stored_plans import Plan
from pages import _behind, _print, _tables, _words
from pages._frame import Page
from pages._tables import Column

STATES = {
    "planned": N_("Planned"),
    "waiting": N_("Waiting for approval"),
    "running": N_("Running"),
    "sent": N_("Being read back"),
    "done": N_("Done"),
    "partly_done": N_("Partly done"),
    "unknown": N_("Unknown"),
    "failed": N_("Failed"),
    "rejected": N_("Rejected"),
}
EFFECT_HELP = N_("How the bill of the running period moves, at list price, excl. tax and before discounts.")


def state_word(state: str) -> str:
    """Return the state of a plan or a change as a word."""
    return _(STATES[state])


def changes(plan: Plan, reader: Reader) -> str:
    """Return how many tenants a plan changes, in words."""
    count = unit_runs.totals(plan).tenants_count
    return n_("{count} tenant to change", "{count} tenants to change", count, count=reader.number(count))


def people(page: Page) -> dict[str, str]:
    """Return the names of those who plan and approve, by e-mail address."""
    return {a.email: a.name for a in access.list_staff(page.desk)} | {SYSTEM.email: _("the schedule")}


def person(page: Page, email: str) -> str:
    """Return somebody's name; of one who has left, the address."""
    return people(page).get(email, email)


def show(page: Page, plan: Plan, names: Mapping[str, str]) -> None:
    """Step 2: draw the plan, exceptions first."""
    reader = page.reader
    _print.heading(_("2 · Look at what changes"))
    st.caption(
        _(
            "Compared with what Stripe held {time}, by {who}. {scope}",
            time=reader.as_of(plan.requested_at, page.now),
            who=_words.inert(person(page, plan.requested_by)),
            scope=_("All tenants.")
            if plan.scope is None
            else n_(
                "{count} chosen tenant.",
                "{count} chosen tenants.",
                len(plan.scope),
                count=reader.number(len(plan.scope)),
            ),
        )
    )
    if plan.actions:
        _totals(page, plan)
        _changes(page, plan, names)
    else:
        st.success(
            _("Stripe holds every number that is occupied. There is nothing to report."), icon=":material/check_circle:"
        )
    if plan.skipped:
        _skipped(page, plan, names)
    if plan.actions or plan.skipped:
        _tables.beside(unit_runs.report(page.desk, plan, names), reader, key="plan", what=f"units_{plan.plan_id}")


def _totals(page: Page, plan: Plan) -> None:
    reader, totals = page.reader, unit_runs.totals(plan)
    with st.grid(4, min_column_width=160, gap="small"):
        _print.metric(
            _("Tenants to change"),
            reader.number(totals.tenants_count),
            n_("{count} stands out", "{count} stand out", totals.flagged_count, count=totals.flagged_count)
            if totals.flagged_count
            else None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
            help=_("Stands out: to zero, or by 20 % and at least 5 units, unless set otherwise."),
        )
        _print.metric(_("Units added"), reader.number(totals.more_count), border=True, height="stretch")
        _print.metric(_("Units taken away"), reader.number(totals.fewer_count), border=True, height="stretch")
        for currency, effect_minor in totals.effect_minor.items():
            _print.metric(
                _("On running bills, {currency}", currency=currency.upper()),
                reader.amount(effect_minor, currency),
                border=True,
                height="stretch",
                help=_(EFFECT_HELP),
            )


def _changes(page: Page, plan: Plan, names: Mapping[str, str]) -> None:
    table = unit_runs.actions_table(plan, names)
    currencies = {c for c in table["currency"].to_pylist() if c}
    one = next(iter(currencies)) if len(currencies) == 1 else None
    is_begun = plan.started_at is not None
    marks = [
        state_word(state) if is_begun else (_(unit_runs.STANDS_OUT) if flagged else None)
        for state, flagged in zip(table["state"].to_pylist(), table["is_flagged"].to_pylist(), strict=True)
    ]
    _tables.show(
        _tables.with_texts(_tables.with_codes(_named(table)), "mark", marks),
        [
            Column("name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column("before_count", _("Units before"), "count", _("What Stripe held when the plan was made."), 105),
            Column("after_count", _("Units after"), "count", _("What Stripe holds afterwards."), 100),
            Column("change_count", _("Change"), "count", width=80),
            Column(
                "effect_minor", _("Running bill") + (f", {one.upper()}" if one else ""), "money", _(EFFECT_HELP), 130
            ),
            *([] if one else [Column("currency_code", _("Currency"), width=85)]),
            Column("mark", _("Status"), "status", width=150),
            Column("note", _("Why"), width=520),
        ],
        key="plan_changes",
        reader=page.reader,
        currency=one,
        alt=_("Changes of units by tenant, what stands out first"),
        on_open={"name": _behind.open_tenant},
        rows=14,
    )


def undone(page: Page, plan: Plan, names: Mapping[str, str]) -> None:
    """Draw the changes that are not done, each with its reason."""
    table = unit_runs.actions_table(plan, names, is_undone_only=True)
    _tables.show(
        _tables.with_texts(_named(table), "mark", [state_word(state) for state in table["state"].to_pylist()]),
        [
            Column("name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column("mark", _("Status"), "status", width=150),
            Column("note", _("Why"), width=900),
        ],
        key="plan_undone",
        reader=page.reader,
        alt=_("Changes that are not done, with the reason"),
        on_open={"name": _behind.open_tenant},
        rows=8,
    )


def _skipped(page: Page, plan: Plan, names: Mapping[str, str]) -> None:
    count = len(plan.skipped)
    _print.section(
        n_("{count} tenant is left alone", "{count} tenants are left alone", count, count=page.reader.number(count))
    )
    _tables.show(
        _named(unit_runs.skipped_table(plan, names)),
        [
            Column("name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column("note", _("What happens"), width=900),
        ],
        key="plan_skipped",
        reader=page.reader,
        alt=_("Tenants that are left alone, with the reason"),
        on_open={"name": _behind.open_tenant},
        rows=6,
    )


def _named(table: pa.Table) -> pa.Table:
    ids, called = table["tenant_id"].to_pylist(), table["name"].to_pylist()
    return _tables.with_texts(table, "name", [n or t or NOTHING for t, n in zip(ids, called, strict=True)])
