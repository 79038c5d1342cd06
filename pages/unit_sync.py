"""Unit sync: what Stripe has to be told about occupied units, looked at before it is said, watched and verified.

The link names the plan, so that it can be sent to the one who approves. The page plans by asking Stripe while a spinner
turns; what changes something is a job that a worker does, read back here from the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from billing_core.errors import BillingError, NotFoundError
from billing_core.services import access, unit_runs
from billing_core.services.language import _, n_
from billing_core.services.reports import Report
from billing_core.services.stored_plans import Plan
from billing_core.services.unit_runs import Standing
from pages import _filters, _frame, _print, _tables, _unit_plan, _unit_run, _words
from pages._frame import Page
from pages._tables import Column

MOST_CHOSEN = 200


def _asked_for(page: Page) -> Plan | None:
    """The plan in the link; None with a remark when there is none of that id."""
    plan_id = _filters.identifier("plan")
    if plan_id is None:
        return None
    try:
        return unit_runs.get(page.desk, page.actor, plan_id)
    except NotFoundError:
        _filters.note(_("The link asks for the plan “{asked}”, which is not there.", asked=plan_id[:40]))
        _filters.put("plan", None)
        return None


def _answer(page: Page, standing: Standing) -> None:
    """Say when units were last reported, how that ended, and who waits for whom."""
    reader, last = page.reader, standing.last_run
    if last is None or last.ended_at is None:
        said = _("Units have not been reported from here yet.")
    elif last.state == "done":
        said = n_(
            "Last reported {time}: **{count} change**, read back and right.",
            "Last reported {time}: **{count} changes**, read back and right.",
            len(last.actions),
            time=reader.as_of(last.ended_at, page.now),
            count=reader.number(len(last.actions)),
        )
    else:
        said = _(
            "The last run ended {time}: **{undone} of {all} changes are not done**.",
            time=reader.as_of(last.ended_at, page.now),
            undone=reader.number(unit_runs.undone_count(last)),
            all=reader.number(len(last.actions)),
        )
    if standing.waiting:
        count = len(standing.waiting)
        said += " " + n_(
            "**{count} plan** waits for approval.", "**{count} plans** wait for approval.", count, count=count
        )
    _print.answer(said)


def _notices(page: Page, standing: Standing, shown: Plan | None) -> None:
    """Say what stands in the way: the switch, nobody who works; and lead to what runs or waits."""
    if standing.stop is not None:
        st.error(
            _(
                "{who} stopped them: {why} Plans can be made and looked at, but nothing is reported. "
                "An admin or finance goes on with `billing writes allow`.",
                who=_words.inert(_unit_plan.person(page, standing.stop.by)),
                why=_words.inert(standing.stop.reason),
            ),
            title=_("All writes to Stripe are stopped"),
            icon=":material/block:",
        )
    elif shown is not None and not standing.has_worker:
        st.warning(
            _("Nobody is there to do jobs; what is reported now waits until `billing up` or `billing worker` runs."),
            icon=":material/hourglass_disabled:",
        )
    others = [p for p in (standing.running, *standing.waiting) if p is not None]
    for plan in others:
        if shown is not None and plan.plan_id == shown.plan_id:
            continue
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"other_{plan.plan_id}"):
            st.markdown(
                _(
                    "**{state}**: {changes}, asked for by {who}, {time}",
                    state=_unit_plan.state_word(plan.state),
                    changes=_unit_plan.changes(plan, page.reader),
                    who=_words.inert(_unit_plan.person(page, plan.requested_by)),
                    time=page.reader.as_of(plan.requested_at, page.now),
                ),
                width="stretch",
            )
            is_running = plan.state == "running"
            if st.button(_("Watch it") if is_running else _("Look at it"), key=f"look_{plan.plan_id}"):
                _filters.put("plan", plan.plan_id)
                st.rerun()


def _choose(page: Page, tenants: Report, names: Mapping[str, str]) -> None:
    """Step 1: all tenants or some, and the comparison with Stripe."""
    _print.heading(_("1 · Choose"))
    chosen = _filters.several(
        _("Tenants"),
        "tenant",
        sorted(names, key=lambda t: (names[t].casefold(), t)),
        most=MOST_CHOSEN,
        name=lambda t: names[t],
        placeholder=_("All tenants"),
        help=_("Leave it empty for all. Only the chosen ones are compared with Stripe and reported."),
    )
    count = len(chosen) or len(names)
    label = (
        n_("Compare {count} tenant with Stripe", "Compare {count} tenants with Stripe", count, count=count)
        if chosen
        else n_("Compare the only tenant with Stripe", "Compare all {count} tenants with Stripe", count, count=count)
    )
    may = access.is_allowed(page.desk, page.actor, "units.sync")
    is_asked = st.button(label, type="primary", icon=":material/compare_arrows:", disabled=not may, key="compare")
    if may:
        st.caption(_("Nothing is changed by comparing. You see every change before anything is reported."))
    else:
        st.caption(_("Your role looks and approves; comparing and reporting take support, finance or admin."))
    if is_asked and may:
        _compare(page, chosen)
    rows = tenants.table.sort_by([("units_count", "descending"), ("name", "ascending")])
    _print.section(_("What is occupied today"))
    _tables.show(
        _tables.with_codes(rows),
        [
            Column("name", _("Tenant"), width=260),
            Column("units_count", _("Units"), "count", _("Distinct units occupied today."), 90),
            Column("subscriptions_count", _("Subscriptions"), "count", _("Running subscriptions."), 120),
            Column("currency_code", _("Currency"), width=90),
            Column("deleted_on", _("Deleted"), "date", width=120),
        ],
        key="occupied",
        reader=page.reader,
        alt=_("Tenants and the units they occupy today"),
        rows=8,
    )
    _tables.beside(tenants, page.reader, key="occupied", what="tenants")


def _compare(page: Page, chosen: Sequence[str]) -> None:
    try:
        with st.spinner(_("Asking Stripe what it holds …"), show_time=True):
            plan = unit_runs.make(page.desk, page.actor, now=page.now, tenant_ids=list(chosen) or None)
    except BillingError as error:
        _unit_run.failed(_("The comparison could not be made"), error)
        return
    _filters.put("plan", plan.plan_id)
    st.rerun()


def _history(page: Page, standing: Standing) -> None:
    """What was planned and reported before."""
    if not standing.history:
        return
    _print.heading(_("History"))
    table = unit_runs.history_table(standing.history, _unit_plan.people(page))
    table = _tables.with_texts(table, "state", [_unit_plan.state_word(s) for s in table["state"].to_pylist()])
    # As a text: a browser would write the instant in its own zone.
    times = [page.reader.as_of(at, page.now) for at in table["requested_at"].to_pylist()]
    table = _tables.with_texts(table, "requested_at", times)
    _tables.show(
        table,
        [
            Column("requested_at", _("Planned"), width=150),
            Column("state", _("Status"), "status", width=170),
            Column("requested_by", _("Asked for by"), "open", _("Open the plan"), 150),
            Column("changes_count", _("Changes"), "count", width=90),
            Column("done_count", _("Done"), "count", _("Read back from Stripe and right."), 80),
            Column("trouble_count", _("Not done"), "count", _("Failed, or without a known result."), 90, True),
            Column("calls_count", _("Calls"), "count", _("Calls to Stripe while reporting and reading back."), 80),
            Column("seconds_count", _("Seconds"), "count", _("From the first start to the last end."), 90),
        ],
        key="history",
        reader=page.reader,
        alt=_("Plans of units, the newest first"),
        on_open={"requested_by": lambda row: _filters.put("plan", row["plan_id"])},
        rows=12,
    )


def body(page: Page) -> None:
    """Draw the page."""
    tenants = page.report("tenants_list")
    if tenants.table.num_rows == 0:
        _frame.empty(
            _("No tenants yet"),
            _("There are no tenants whose units could be reported. Import tenants and occupancies, then refresh."),
            command="billing import tenants tenants.csv\nbilling import occupancies occupancies.csv\nbilling refresh",
        )
        return
    ids, called = tenants.table["tenant_id"].to_pylist(), tenants.table["name"].to_pylist()
    names = {tenant: name or tenant for tenant, name in zip(ids, called, strict=True)}
    standing = unit_runs.standing(page.desk, page.actor)
    plan = _asked_for(page)
    _answer(page, standing)
    _notices(page, standing, plan)
    if plan is None:
        _choose(page, tenants, names)
    else:
        if st.button(_("New comparison"), icon=":material/arrow_back:", type="tertiary", key="back"):
            _filters.put("plan", None)
            st.rerun()
        _unit_plan.show(page, plan, names)
        _unit_run.show(page, plan, names, standing)
    _history(page, standing)


_frame.show("unit_sync", body)
