"""Payment of an invoice that a request makes: what each `payment_behavior` means."""

from __future__ import annotations

from billing_core.sandbox.billing.invoices import finalize
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault


def first_payment(ctx: Context, invoice_id: str, behavior: str, *, is_off_session: bool) -> None:
    """Finalize an invoice and treat its payment as the request says.

    Args:
        ctx: the account.
        invoice_id: a draft that is charged automatically.
        behavior: `default_incomplete` waits for somebody to confirm the payment; the others try at once, and
            `error_if_incomplete` undoes everything when that fails.
        is_off_session: whether the customer is away.

    Raises:
        StripeFault: 402, for `error_if_incomplete`.
    """
    from billing_core.sandbox.money import collection

    finalize(ctx, invoice_id)
    if ctx.need("invoice", invoice_id)["status"] != "open" or behavior == "default_incomplete":
        return
    collection.collect(ctx, invoice_id, is_off_session=is_off_session)
    if behavior == "error_if_incomplete" and ctx.need("invoice", invoice_id)["status"] != "paid":
        raise _refusal(ctx, invoice_id)


def _refusal(ctx: Context, invoice_id: str) -> StripeFault:
    from billing_core.sandbox.money.invoice_payments import default_payment

    payment = default_payment(ctx, invoice_id)
    intent = ctx.state.get("payment_intent", payment["_payment_intent"]) if payment else None
    error = (intent or {}).get("last_payment_error") or {}
    return StripeFault(
        error.get("message") or "The payment for this subscription requires additional user action.",
        status=402,
        type="card_error",
        code=error.get("code") or "subscription_payment_intent_requires_action",
        decline_code=error.get("decline_code"),
    )
