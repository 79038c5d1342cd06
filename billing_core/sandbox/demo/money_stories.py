"""What happens in the demo company when money moves, or does not: failing cards, disputes, refunds, credits, debts."""

from __future__ import annotations

from collections.abc import Callable

from billing_core.sandbox.demo.cast import Tenant
from billing_core.sandbox.demo.platform import Platform
from billing_core.sandbox.demo.stage import DAY, HOUR
from billing_core.sandbox.demo.stories import at_share, before_renewal, ordinary, story
from billing_core.sandbox.state import Obj

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
