"""The life of an invoice: its sums while it is a draft, its finalization, and how it ends.

subtotal = lines after their own discounts; total = subtotal − discounts of the invoice + exclusive tax;
amount_due = total after the customer's balance, never below zero; amount_remaining = amount_due − what was paid; credit
notes made before payment lower both.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from billing_core.money import round_minor
from billing_core.sandbox.billing.account import DAY, HOUR, setting
from billing_core.sandbox.billing.discounting import live, take_off
from billing_core.sandbox.billing.invoice_objects import customer_details
from billing_core.sandbox.billing.pricing import share_of
from billing_core.sandbox.billing.taxing import line_taxes, summed
from billing_core.sandbox.context import Context, timer
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.state import Obj, clone

FINALIZE, COLLECT, OVERDUE, WILL_BE_DUE = (
    "invoice.finalize",
    "invoice.collect",
    "invoice.overdue",
    "invoice.will_be_due",
)


def lines_of(ctx: Context, invoice_id: str) -> list[Obj]:
    """Return the lines of an invoice in order."""
    return ctx.state.where("line_item", "invoice", invoice_id)


def recalculate(ctx: Context, invoice_id: str) -> Obj:
    """Work out discounts, taxes and sums of a draft from its lines; returns the invoice."""
    lines = lines_of(ctx, invoice_id)
    invoice = ctx.state.edit("invoice", invoice_id)
    customer = ctx.need("customer", invoice["customer"])
    discounts = take_off(ctx, lines, invoice["discounts"], invoice["currency"])
    shared = set(invoice["discounts"])
    subtotal = subtotal_net = 0
    for line, taken in zip(lines, discounts, strict=True):
        base = line["amount"] - sum(d["amount"] for d in taken)
        rates = invoice["_tax_rates"] if line["_tax_rates"] is None else line["_tax_rates"]
        taxes = line.get("_taxes") or line_taxes(ctx, base, rates, customer.get("tax_exempt"))
        if (line["discount_amounts"], line["taxes"], line["subtotal"]) != (taken, taxes, line["amount"]):
            line = ctx.state.edit("line_item", line["id"])
            line["subtotal"] = line["amount"]
            line["discount_amounts"] = taken
            line["pretax_credit_amounts"] = [{**d, "type": "discount"} for d in taken if d["amount"]]
            line["taxes"] = taxes
        own = line["amount"] - sum(d["amount"] for d in taken if d["discount"] not in shared)
        subtotal += own
        subtotal_net += _without_inclusive_tax(ctx, own, rates)
    after = [line["amount"] - sum(d["amount"] for d in line["discount_amounts"]) for line in lines]
    totals = summed([line["taxes"] for line in lines])
    exclusive = sum(t["amount"] for t in totals if t["tax_behavior"] == "exclusive")
    inclusive = sum(t["amount"] for t in totals if t["tax_behavior"] == "inclusive")
    per_discount: dict[str, int] = {}
    for line in lines:
        for part in line["discount_amounts"]:
            per_discount[part["discount"]] = per_discount.get(part["discount"], 0) + part["amount"]
    invoice["subtotal"], invoice["subtotal_excluding_tax"] = subtotal, subtotal_net
    invoice["total_discount_amounts"] = [{"amount": a, "discount": d} for d, a in per_discount.items()]
    invoice["total_pretax_credit_amounts"] = [
        {"amount": a, "discount": d, "type": "discount"} for d, a in per_discount.items() if a
    ]
    invoice["total_taxes"] = totals
    invoice["total"] = sum(after) + exclusive + invoice["amount_shipping"]
    invoice["total_excluding_tax"] = sum(after) - inclusive
    balance = _balance(ctx, customer, invoice["currency"])
    invoice["starting_balance"] = balance
    set_due(invoice)
    return invoice


def recalculate_and_tell(ctx: Context, invoice_id: str) -> Obj:
    """Work out a draft that has been announced before, and emit what changed."""
    from billing_core.sandbox.money.changes import previous_attributes

    before = clone(ctx.need("invoice", invoice_id))
    invoice = recalculate(ctx, invoice_id)
    # Lines are objects of their own, so a change of a line alone shows no other difference.
    ctx.emit("invoice.updated", invoice, previous_attributes(before, invoice) or {"lines": {"data": []}})
    return invoice


def set_due(invoice: Obj) -> None:
    """Set what is due and what remains, from the total and the customer's balance at the start."""
    if invoice["status"] == "draft" or invoice["ending_balance"] is None:
        due = max(0, invoice["total"] + invoice["starting_balance"])
    else:
        due = invoice["total"] + invoice["starting_balance"] - invoice["ending_balance"]
    invoice["amount_due"] = max(0, due)
    invoice["amount_remaining"] = max(0, invoice["amount_due"] - invoice["amount_paid"])


def _without_inclusive_tax(ctx: Context, amount: int, rates: list[str]) -> int:
    shares = [
        share_of(rate["percentage"]) for r in rates if (rate := ctx.state.get("tax_rate", r)) and rate["inclusive"]
    ]
    return round_minor(Fraction(amount) / (1 + sum(shares))) if shares else amount


def _balance(ctx: Context, customer: Obj, currency: str) -> int:
    from billing_core.sandbox.money.customer_balance import balance_of

    return balance_of(ctx, customer["id"], currency)


# --- finalization ----------------------------------------------------------------------------------------------------


def schedule_finalization(ctx: Context, invoice_id: str, at: int | None = None) -> None:
    """Let a draft finalize by itself, after the hours of the account's setting or at a given time."""
    invoice = ctx.state.edit("invoice", invoice_id)
    when = at if at is not None else ctx.now(invoice) + setting(ctx, "draft_hours") * HOUR
    ctx.cancel_timers(invoice_id, FINALIZE)
    invoice["automatically_finalizes_at"] = when
    if invoice["collection_method"] == "charge_automatically":
        invoice["next_payment_attempt"] = when
    ctx.schedule(when, FINALIZE, invoice_id, owner=invoice)


@timer(FINALIZE)
def _finalize_by_itself(ctx: Context, invoice_id: str) -> None:
    invoice = ctx.state.get("invoice", invoice_id)
    if invoice and invoice["status"] == "draft" and invoice["auto_advance"]:
        finalize(ctx, invoice_id)
        advance(ctx, invoice_id)


def finalize(ctx: Context, invoice_id: str) -> Obj:
    """Turn a draft into an open invoice, or a paid one when nothing is due.

    Late usage is counted, the number given, the customer's balance applied. Nothing is collected yet.

    Raises:
        StripeFault: the invoice is no draft.
    """
    from billing_core.sandbox.billing.usage import recount
    from billing_core.sandbox.money import collection, customer_balance

    if ctx.need("invoice", invoice_id)["status"] != "draft":
        raise invalid(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.", code="invoice_not_editable"
        )
    recount(ctx, invoice_id)
    recalculate(ctx, invoice_id)
    invoice = ctx.state.edit("invoice", invoice_id)
    now = ctx.now(invoice)
    customer = ctx.need("customer", invoice["customer"])
    ctx.cancel_timers(invoice_id, FINALIZE)
    invoice.update(customer_details(ctx, customer))
    invoice["number"] = invoice["number"] or _next_number(ctx, customer)
    invoice["automatically_finalizes_at"] = invoice["next_payment_attempt"] = None
    invoice["effective_at"] = invoice["effective_at"] or now
    invoice["status_transitions"]["finalized_at"] = now
    if invoice["collection_method"] == "send_invoice" and invoice["due_date"] is None:
        days = 30 if invoice["_days_until_due"] is None else invoice["_days_until_due"]
        invoice["due_date"] = now + days * DAY
    invoice["status"] = "open"
    customer_balance.apply_to_invoice(ctx, invoice_id)
    set_due(invoice)
    _use_up_discounts(ctx, invoice)
    if invoice["amount_remaining"] > 0:
        collection.open_payment(ctx, invoice_id)
    ctx.emit("invoice.finalized", invoice)
    if invoice["amount_remaining"] == 0:
        mark_paid(ctx, invoice_id, now)
    elif invoice["due_date"] is not None:
        ctx.schedule(invoice["due_date"], OVERDUE, invoice_id, owner=invoice)
        warning = invoice["due_date"] - setting(ctx, "will_be_due_days") * DAY
        if setting(ctx, "will_be_due_days") and warning > now:
            ctx.schedule(warning, WILL_BE_DUE, invoice_id, owner=invoice)
    return invoice


def _use_up_discounts(ctx: Context, invoice: Obj) -> None:
    from billing_core.sandbox.billing.subscription_objects import drop_used_discounts

    used = {d["discount"]: None for d in invoice["total_discount_amounts"] if d["amount"]}
    used.update((d, None) for line in lines_of(ctx, invoice["id"]) for d in line.get("_embedded") or [])
    drop_used_discounts(ctx, invoice, used)


def _next_number(ctx: Context, customer: Obj) -> str:
    if setting(ctx, "invoice_numbering") == "account":
        count = int(ctx.state.meta.get("invoice_sequence", 0)) + 1
        ctx.state.set_meta(invoice_sequence=count)
        return f"{setting(ctx, 'invoice_prefix')}-{count:04d}"
    edited = ctx.state.edit("customer", customer["id"])
    sequence = edited.get("next_invoice_sequence") or 1
    edited["next_invoice_sequence"] = sequence + 1
    prefix = edited.get("invoice_prefix") or edited["id"][-8:].upper()
    return f"{prefix}-{sequence:04d}"


def advance(ctx: Context, invoice_id: str) -> None:
    """Do what automatic advancement does after finalization: charge, or send; paused collection ends it at once."""
    from billing_core.sandbox.money import collection

    invoice = ctx.need("invoice", invoice_id)
    if invoice["status"] != "open":
        return
    subscription = ctx.state.get("subscription", invoice["_subscription"])
    pause = (subscription or {}).get("pause_collection")
    if pause and pause["behavior"] == "void":
        void(ctx, invoice_id)
    elif pause and pause["behavior"] == "mark_uncollectible":
        mark_uncollectible(ctx, invoice_id, reason="subscription_paused")
    elif invoice["collection_method"] == "send_invoice":
        ctx.emit("invoice.sent", invoice)
    elif invoice["auto_advance"]:
        collection.collect(ctx, invoice_id)


@timer(COLLECT)
def _collect_later(ctx: Context, invoice_id: str) -> None:
    invoice = ctx.state.get("invoice", invoice_id)
    if invoice and invoice["status"] == "open" and invoice["auto_advance"] and not invoice["attempted"]:
        advance(ctx, invoice_id)


@timer(OVERDUE)
def _overdue(ctx: Context, invoice_id: str) -> None:
    from billing_core.sandbox.billing.lifecycle import invoice_overdue
    from billing_core.sandbox.money import collection

    invoice = ctx.state.get("invoice", invoice_id)
    if invoice and invoice["status"] == "open" and invoice["amount_remaining"] > 0:
        ctx.emit("invoice.overdue", invoice)
        collection.mark_delinquent(ctx, invoice["customer"], True)
        invoice_overdue(ctx, invoice_id)


@timer(WILL_BE_DUE)
def _will_be_due(ctx: Context, invoice_id: str) -> None:
    invoice = ctx.state.get("invoice", invoice_id)
    if invoice and invoice["status"] == "open" and invoice["amount_remaining"] > 0:
        ctx.emit("invoice.will_be_due", invoice)


# --- how it ends -----------------------------------------------------------------------------------------------------


def mark_paid(ctx: Context, invoice_id: str, at: int) -> Obj:
    """Mark an invoice as paid; what was paid and how is booked by who calls. The subscription follows."""
    from billing_core.sandbox.billing.lifecycle import invoice_paid

    invoice = ctx.state.edit("invoice", invoice_id)
    if invoice["status"] == "paid":
        return invoice
    invoice["status"] = "paid"
    invoice["attempted"] = True
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["paid_at"] = at
    _quiet(ctx, invoice_id)
    ctx.emit("invoice.paid", invoice)
    ctx.emit("invoice.payment_succeeded", invoice)
    invoice_paid(ctx, invoice_id, at)
    return invoice


def void(ctx: Context, invoice_id: str) -> Obj:
    """Void an open or uncollectible invoice.

    Raises:
        StripeFault: it is a draft, paid, or void already.
    """
    from billing_core.sandbox.billing.lifecycle import invoice_voided
    from billing_core.sandbox.money import collection

    _must_be(ctx, invoice_id, ("open", "uncollectible"), "void")
    invoice = ctx.state.edit("invoice", invoice_id)
    collection.cancel_payment(ctx, invoice_id, is_void=True)
    invoice["status"] = "void"
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["voided_at"] = ctx.now(invoice)
    _quiet(ctx, invoice_id)
    ctx.emit("invoice.voided", invoice)
    invoice_voided(ctx, invoice_id)
    return invoice


def mark_uncollectible(ctx: Context, invoice_id: str, reason: str = "user_forgiven") -> Obj:
    """Write an open invoice off; it can still be paid.

    Raises:
        StripeFault: it is not open.
    """
    from billing_core.sandbox.billing.lifecycle import invoice_uncollectible
    from billing_core.sandbox.money import collection

    _must_be(ctx, invoice_id, ("open",), "mark as uncollectible")
    invoice = ctx.state.edit("invoice", invoice_id)
    collection.cancel_payment(ctx, invoice_id)
    invoice["status"] = "uncollectible"
    invoice["status_details"] = {"uncollectible": {"reason": reason}}
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["marked_uncollectible_at"] = ctx.now(invoice)
    _quiet(ctx, invoice_id)
    ctx.emit("invoice.marked_uncollectible", invoice)
    invoice_uncollectible(ctx, invoice_id)
    return invoice


def apply_credit_note(ctx: Context, invoice_id: str, credit_note_id: str) -> Obj:
    """Enter a credit note on its invoice: before payment it lowers what is due, after payment it is only noted.

    An open invoice of which nothing remains is paid.
    """
    note = ctx.need("credit_note", credit_note_id)
    before, after = int(note.get("pre_payment_amount") or 0), int(note.get("post_payment_amount") or 0)
    invoice = ctx.state.edit("invoice", invoice_id)
    previous: dict[str, Any] = {}
    for name, change in (("pre_payment_credit_notes_amount", before), ("post_payment_credit_notes_amount", after)):
        if change:
            previous[name] = invoice[name]
            invoice[name] += change
    if before:
        for name in ("amount_due", "amount_remaining"):
            previous[name] = invoice[name]
            invoice[name] -= before
    ctx.emit("invoice.updated", invoice, previous)
    if invoice["status"] == "open" and invoice["amount_remaining"] == 0:
        mark_paid(ctx, invoice_id, ctx.now(invoice))
    return invoice


def _must_be(ctx: Context, invoice_id: str, statuses: tuple[str, ...], verb: str) -> None:
    status = ctx.need("invoice", invoice_id)["status"]
    if status not in statuses:
        wanted = " or ".join(statuses)
        raise invalid(
            f"You can only {verb} an invoice that is {wanted}. This invoice is currently {status}.",
            code="invoice_not_editable",
        )


def _quiet(ctx: Context, invoice_id: str) -> None:
    for action in (FINALIZE, COLLECT, OVERDUE, WILL_BE_DUE):
        ctx.cancel_timers(invoice_id, action)


def live_discounts(ctx: Context, subscription: Obj | None, customer: Obj, at: int) -> list[str]:
    """Return the discounts of an invoice: the subscription's, or the customer's when the subscription has none."""
    own = live(ctx, (subscription or {}).get("discounts") or [], at)
    return own or live(ctx, customer_discounts(customer), at)


def customer_discounts(customer: Obj) -> list[str]:
    """Return the ids of a customer's own discount."""
    discount = customer.get("discount")
    return [discount] if isinstance(discount, str) else [discount["id"]] if discount else []
