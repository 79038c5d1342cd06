"""The history of the demo company, from its first day to today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

from billing_core.periods import add_months, month_of
from billing_core.sandbox.context import Context
from billing_core.sandbox.demo import money_stories, planted, stories
from billing_core.sandbox.demo.cast import Tenant, cast
from billing_core.sandbox.demo.catalogue import set_up
from billing_core.sandbox.demo.platform import GONE, Platform
from billing_core.sandbox.demo.stage import HOUR, Stage, at_local, day_of, instant_of
from billing_core.sandbox.demo.units import Occupancy
from billing_core.sandbox.state import Obj

ONE_DAY = timedelta(days=1)
# Stories register themselves when their module is loaded.
STORY_MODULES = (stories, money_stories, planted)
# How many tenants of each kind have moves today that the next sync must act on.
DUE = 4


def play(
    ctx: Context, *, seed: int, today: date | datetime, months: int, tenants: int, progress: Callable[[float], None]
) -> Platform:
    """Let the company live through its months.

    Args:
        ctx: an account without objects.
        seed: decides every draw.
        today: the last day; the history ends as it begins (in the reporting zone), or at the instant given.
        months: calendar months, the running one included.
        tenants: how many.
        progress: gets the share that is over.

    Returns:
        The platform with its tenants as they are at the end.
    """
    ends = instant_of(today)
    last_day = day_of(ends)
    first_day = add_months(month_of(last_day), -(months - 1))
    begins = min(at_local(first_day), ends - 24 * HOUR)
    with ctx.state.transaction():
        ctx.state.set_meta(now=begins, created=begins, offset=0)
    stage = Stage(ctx, begins, ends)
    people = cast(seed, tenants, first_day, last_day)
    platform = Platform(stage, set_up(ctx), people)
    stage.on("customer.subscription.deleted", lambda subscription: _move_out(platform, subscription))
    platform.start_syncing()
    planted.orphan_customer(platform)
    for tenant in people:
        _put_on_stage(platform, tenant)
    stage.run(progress)
    _moves_of_today(platform, last_day)
    return platform


def _put_on_stage(platform: Platform, tenant: Tenant) -> None:
    begin = stories.STORIES[tenant.part.story]
    moment = stories.joining_moment(tenant, platform.stage.begins)
    platform.stage.at(min(moment, platform.stage.ends - HOUR), lambda: begin(platform, tenant))


def _move_out(platform: Platform, subscription: Obj) -> None:
    """Who leaves takes its residents along: nothing is occupied any more from that day on."""
    for tenant in platform.tenants:
        is_gone = tenant.subscription == subscription["id"] and tenant.part.story != "switch_to_licensed"
        if is_gone:
            stories.close(tenant, day_of(subscription["ended_at"] or platform.stage.now))


def _moves_of_today(platform: Platform, today: date) -> None:
    """Let some tenants' counts change on the very last day, after the last sync: these changes are due."""
    state = platform.stage.ctx.state
    changed = {"unit": 0, "licensed": 0}
    for tenant in platform.tenants:
        subscription = state.get("subscription", tenant.subscription)
        if tenant.part.story != "ordinary" or not subscription or subscription["status"] in GONE:
            continue
        for item in state.where("subscription_item", "subscription", tenant.subscription):
            role = planted.role_of(platform.stage, item)
            if changed.get(role, DUE) >= DUE:
                continue
            if role == "unit":
                told = tenant.reported.get((item["id"], item["current_period_start"]), 0)
                _move_in(tenant, today, max(1, told - tenant.counts.on(today) + 2))
            elif changed[role] % 2:
                _move_in(tenant, today, max(1, item["quantity"] - tenant.counts.on(today) + 1))
            else:
                _leave(tenant, today, max(1, tenant.counts.on(today) - item["quantity"] + 1))
            changed[role] += 1


def _move_in(tenant: Tenant, day: date, units: int) -> None:
    name = tenant.tenant_id.removeprefix("t_")
    new = [Occupancy(f"o_{name}_n{n + 1:03d}", f"u_{name}_n{n + 1:02d}", day, None) for n in range(units)]
    tenant.fix([*tenant.occupancies, *new])


def _leave(tenant: Tenant, day: date, units: int) -> None:
    living = [o for o in tenant.occupancies if o.starts_on < day and o.ends_on is None and not o.is_deleted]
    leaving = {o.occupancy_id for o in living[: min(units, max(0, len(living) - 1))]}
    tenant.fix([replace(o, ends_on=day) if o.occupancy_id in leaving else o for o in tenant.occupancies])
