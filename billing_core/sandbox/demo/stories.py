"""What happens to tenants in the demo company, beyond moves, syncs and payments: one function per story.

Each story begins when the tenant joins, and puts on the stage's list what happens later. It looks at the state before
it acts, because a short history may end before its time comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from billing_core.sandbox.demo.cast import Tenant
from billing_core.sandbox.demo.platform import Platform
from billing_core.sandbox.demo.stage import DAY, HOUR, at_local
from billing_core.sandbox.demo.units import Occupancy
from billing_core.sandbox.errors import StripeFault

Story = Callable[[Platform, Tenant], None]
STORIES: dict[str, Story] = {}


def story(name: str) -> Callable[[Story], Story]:
    """Register a story by its name."""

    def register(tell: Story) -> Story:
        STORIES[name] = tell
        return tell

    return register


def joining_moment(tenant: Tenant, begins: int) -> int:
    """Return when a tenant signs up: in office hours of the day it was created on."""
    day = at_local(tenant.created_on, tenant.rng.randint(8, 16), tenant.rng.randint(0, 59), tenant.rng.randint(0, 59))
    return max(day, begins + HOUR + tenant.rng.randint(0, 6 * HOUR))


def at_share(platform: Platform, tenant: Tenant, share: float, action: Callable[[], None]) -> None:
    """Let something happen when so much of the rest of the history is over."""
    now, ends = platform.stage.now, platform.stage.ends
    platform.stage.at(now + int((ends - now) * share) + tenant.rng.randint(0, 2 * DAY), action)


def before_renewal(platform: Platform, tenant: Tenant, action: Callable[[], None], *, days: int = 2) -> None:
    """Let something happen so many days before the current period ends."""
    end = platform.period_end(tenant)
    if end is not None:
        platform.stage.at(end - days * DAY, action)


def close(tenant: Tenant, day: date) -> None:
    """End all of a tenant's occupancies on a day."""
    kept = [o for o in tenant.occupancies if o.starts_on < day]
    tenant.fix([replace(o, ends_on=day) if o.ends_on is None or o.ends_on > day else o for o in kept])


def reopen(tenant: Tenant, day: date, units: int) -> None:
    """Let residents move in again after a time away."""
    name = tenant.tenant_id.removeprefix("t_")
    back = [Occupancy(f"o_{name}_r{n + 1:03d}", f"u_{name}_{n + 1:03d}", day, None) for n in range(units)]
    tenant.fix([*tenant.occupancies, *back])


@story("ordinary")
def ordinary(platform: Platform, tenant: Tenant) -> None:
    """Sign up, stay, pay."""
    platform.create_customer(tenant)
    platform.subscribe(tenant)


# --- trials -----------------------------------------------------------------------------------------------------------


@story("trial_converts")
def trial_converts(platform: Platform, tenant: Tenant) -> None:
    """Fourteen days, the card comes on the tenth."""
    _trial(platform, tenant, "cancel")
    platform.stage.at(platform.stage.now + 10 * DAY, lambda: platform.use_card(tenant, "pm_card_dk"))


@story("trial_lapses")
def trial_lapses(platform: Platform, tenant: Tenant) -> None:
    """Fourteen days, no card, canceled."""
    _trial(platform, tenant, "cancel")


@story("trial_without_card")
def trial_without_card(platform: Platform, tenant: Tenant) -> None:
    """Fourteen days, no card, paused until one comes, which it does not."""
    _trial(platform, tenant, "pause")


@story("trial_now")
def trial_now(platform: Platform, tenant: Tenant) -> None:
    """In trial today."""
    _trial(platform, tenant, "cancel")


def _trial(platform: Platform, tenant: Tenant, without_card: str) -> None:
    platform.create_customer(tenant, None)
    platform.subscribe(
        tenant,
        trial_period_days=14,
        trial_settings={"end_behavior": {"missing_payment_method": without_card}},
    )


# --- changes of price, pauses, ends -----------------------------------------------------------------------------------


def _change_price(platform: Platform, tenant: Tenant, pricing: str, behavior: str) -> None:
    if not platform.subscription(tenant):
        return
    items = platform.stage.ctx.state.where("subscription_item", "subscription", tenant.subscription)
    platform.stage.call(
        "POST",
        f"subscriptions/{tenant.subscription}",
        items=[{"id": items[0]["id"], "price": platform.catalogue.prices[pricing, tenant.currency]}],
        proration_behavior=behavior,
    )


@story("upgrade")
def upgrade(platform: Platform, tenant: Tenant) -> None:
    """Takes the larger product in the middle of a period, invoiced at once."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.45, lambda: _change_price(platform, tenant, "plus", "always_invoice"))


@story("downgrade")
def downgrade(platform: Platform, tenant: Tenant) -> None:
    """Goes back to the smaller product; the difference is on the next invoice."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.55, lambda: _change_price(platform, tenant, "licensed", "create_prorations"))


@story("switch_to_licensed")
def switch_to_licensed(platform: Platform, tenant: Tenant) -> None:
    """Leaves the metered product at the end of a period and takes the licensed one from then on."""
    ordinary(platform, tenant)

    def switch() -> None:
        end = platform.period_end(tenant)
        if end is None:
            return
        platform.stage.call("POST", f"subscriptions/{tenant.subscription}", cancel_at_period_end=True)
        platform.stage.at(end + 2 * HOUR, begin)

    def begin() -> None:
        platform.subscribe(tenant, items=platform.items(tenant, "licensed"))

    at_share(platform, tenant, 0.5, switch)


@story("pause")
def pause(platform: Platform, tenant: Tenant) -> None:
    """Rebuilds for two months; collection is paused and invoices are void meanwhile."""
    ordinary(platform, tenant)

    def stop() -> None:
        if platform.subscription(tenant):
            platform.stage.call("POST", f"subscriptions/{tenant.subscription}", pause_collection={"behavior": "void"})
            platform.stage.at(platform.stage.now + 61 * DAY, go_on)

    def go_on() -> None:
        if platform.subscription(tenant):
            platform.stage.call("POST", f"subscriptions/{tenant.subscription}", pause_collection="")

    at_share(platform, tenant, 0.4, stop)


@story("pause_now")
def pause_now(platform: Platform, tenant: Tenant) -> None:
    """Collection is paused today; invoices stay drafts."""
    ordinary(platform, tenant)

    def stop() -> None:
        if platform.subscription(tenant):
            behavior = {"behavior": "keep_as_draft", "resumes_at": platform.stage.ends + 40 * DAY}
            platform.stage.call("POST", f"subscriptions/{tenant.subscription}", pause_collection=behavior)

    platform.stage.at(platform.stage.ends - 40 * DAY, stop)


@story("leaves")
def leaves(platform: Platform, tenant: Tenant) -> None:
    """Cancels at the end of a period."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.7, lambda: _cancel_at_period_end(platform, tenant))


@story("leaves_soon")
def leaves_soon(platform: Platform, tenant: Tenant) -> None:
    """Has canceled; the period is not over yet."""
    ordinary(platform, tenant)
    platform.stage.at(platform.stage.ends - 2 * DAY, lambda: _cancel_at_period_end(platform, tenant))


def _cancel_at_period_end(platform: Platform, tenant: Tenant) -> None:
    if platform.subscription(tenant):
        platform.stage.call(
            "POST",
            f"subscriptions/{tenant.subscription}",
            cancel_at_period_end=True,
            cancellation_details={"feedback": "unused"},
        )


@story("cancel_and_return")
def cancel_and_return(platform: Platform, tenant: Tenant) -> None:
    """Cancels at once, is credited for the rest, and comes back four months later."""
    ordinary(platform, tenant)

    def cancel() -> None:
        if platform.subscription(tenant):
            platform.stage.call("DELETE", f"subscriptions/{tenant.subscription}", invoice_now=True, prorate=True)
            platform.stage.at(platform.stage.now + 120 * DAY, come_back)

    def come_back() -> None:
        reopen(tenant, platform.stage.today, tenant.part.size + 2)
        platform.subscribe(tenant)

    at_share(platform, tenant, 0.35, cancel)


@story("empty")
def empty(platform: Platform, tenant: Tenant) -> None:
    """All units are sold one day; zero units are reported, the base fee goes on."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.5, lambda: close(tenant, platform.stage.today))


@story("deleted")
def deleted(platform: Platform, tenant: Tenant) -> None:
    """Leaves, and is deleted in the platform and at Stripe."""
    ordinary(platform, tenant)

    def leave() -> None:
        if platform.subscription(tenant):
            try:
                platform.stage.call("DELETE", f"customers/{tenant.customer}")
            except StripeFault:
                return
            tenant.deleted_on = platform.stage.today

    at_share(platform, tenant, 0.65, leave)
