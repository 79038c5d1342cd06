"""Collecting an invoice: its default payment, attempts with the payment method at hand, and retries on a schedule.

A failed attempt is repeated after each of the account's `retry_days` (days since the attempt before); manual attempts
do not move that schedule, and only the first attempt and automatic retries count in `attempt_count`. After a hard
decline retries count on but ask no bank until there is another payment method. What becomes of the subscription is
decided in `billing.lifecycle`.
"""

from __future__ import annotations

from billing_core.sandbox.context import Context, timer
from billing_core.sandbox.errors import StripeFault, card_error, invalid
from billing_core.sandbox.money import customer_balance, intents, invoice_payments, payment_methods, payment_records
from billing_core.sandbox.money.cards import HARD_DECLINES, Refusal
from billing_core.sandbox.money.changes import previous_attributes, updating
from billing_core.sandbox.money.fees import DAY
from billing_core.sandbox.money.settings import setting
from billing_core.sandbox.state import Obj

RETRY = "invoice.retry"

DESCRIPTIONS = {
    "subscription_create": "Subscription creation",
    "subscription_cycle": "Subscription update",
    "subscription_update": "Subscription update",
}

NO_METHOD = Refusal(
    "missing",
    "",
    "This customer has no attached payment source or default payment method. Please consider adding a default payment"
    " method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting.",
)


def open_payment(ctx: Context, invoice_id: str) -> Obj:
    """Create the default payment of an invoice that was finalized with something to pay; returns its intent."""
    invoice = ctx.need("invoice", invoice_id)
    method = default_method(ctx, invoice)
    intent = intents.create(
        ctx,
        amount=invoice["amount_remaining"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=DESCRIPTIONS.get(invoice["billing_reason"], "Payment for Invoice"),
        payment_details={"customer_reference": None, "order_reference": invoice_id},
        payment_method_types=list((invoice.get("payment_settings") or {}).get("payment_method_types") or ["card"]),
        payment_method=method if ctx.state.get("payment_method", method) else None,
        setup_future_usage="off_session" if invoice["_subscription"] else None,
        _invoice=invoice_id,
    )
    invoice_payments.add(
        ctx,
        invoice,
        invoice["amount_remaining"],
        {"type": "payment_intent", "payment_intent": intent["id"]},
        is_default=True,
    )
    return intent


def default_method(ctx: Context, invoice: Obj) -> str | None:
    """Return the payment method that an invoice is charged to: its own, its subscription's, its customer's."""
    subscription = ctx.state.get("subscription", invoice["_subscription"]) or {}
    customer = ctx.need("customer", invoice["customer"])
    return (
        invoice.get("default_payment_method")
        or subscription.get("default_payment_method")
        or (customer.get("invoice_settings") or {}).get("default_payment_method")
    )


def collect(
    ctx: Context,
    invoice_id: str,
    *,
    payment_method: str | None = None,
    is_off_session: bool = True,
    paid_out_of_band: bool = False,
    is_requested: bool = False,
) -> None:
    """Try to collect what remains of an open or uncollectible invoice now.

    Args:
        invoice_id: finalized and not paid.
        payment_method: id or test name; the default one when left out.
        is_off_session: the customer is not there to confirm to the bank.
        paid_out_of_band: the money came outside Stripe; nothing is charged.
        is_requested: somebody asked for it (`/pay`): a refusal is raised, and the retry schedule stays.

    Raises:
        StripeFault: only when requested: the bank's no (402), no payment method, or action required.
    """
    from billing_core.sandbox.billing import lifecycle

    if paid_out_of_band:
        _paid_outside(ctx, invoice_id)
        return
    invoice = ctx.need("invoice", invoice_id)
    method = payment_method or default_method(ctx, invoice)
    if method is None:
        _no_method(ctx, invoice_id, is_requested)
        return
    # What is not attached yet may pay once: a test card that is refused shows it in the payment, not before.
    owner = ctx.need("customer", invoice["customer"])
    found = payment_methods.find(ctx, method, customer=owner)
    method = payment_methods.usable(ctx, found["id"], owner["id"])["id"]
    payment = invoice_payments.default_payment(ctx, invoice_id)
    intent_id = payment["_payment_intent"] if payment else open_payment(ctx, invoice_id)["id"]
    status = ctx.need("payment_intent", intent_id)["status"]
    if status == "processing":
        if is_requested:
            raise invalid("This invoice has a payment that is still processing.", code="invoice_payment_intent_pending")
        return
    before = _count(ctx, invoice_id, is_requested)
    outcome = intents.attempt(ctx, intent_id, method, is_off_session=is_off_session)
    if outcome.is_paid:
        ctx.cancel_timers(invoice_id, RETRY)
        if outcome.status == "processing":
            lifecycle.invoice_processing(ctx, invoice_id)
    else:
        assert outcome.refusal is not None
        _attempt_failed(ctx, invoice_id, outcome.refusal, outcome.status == "requires_action", is_requested, before)
        if is_requested:
            raise _requested_error(ctx, intent_id, outcome)


def _requested_error(ctx: Context, intent_id: str, outcome: intents.Attempt) -> StripeFault:
    if outcome.status == "requires_action":
        return card_error(
            "This payment requires additional user action before it can be completed successfully. Payment can be"
            " completed using the PaymentIntent associated with the invoice.",
            "invoice_payment_intent_requires_action",
            payment_intent=ctx.need("payment_intent", intent_id),
        )
    assert outcome.refusal is not None
    return intents.refusal_error(ctx, intent_id, outcome.refusal)


def _count(ctx: Context, invoice_id: str, is_requested: bool) -> Obj:
    invoice = ctx.state.edit("invoice", invoice_id)
    before = dict(invoice)
    if not is_requested or invoice["attempt_count"] == 0:
        invoice["attempt_count"] += 1
    invoice["attempted"] = True
    return before


def _no_method(ctx: Context, invoice_id: str, is_requested: bool) -> None:
    if is_requested:
        raise invalid(NO_METHOD.message, code="resource_missing")
    before = _count(ctx, invoice_id, is_requested)
    _attempt_failed(ctx, invoice_id, NO_METHOD, False, is_requested, before)


def _attempt_failed(
    ctx: Context, invoice_id: str, refusal: Refusal, needs_action: bool, is_requested: bool, before: Obj
) -> None:
    from billing_core.sandbox.billing import lifecycle

    invoice = ctx.state.edit("invoice", invoice_id)
    invoice["attempted"] = True
    invoice["_last_refusal"] = refusal.decline_code or refusal.code
    invoice["_refused_method"] = default_method(ctx, invoice)
    if not is_requested or not ctx.timers(invoice_id, RETRY):
        _schedule_retry(ctx, invoice)
    ctx.emit("invoice.updated", invoice, previous_attributes(before, invoice))
    if needs_action:
        ctx.emit("invoice.payment_action_required", invoice)
    ctx.emit("invoice.payment_failed", invoice)
    if not is_requested:
        mark_delinquent(ctx, invoice["customer"], True)
    lifecycle.invoice_payment_failed(
        ctx,
        invoice_id,
        {"code": refusal.code, "decline_code": refusal.decline_code or None, "message": refusal.message},
    )


def _schedule_retry(ctx: Context, invoice: Obj) -> None:
    # The first payment of a subscription is not retried: an incomplete subscription waits for its customer.
    subscription = ctx.state.get("subscription", invoice["_subscription"]) or {}
    is_first = invoice["billing_reason"] == "subscription_create" and subscription.get("status") == "incomplete"
    days = setting(ctx, "retry_days")
    done = invoice["attempt_count"] - 1
    ctx.cancel_timers(invoice["id"], RETRY)
    is_automatic = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically"
    if invoice["status"] != "open" or not is_automatic or not 0 <= done < len(days) or is_first:
        invoice["next_payment_attempt"] = None
        return
    at = ctx.now(invoice) + days[done] * DAY
    invoice["next_payment_attempt"] = at
    ctx.schedule(at, RETRY, invoice["id"], owner=invoice)


@timer(RETRY)
def _retry(ctx: Context, invoice_id: str) -> None:
    invoice = ctx.state.get("invoice", invoice_id)
    if invoice is None or invoice["status"] != "open" or not invoice["auto_advance"]:
        return
    is_hopeless = (
        invoice.get("_last_refusal") in HARD_DECLINES and default_method(ctx, invoice) == invoice["_refused_method"]
    )
    if not is_hopeless:
        collect(ctx, invoice_id)
        return
    before = _count(ctx, invoice_id, False)
    refusal = Refusal("card_declined", invoice["_last_refusal"], "Your card was declined.")
    _attempt_failed(ctx, invoice_id, refusal, False, False, before)


def intent_tried(ctx: Context, invoice_id: str, outcome: intents.Attempt, *, is_requested: bool = True) -> None:
    """Take note of an attempt on an invoice's intent that was not made by `collect`: a confirmation, a late debit."""
    from billing_core.sandbox.billing import lifecycle

    invoice = ctx.need("invoice", invoice_id)
    if outcome.is_paid:
        ctx.cancel_timers(invoice_id, RETRY)
        if outcome.status == "processing":
            lifecycle.invoice_processing(ctx, invoice_id)
    elif outcome.refusal is not None and invoice["status"] == "open":
        needs_action = outcome.status == "requires_action"
        before = _count(ctx, invoice_id, is_requested)
        _attempt_failed(ctx, invoice_id, outcome.refusal, needs_action, is_requested, before)


def mark_delinquent(ctx: Context, customer_id: str, is_delinquent: bool) -> None:
    """Say of a customer whether the latest news of his invoices is bad.

    A failed automatic payment and a passed due date are; a paid invoice, or one written off, is good news.
    """
    if ctx.need("customer", customer_id).get("delinquent") is not is_delinquent:
        with updating(ctx, "customer", customer_id) as customer:
            customer["delinquent"] = is_delinquent


def _paid_outside(ctx: Context, invoice_id: str) -> None:
    invoice = ctx.need("invoice", invoice_id)
    amount = invoice["amount_remaining"]
    record = payment_records.report(
        ctx,
        amount=amount,
        currency=invoice["currency"],
        customer=ctx.need("customer", invoice["customer"]),
        description=f"Invoice {invoice['number']} paid outside of Stripe",
    )
    payment = invoice_payments.add(
        ctx, invoice, amount, {"type": "payment_record", "payment_record": record["id"]}, is_default=False
    )
    ctx.cancel_timers(invoice_id, RETRY)
    invoice_payments.credit(ctx, payment["id"], amount)


def check_not_paying(ctx: Context, invoice_id: str, *, is_void: bool) -> None:
    """Refuse to void or write off an invoice on which money is under way or, to void it, has arrived.

    Raises:
        StripeFault: a debit is processing, an attached payment is open, or (to void) a part is paid.
    """
    if (ctx.state.get("invoice", invoice_id) or {}).get("status") not in ("open", "uncollectible"):
        return
    verb = "void" if is_void else "mark as uncollectible"
    for payment in invoice_payments.payments_of(ctx, invoice_id):
        intent = ctx.state.get("payment_intent", payment["_payment_intent"]) or {}
        is_open = payment["status"] == "open" and (not payment["is_default"] or intent.get("status") == "processing")
        if is_open or (is_void and payment["status"] == "paid"):
            raise invalid(f"You cannot {verb} this invoice because it has payments that are open or paid.")


def cancel_payment(ctx: Context, invoice_id: str, *, is_void: bool = False) -> None:
    """Stop collecting an invoice: retries end, what is open of its payments is canceled.

    Args:
        invoice_id: about to be voided or written off.
        is_void: the customer's balance gets back what the invoice took from it. An invoice that is written off can
            still be paid, and a new default payment is made when somebody does.
    """
    ctx.cancel_timers(invoice_id, RETRY)
    invoice_payments.close_open(ctx, invoice_id, reason="void_invoice" if is_void else "failed_invoice")
    if is_void:
        customer_balance.unapply_from_invoice(ctx, invoice_id)
    else:
        mark_delinquent(ctx, ctx.need("invoice", invoice_id)["customer"], False)


def keep_method(ctx: Context, invoice_id: str, payment_method_id: str) -> None:
    """Make the payment method that paid an invoice its subscription's default, where the subscription asks for that."""
    invoice = ctx.need("invoice", invoice_id)
    subscription = ctx.state.get("subscription", invoice["_subscription"]) or {}
    wish = (subscription.get("payment_settings") or {}).get("save_default_payment_method")
    if wish == "on_subscription" and subscription.get("default_payment_method") != payment_method_id:
        with updating(ctx, "subscription", subscription["id"], "customer.subscription.updated") as changed:
            changed["default_payment_method"] = payment_method_id


def pay(ctx: Context, invoice_id: str, params: Obj) -> Obj:
    """Pay an invoice on request.

    Args:
        invoice_id: a draft is finalized first.
        params: Stripe's parameters of `/pay`.

    Returns:
        The invoice.

    Raises:
        StripeFault: it is paid or void, or the payment was refused (402, the attempt is kept).
    """
    from billing_core.sandbox.billing.invoices import finalize

    if ctx.need("invoice", invoice_id)["status"] == "draft":
        finalize(ctx, invoice_id)
        if ctx.need("invoice", invoice_id)["status"] == "paid":
            return ctx.need("invoice", invoice_id)
    status = ctx.need("invoice", invoice_id)["status"]
    if status == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if status == "void":
        raise invalid("You cannot pay an invoice that is void.", code="invoice_not_editable")
    if "source" in params:
        raise invalid("The sandbox holds no sources; use a payment method.", "source")
    collect(
        ctx,
        invoice_id,
        payment_method=params.get("payment_method"),
        is_off_session=params.get("off_session", True),
        paid_out_of_band=params.get("paid_out_of_band", False),
        is_requested=True,
    )
    return ctx.need("invoice", invoice_id)
