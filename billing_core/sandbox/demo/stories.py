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
from billing_core.sandbox.state import Obj

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


# --- cards that fail --------------------------------------------------------------------------------------------------


def _failing_from(platform: Platform, tenant: Tenant, then: Callable[[], None] | None) -> None:
    """The card fails from the next renewal on; `then` happens four days after it."""

    def fail() -> None:
        end = platform.period_end(tenant)
        if end is None:
            return
        platform.use_card(tenant, "pm_card_chargeCustomerFail")
        if then is not None:
            platform.stage.at(end + HOUR + 4 * DAY, then)

    before_renewal(platform, tenant, fail)


@story("card_recovers")
def card_recovers(platform: Platform, tenant: Tenant) -> None:
    """Twice a card expires; a new one is given within days and the retry succeeds."""
    ordinary(platform, tenant)

    def new_card() -> None:
        platform.use_card(tenant, "pm_card_dk")

    for share in (0.3, 0.75):
        at_share(platform, tenant, share, lambda: _failing_from(platform, tenant, new_card))


@story("card_fails_to_the_end")
def card_fails_to_the_end(platform: Platform, tenant: Tenant) -> None:
    """All retries fail; the subscription ends."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.6, lambda: _failing_from(platform, tenant, None))


@story("past_due_now")
def past_due_now(platform: Platform, tenant: Tenant) -> None:
    """The last renewal failed some days ago and is being retried."""
    ordinary(platform, tenant)
    platform.stage.at(platform.stage.ends - 8 * DAY, lambda: _fail_if_alive(platform, tenant))


def _fail_if_alive(platform: Platform, tenant: Tenant) -> None:
    if platform.subscription(tenant):
        platform.use_card(tenant, "pm_card_chargeCustomerFail")


# --- disputes and refunds ---------------------------------------------------------------------------------------------


def _disputed_renewal(platform: Platform, tenant: Tenant, evidence: str | None) -> None:
    def use() -> None:
        end = platform.period_end(tenant)
        if end is None:
            return
        platform.use_card(tenant, "pm_card_createDispute")
        platform.stage.at(end + DAY, lambda: platform.use_card(tenant, "pm_card_dk"))
        if evidence:
            platform.stage.at(end + 9 * DAY, answer)

    def answer() -> None:
        charges = platform.stage.ctx.state.where("charge", "customer", tenant.customer)
        disputes = [d for c in charges for d in platform.stage.ctx.state.where("dispute", "charge", c["id"])]
        for dispute in disputes:
            if dispute["status"] == "needs_response":
                platform.stage.call(
                    "POST", f"disputes/{dispute['id']}", evidence={"uncategorized_text": evidence}, submit=True
                )

    before_renewal(platform, tenant, use)


@story("dispute_won")
def dispute_won(platform: Platform, tenant: Tenant) -> None:
    """A charge is disputed, evidence wins."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.4, lambda: _disputed_renewal(platform, tenant, "winning_evidence"))


@story("dispute_lost")
def dispute_lost(platform: Platform, tenant: Tenant) -> None:
    """A charge is disputed, evidence loses."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.5, lambda: _disputed_renewal(platform, tenant, "losing_evidence"))


@story("dispute_open")
def dispute_open(platform: Platform, tenant: Tenant) -> None:
    """A charge of the last days is disputed and nobody has answered yet."""
    ordinary(platform, tenant)
    platform.stage.at(platform.stage.ends - 8 * DAY, lambda: _disputed_renewal(platform, tenant, None))


@story("refund")
def refund(platform: Platform, tenant: Tenant) -> None:
    """A third of one payment is given back, later a whole one."""
    ordinary(platform, tenant)

    def give_back(share: int | None) -> None:
        for invoice in reversed(platform.invoices(tenant, "paid")):
            intent = platform.payment_of(invoice)
            if intent and invoice["amount_paid"] > 0:
                amount = invoice["amount_paid"] // share if share else None
                platform.stage.call(
                    "POST", "refunds", payment_intent=intent, amount=amount, reason="requested_by_customer"
                )
                return

    at_share(platform, tenant, 0.35, lambda: give_back(3))
    at_share(platform, tenant, 0.7, lambda: give_back(None))


# --- credit notes, voids, debts ---------------------------------------------------------------------------------------


def credit_lines(platform: Platform, invoice: Obj, share: int) -> None:
    """Credit one `share`-th of an open invoice's first line of some size, ex tax; its tax follows."""
    lines = platform.stage.ctx.state.where("line_item", "invoice", invoice["id"])
    line = next((entry for entry in lines if entry["amount"] >= 100 * share), None)
    if line is not None:
        platform.stage.call(
            "POST",
            "credit_notes",
            invoice=invoice["id"],
            lines=[{"type": "invoice_line_item", "invoice_line_item": line["id"], "amount": line["amount"] // share}],
            reason="order_change",
            memo="Rettelse af antal enheder",
        )


@story("credit_before_payment")
def credit_before_payment(platform: Platform, tenant: Tenant) -> None:
    """Too many units were billed; the open invoice is credited before the bank pays the rest."""
    ordinary(platform, tenant)

    def correct() -> None:
        for invoice in reversed(platform.invoices(tenant, "open")):
            credit_lines(platform, invoice, 4)
            return

    for share in (0.3, 0.6):
        at_share(platform, tenant, share, correct)


@story("credit_after_payment")
def credit_after_payment(platform: Platform, tenant: Tenant) -> None:
    """A paid invoice is credited to the customer's balance, which pays part of the next one."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.5, lambda: _credit_last_paid(platform, tenant, "credit_amount"))


@story("credit_refunded")
def credit_refunded(platform: Platform, tenant: Tenant) -> None:
    """A paid invoice is credited and the money goes back to the card."""
    ordinary(platform, tenant)
    at_share(platform, tenant, 0.5, lambda: _credit_last_paid(platform, tenant, "refund_amount"))


def _credit_last_paid(platform: Platform, tenant: Tenant, way: str) -> None:
    """Credit a third of the last invoice that a card paid; `way` says where the money goes."""
    for invoice in reversed(platform.invoices(tenant, "paid")):
        amount = invoice["amount_paid"] // 3
        if platform.payment_of(invoice) and amount:
            given = {"invoice": invoice["id"], "amount": amount, way: amount}
            platform.stage.call("POST", "credit_notes", **given, reason="order_change", memo="Efter aftale")
            return


@story("void_and_reissue")
def void_and_reissue(platform: Platform, tenant: Tenant) -> None:
    """Set-up help is invoiced with a wrong amount, voided, and invoiced again."""
    ordinary(platform, tenant)

    def invoice_for(amount: int) -> str:
        made = platform.stage.call(
            "POST",
            "invoices",
            customer=tenant.customer,
            collection_method="send_invoice",
            days_until_due=14,
            auto_advance=False,
            default_tax_rates=[platform.catalogue.moms],
            pending_invoice_items_behavior="exclude",
        )
        platform.stage.call(
            "POST",
            "invoiceitems",
            customer=tenant.customer,
            invoice=made["id"],
            amount=amount,
            currency=tenant.currency,
            description="Opsætning og import af lejemål",
        )
        platform.stage.call("POST", f"invoices/{made['id']}/finalize")
        return str(made["id"])

    def wrong() -> None:
        if platform.subscription(tenant):
            invoice_id = invoice_for(1_850_000)
            platform.stage.at(platform.stage.now + 3 * DAY, lambda: again(invoice_id))

    def again(invoice_id: str) -> None:
        platform.stage.call("POST", f"invoices/{invoice_id}/void")
        invoice_for(185_000)

    at_share(platform, tenant, 0.45, wrong)


@story("late_payer")
def late_payer(platform: Platform, tenant: Tenant) -> None:
    """Pays every invoice, some weeks late; the last two are still open."""

    def habit(invoice: Obj) -> int:
        return 35 if invoice["created"] > platform.stage.ends - 70 * DAY else tenant.rng.choice((9, 17, 24, 33))

    platform.create_customer(tenant)
    platform.bank_habits[tenant.customer] = habit
    platform.subscribe(tenant)


@story("uncollectible")
def uncollectible(platform: Platform, tenant: Tenant) -> None:
    """Stops paying; after four months the debt is written off and the subscription canceled."""
    platform.create_customer(tenant)
    stops = platform.stage.now + (platform.stage.ends - platform.stage.now) * 6 // 10
    platform.bank_habits[tenant.customer] = lambda invoice: None if invoice["created"] >= stops else 4
    platform.subscribe(tenant)

    def write_off() -> None:
        for invoice in platform.invoices(tenant, "open"):
            platform.stage.call("POST", f"invoices/{invoice['id']}/mark_uncollectible")
        if platform.subscription(tenant):
            platform.stage.call("DELETE", f"subscriptions/{tenant.subscription}")

    platform.stage.at(min(stops + 125 * DAY, platform.stage.ends - 10 * DAY), write_off)


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
