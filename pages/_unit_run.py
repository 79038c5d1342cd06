"""What becomes of a plan of units: asked for with a reason, approved by somebody else, watched, and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from billing_core.errors import BillingError
from billing_core.services import access, plans, unit_runs
from billing_core.services.language import _, n_
from billing_core.services.reasons import LONGEST
from billing_core.services.stored_plans import Plan
from billing_core.services.unit_runs import Standing
from pages import _filters, _print, _unit_plan, _words
from pages._frame import Page

WATCH_SECONDS = 1.0


def failed(title: str, error: BillingError) -> None:
    """Say what went wrong with a click, and that nothing was changed."""
    st.error(
        _("{what} Nothing was changed in Stripe.", what=_words.inert(str(error))),
        title=title,
        icon=":material/error:",
    )


def show(page: Page, plan: Plan, names: Mapping[str, str], standing: Standing) -> None:
    """Draw what comes next for a plan, or how it ended."""
    match plan.state:
        case "planned" if plan.actions:
            _ask(page, plan, standing)
        case "waiting":
            _approval(page, plan, standing)
        case "running":
            _print.heading(_("5 · Watch"))
            _watch(page, plan.plan_id)
        case "rejected":
            _rejected(page, plan)
        case "done" | "partly_done" | "unknown" | "failed":
            _result(page, plan, names, standing)
        case _:
            pass


def _ask(page: Page, plan: Plan, standing: Standing) -> None:
    """Steps 3 and 4: the reason, and the button that says what it does."""
    if not access.is_allowed(page.desk, page.actor, "units.sync"):
        st.caption(_("Your role looks and approves; comparing and reporting take support, finance or admin."))
        return
    _print.heading(_("3 · Say why"))
    count = unit_runs.totals(plan).tenants_count
    written = page.reader.number(count)
    if plan.is_approved:
        label = n_("Report {count} tenant to Stripe", "Report {count} tenants to Stripe", count, count=written)
    else:
        label = n_(
            "Ask for approval to report {count} tenant",
            "Ask for approval to report {count} tenants",
            count,
            count=written,
        )
        _why_approval(plan)
    with st.form(f"report_{plan.plan_id}"):
        reason = _reason_field(_("Why is this reported now?"), _("Monthly check before invoicing"))
        is_sent = st.form_submit_button(
            label, type="primary", icon=":material/send:", disabled=standing.stop is not None
        )
    if is_sent:
        _do(_("Nothing was reported"), lambda: _submit(page, plan, reason))


def _submit(page: Page, plan: Plan, reason: str | None) -> Plan:
    return plans.submit(page.desk, page.actor, plan.plan_id, expected_hash=plan.hash, reason=reason)


def _why_approval(plan: Plan) -> None:
    shown, more = plan.approval_needed[:5], len(plan.approval_needed) - 5
    lines = [f"- {_words.inert(why)}" for why in shown]
    if more > 0:
        lines.append("- " + n_("and {count} more reason", "and {count} more reasons", more, count=more))
    st.warning("\n".join(lines), title=_("A second person has to approve this"), icon=":material/group:")


def _approval(page: Page, plan: Plan, standing: Standing) -> None:
    """Who asked and why; for somebody else who may, the decision."""
    _print.heading(_("Waiting for approval"))
    asked_by = _unit_plan.person(page, plan.applied_by or plan.requested_by)
    st.markdown(_("**{who}** asks for this.", who=_words.inert(asked_by)))
    if plan.reason:
        st.text(plan.reason)
    _why_approval(plan)
    if page.actor.email in (plan.requested_by, plan.applied_by):
        st.info(
            _(
                "You asked for it, so somebody else decides: finance, a manager or an admin. "
                "Send them the link of this page."
            ),
            icon=":material/person_check:",
        )
        return
    if not access.is_allowed(page.desk, page.actor, "plan.approve"):
        st.info(_("Finance, a manager or an admin decides on it."), icon=":material/person_check:")
        return
    count = unit_runs.totals(plan).tenants_count
    label = n_(
        "Approve, and report {count} tenant to Stripe",
        "Approve, and report {count} tenants to Stripe",
        count,
        count=page.reader.number(count),
    )
    with st.form(f"decide_{plan.plan_id}"):
        reason = _reason_field(_("Why do you approve or reject it?"), _("Checked with the tenant"))
        with st.container(horizontal=True):
            is_approved = st.form_submit_button(
                label, type="primary", icon=":material/check:", disabled=standing.stop is not None
            )
            is_rejected = st.form_submit_button(_("Reject"), icon=":material/close:")
    if is_approved:
        _do(_("It was not approved"), lambda: plans.approve(page.desk, page.actor, plan.plan_id, reason))
    if is_rejected:
        _do(_("It was not rejected"), lambda: plans.reject(page.desk, page.actor, plan.plan_id, reason))


def _reason_field(label: str, placeholder: str) -> str:
    said = st.text_area(
        label,
        max_chars=LONGEST,
        placeholder=placeholder,
        height=80,
        help=_("It is kept with the plan and in the audit log, with your name."),
    )
    return said or ""


def _do(title: str, act: Callable[[], Plan]) -> None:
    """Do what a click asks for and draw the page anew; refused, say so."""
    try:
        act()
    except BillingError as error:
        failed(title, error)
        return
    st.rerun()


@st.fragment(run_every=WATCH_SECONDS)
def _watch(page: Page, plan_id: str) -> None:
    """Step 5: how far the worker is, read from the database; drawn anew when it has ended."""
    try:
        plan = unit_runs.get(page.desk, page.actor, plan_id)
    except BillingError as error:
        st.warning(_words.inert(str(error)), icon=":material/cloud_off:")
        return
    if plan.state != "running":
        st.rerun()
    reader, far = page.reader, unit_runs.progress(plan)
    st.progress(
        far.done_ratio,
        text=_(
            "{done} of {all} read back and right, {sent} taken by Stripe, {trouble} with trouble",
            done=reader.number(far.done_count),
            all=reader.number(far.all_count),
            sent=reader.number(far.sent_count),
            trouble=reader.number(far.trouble_count),
        ),
    )
    st.caption(_("It goes on when you leave this page; come back to it by its link."))


def _rejected(page: Page, plan: Plan) -> None:
    _print.heading(_("Rejected"))
    if plan.decision is not None:
        st.warning(
            _(
                "{who} rejected it: {why}",
                who=_words.inert(_unit_plan.person(page, plan.decision.decided_by)),
                why=_words.inert(plan.decision.reason),
            ),
            icon=":material/thumb_down:",
        )
    st.caption(_("Nothing was reported. Make a new comparison when things have changed."))


def _result(page: Page, plan: Plan, names: Mapping[str, str], standing: Standing) -> None:
    """Step 6: what was verified; what was not done, why, and the way on."""
    if not plan.actions:
        return
    reader, undone = page.reader, unit_runs.undone_count(plan)
    _print.heading(_("6 · Result"))
    count = reader.number(len(plan.actions))
    if plan.state == "done":
        st.success(
            n_(
                "{count} change is reported. It was read back from Stripe and is the number that was planned.",
                "{count} changes are reported. Each was read back from Stripe and is the number that was planned.",
                len(plan.actions),
                count=count,
            ),
            icon=":material/verified:",
        )
    else:
        st.error(
            _words.inert(plan.trouble) or _("It ended without a reason."),
            title=_("{undone} of {all} changes are not done", undone=reader.number(undone), all=count),
            icon=":material/error:",
        )
    _facts(page, plan)
    if plan.state == "done":
        return
    _unit_plan.undone(page, plan, names)
    if not access.is_allowed(page.desk, page.actor, "units.sync"):
        return
    with st.container(horizontal=True):
        if plan.started_at is not None and st.button(
            n_(
                "Try the {count} that is not done again",
                "Try the {count} that are not done again",
                undone,
                count=undone,
            ),
            type="primary",
            icon=":material/replay:",
            disabled=standing.stop is not None,
            key="retry",
            help=_("What is done is not repeated. What has no known result is read back before anything is sent."),
        ):
            _do(_("Nothing was repeated"), lambda: _submit(page, plan, None))
        if st.button(_("Compare again"), icon=":material/compare_arrows:", key="compare_again"):
            _filters.put("plan", None)
            st.rerun()


def _facts(page: Page, plan: Plan) -> None:
    """Who reported, who approved, how long it took."""
    reader, took = page.reader, unit_runs.duration(plan)
    facts = [_("Reported by {who}", who=_words.inert(_unit_plan.person(page, plan.applied_by or plan.requested_by)))]
    if plan.decision is not None:
        facts.append(_("approved by {who}", who=_words.inert(_unit_plan.person(page, plan.decision.decided_by))))
    if took is not None:
        seconds = round(took.total_seconds())
        facts.append(n_("{count} second", "{count} seconds", seconds, count=reader.number(seconds)))
    if plan.calls_count is not None:
        facts.append(n_("{count} call", "{count} calls", plan.calls_count, count=reader.number(plan.calls_count)))
    st.caption(" · ".join(facts))
    if plan.reason:
        st.text(plan.reason)
