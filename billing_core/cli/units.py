"""`billing units`, `approve`, `reject` and `writes`: changing units in Stripe, and who lets it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from billing_core.cli.context import ActingAs, Context, open_context
from billing_core.errors import ConflictError
from billing_core.money import to_major
from billing_core.settings import Mode, load_settings

if TYPE_CHECKING:
    from billing_core.services.stored_plans import Plan

PlanId = Annotated[str, typer.Argument(metavar="PLAN_ID", help="Which plan.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stands in the audit log.")]
POLL_SECONDS = 0.5
# Exit codes of a run that was waited for.
WAITING, NOT_DONE = 5, 1


def register(app: typer.Typer) -> None:
    """Add the commands."""
    units = typer.Typer(no_args_is_help=True, help="Tell Stripe how many units each tenant occupies.")
    units.command("plan")(plan)
    units.command("apply")(apply)
    units.command("show")(show)
    app.add_typer(units, name="units")
    app.command("approve")(approve)
    app.command("reject")(reject)
    writes = typer.Typer(no_args_is_help=True, help="The switch that stops all writes to Stripe.")
    writes.command("stop")(stop)
    writes.command("allow")(allow)
    app.add_typer(writes, name="writes")


def plan(
    tenants: Annotated[
        list[str] | None, typer.Option("--tenant", metavar="TENANT", help="Only this tenant; may be repeated.")
    ] = None,
    as_json: AsJson = False,
    acting_as: ActingAs = None,
) -> None:
    """Compare the occupied units with what Stripe holds and store what would be changed. Nothing is changed."""
    _needs_stripe()
    with open_context(acting_as=acting_as, needs_stripe=True) as context:
        from billing_core.gateway import open_gateway
        from billing_core.services import unit_sync

        made = unit_sync.plan(
            context.desk, context.actor, open_gateway(context.settings), now=context.now, tenant_ids=tenants or None
        )
    if as_json:
        typer.echo(json.dumps(made.as_json(), ensure_ascii=False))
        return
    for a in made.actions:
        money = f"{to_major(a.effect_minor, a.currency):+} {a.currency.upper()}"
        typer.echo(f"{a.tenant_id}  {a.before_count} → {a.after_count} units  {money}  {a.note or ''}")
    for left in made.skipped:
        typer.echo(f"{left['tenant_id']}  left alone: {left['reason']}")
    typer.echo(f"{made.plan_id}: {len(made.actions)} to change, {len(made.skipped)} left alone.")
    for why in made.approval_needed:
        typer.echo(f"A second person has to approve: {why}")
    if made.actions:
        typer.echo(f"Carry it out with: billing units apply {made.plan_id}")


def apply(
    plan_id: PlanId,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    expected_hash: Annotated[
        str | None, typer.Option("--hash", help="Of the plan that was looked at; another one is refused.")
    ] = None,
    as_json: AsJson = False,
    acting_as: ActingAs = None,
) -> None:
    """Carry out a plan, or go on with what is not done of it."""
    _needs_stripe()
    with open_context(acting_as=acting_as, needs_stripe=True) as context:
        from billing_core.gateway import open_gateway
        from billing_core.services import unit_sync

        gateway = open_gateway(context.settings)
        found = unit_sync.apply(
            context.desk, context.actor, gateway, plan_id, now=context.now, expected_hash=expected_hash
        )
        if wait:
            found = _wait(context, plan_id)
    _show(found, as_json=as_json)
    if wait and found.state != "done":
        raise typer.Exit(WAITING if found.state == "waiting" else NOT_DONE)


def show(plan_id: PlanId, as_json: AsJson = False, acting_as: ActingAs = None) -> None:
    """Show what became of a plan."""
    with open_context(acting_as=acting_as) as context:
        from billing_core.services import plans

        found = plans.get(context.desk, context.actor, plan_id)
    _show(found, as_json=as_json)


def approve(plan_id: PlanId, reason: Reason, as_json: AsJson = False, acting_as: ActingAs = None) -> None:
    """Approve a plan that somebody else has asked for; one that waits is carried out."""
    _decide("approve", plan_id, reason, as_json=as_json, acting_as=acting_as)


def reject(plan_id: PlanId, reason: Reason, as_json: AsJson = False, acting_as: ActingAs = None) -> None:
    """Refuse a plan that somebody else has asked for, for good."""
    _decide("reject", plan_id, reason, as_json=as_json, acting_as=acting_as)


def stop(reason: Reason, acting_as: ActingAs = None) -> None:
    """Stop all writes to Stripe, those of runs that are going on too."""
    _switch(reason, is_stopped=True, acting_as=acting_as)
    typer.echo("Nothing is written to Stripe any more. Go on with: billing writes allow --reason …")


def allow(reason: Reason, acting_as: ActingAs = None) -> None:
    """Allow writes to Stripe again."""
    _switch(reason, is_stopped=False, acting_as=acting_as)
    typer.echo("Writes to Stripe are allowed. Runs that stopped go on when they are applied again.")


def _decide(how: str, plan_id: str, reason: str, *, as_json: bool, acting_as: str | None) -> None:
    with open_context(acting_as=acting_as) as context:
        from billing_core.services import plans

        decide: Callable[..., Plan] = plans.approve if how == "approve" else plans.reject
        found = decide(context.desk, context.actor, plan_id, reason)
    _show(found, as_json=as_json)


def _switch(reason: str, *, is_stopped: bool, acting_as: str | None) -> None:
    with open_context(acting_as=acting_as) as context:
        from billing_core.services.write_policy import set_writes

        set_writes(context.desk, context.actor, is_stopped=is_stopped, reason=reason)


def _needs_stripe() -> None:
    if load_settings().mode is Mode.OFFLINE:
        raise ConflictError("BILLING_OFFLINE is set, so there is no Stripe to tell. Unset it.")


def _wait(context: Context, plan_id: str) -> Plan:
    """Wait until a plan does not run any more; without a worker, do its work here."""
    from billing_core.gateway import open_gateway
    from billing_core.services import plans, runs

    while True:
        found = plans.get(context.desk, context.actor, plan_id)
        if found.state != "running":
            return found
        if not runs.has_worker(context.desk):
            # The job stays queued: should this process be killed, a worker goes on.
            with suppress(ConflictError):
                gateway = open_gateway(context.settings)
                return runs.run(context.desk, gateway, plan_id, clock=lambda: datetime.now(UTC))
        time.sleep(POLL_SECONDS)


def _show(found: Plan, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.run_as_json(), ensure_ascii=False))
        return
    counts = ", ".join(f"{count} {state}" for state, count in found.counts.items() if count)
    typer.echo(f"{found.plan_id} is {found.state.replace('_', ' ')}: {counts or 'nothing to do'}.")
    if found.trouble:
        typer.echo(found.trouble)
    if found.state == "waiting":
        for why in found.approval_needed:
            typer.echo(f"A second person has to approve: {why}")
        typer.echo(f"They do it with: billing approve {found.plan_id} --reason …")
