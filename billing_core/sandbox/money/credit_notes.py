"""Credit notes: what is taken back from a finalized invoice, and where the money goes.

What is still unpaid is lowered first (`pre_payment_amount`); the rest (`post_payment_amount`) is refunded, credited to
the customer's balance or given back outside Stripe, and those who ask must say which. All credit notes of an invoice,
with refunds that belong to none, never exceed its total.
"""

from __future__ import annotations

import copy
from typing import Any

from billing_core.money import to_major
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.money import collection, customer_balance, invoice_payments, refunds
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.money.credit_note_lines import build, sums_of, whole
from billing_core.sandbox.render import bare, list_object, presenter, render
from billing_core.sandbox.routes import Page, Raw, route
from billing_core.sandbox.state import Obj

KIND = "credit_note"
LINE = "credit_note_line_item"


def lines_of(ctx: Context, note_id: str) -> list[Obj]:
    """Return a credit note's lines in order."""
    return ctx.state.where(LINE, "_credit_note", note_id)


def issue(ctx: Context, params: Obj) -> Obj:
    """Issue a credit note.

    Args:
        params: Stripe's parameters of creation, checked.

    Returns:
        The credit note. Refunds, the customer's balance, the invoice and their events are booked.

    Raises:
        StripeFault: the invoice cannot be credited, not by so much, or the ways the money goes do not sum up.
    """
    from billing_core.sandbox.billing.invoices import apply_credit_note
    from billing_core.sandbox.billing.taxing import summed

    invoice = ctx.need("invoice", params["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise invalid(
            f"You can only create credit notes for open or paid invoices. This invoice is {invoice['status']}.",
            "invoice",
        )
    lines = _lines(ctx, invoice, params)
    sums = sums_of(lines)
    linked = _linked(ctx, invoice, params.get("refunds") or [])
    _check_total(ctx, invoice, sums.total, linked)
    before = min(sums.total, invoice["amount_remaining"]) if invoice["status"] != "paid" else 0
    after = sums.total - before
    refund_amount, credit, outside = (
        params.get(k, 0) for k in ("refund_amount", "credit_amount", "out_of_band_amount")
    )
    _check_ways(invoice, after, refund_amount + credit + outside + sum(r["amount_refunded"] for r in linked))
    now = ctx.now(invoice)
    serial = len(ctx.state.where(KIND, "invoice", invoice["id"])) + 1
    discounts = _discount_sums(lines)
    note = ctx.state.insert(
        {
            "id": ctx.state.new_id("cn"),
            "object": KIND,
            "amount": sums.total,
            "amount_shipping": 0,
            "created": now,
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "customer_account": None,
            "customer_balance_transaction": None,
            "discount_amount": sums.discount,
            "discount_amounts": discounts,
            "effective_at": params.get("effective_at", now),
            "invoice": invoice["id"],
            "livemode": False,
            "memo": params.get("memo"),
            "metadata": merged_metadata(None, params.get("metadata")),
            "number": f"{invoice['number']}-CN-{serial:02d}",
            "out_of_band_amount": outside or None,
            "post_payment_amount": after,
            "pre_payment_amount": before,
            "pretax_credit_amounts": [{**d, "type": "discount"} for d in discounts if d["amount"]],
            "reason": params.get("reason"),
            "refunds": linked,
            "shipping_cost": None,
            "status": "issued",
            "subtotal": sums.subtotal,
            "subtotal_excluding_tax": sums.subtotal - sums.inclusive_tax,
            "total": sums.total,
            "total_excluding_tax": sums.subtotal - sums.discount - sums.inclusive_tax,
            "total_taxes": summed([line["taxes"] for line in lines]),
            "type": "mixed" if before and after else "post_payment" if after else "pre_payment",
            "voided_at": None,
        }
    )
    for line in lines:
        ctx.state.insert({"id": ctx.state.new_id("cnli"), **line, "_credit_note": note["id"]})
    if refund_amount:
        note["refunds"] = [*linked, *_refund(ctx, invoice, refund_amount, params.get("reason"))]
    if credit:
        entry = customer_balance.adjust(
            ctx,
            invoice["customer"],
            -credit,
            "credit_note",
            currency=invoice["currency"],
            credit_note=note["id"],
            invoice=invoice["id"],
        )
        note["customer_balance_transaction"] = entry["id"]
    ctx.emit("credit_note.created", note)
    apply_credit_note(ctx, invoice["id"], note["id"])
    if before:
        invoice_payments.follow(ctx, invoice["id"])
        if ctx.need("invoice", invoice["id"])["status"] == "paid":
            collection.mark_delinquent(ctx, invoice["customer"], False)
    return note


def _lines(ctx: Context, invoice: Obj, params: Obj) -> list[Obj]:
    if "shipping_cost" in params:
        raise invalid("The sandbox holds no shipping costs.", "shipping_cost")
    given, amount = params.get("lines"), params.get("amount")
    if not given and amount is None:
        raise StripeFault(
            "You must provide one of amount, lines, or shipping_cost.", code="parameter_missing", param="amount"
        )
    if not given:
        if amount is None or amount < 1:
            raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
        return [whole(amount)]
    lines = build(ctx, invoice, given)
    total = sums_of(lines).total
    if amount is not None and amount != total:
        raise invalid(f"The amount ({amount}) must equal the sum of the lines with tax ({total}).", "amount")
    if total <= 0:
        raise invalid("The total of a credit note must be greater than 0.", "lines")
    return lines


def _discount_sums(lines: list[Obj]) -> list[Obj]:
    sums: dict[str, int] = {}
    for line in lines:
        for part in line["discount_amounts"]:
            sums[part["discount"]] = sums.get(part["discount"], 0) + part["amount"]
    return [{"amount": amount, "discount": discount} for discount, amount in sums.items()]


# --- limits ----------------------------------------------------------------------------------------------------------


def _charges(ctx: Context, invoice_id: str) -> list[str]:
    intents = [
        ctx.need("payment_intent", p["_payment_intent"])
        for p in invoice_payments.payments_of(ctx, invoice_id)
        if p["status"] == "paid" and p["payment"]["type"] == "payment_intent"
    ]
    return [i["latest_charge"] for i in intents if i["latest_charge"]]


def _notes(ctx: Context, invoice_id: str) -> list[Obj]:
    return [n for n in ctx.state.where(KIND, "invoice", invoice_id) if n["status"] == "issued"]


def _credited_of(ctx: Context, invoice_id: str, refund_id: str) -> int:
    return sum(r["amount_refunded"] for n in _notes(ctx, invoice_id) for r in n["refunds"] if r["refund"] == refund_id)


def _linked(ctx: Context, invoice: Obj, given: list[Obj]) -> list[Obj]:
    charges = _charges(ctx, invoice["id"])
    linked = []
    for index, entry in enumerate(given):
        if entry.get("type") == "payment_record_refund":
            linked.append(_of_record(ctx, invoice, entry, f"refunds[{index}]"))
            continue
        if "refund" not in entry:
            raise StripeFault(
                f"Missing required param: refunds[{index}][refund].",
                code="parameter_missing",
                param=f"refunds[{index}][refund]",
            )
        refund = ctx.need("refund", entry["refund"], f"refunds[{index}][refund]")
        if refund["charge"] not in charges:
            raise invalid(f"The refund {refund['id']} does not belong to this invoice.", f"refunds[{index}][refund]")
        left = refund["amount"] - _credited_of(ctx, invoice["id"], refund["id"])
        amount = entry.get("amount_refunded", left)
        if not 0 < amount <= left:
            raise invalid(
                f"The refund {refund['id']} has {left} left that no credit note covers.",
                f"refunds[{index}][amount_refunded]",
            )
        linked.append(_refund_entry(amount, refund["id"]))
    return linked


def _refund_entry(amount: int, refund_id: str | None, record: Obj | None = None) -> Obj:
    return {
        "amount_refunded": amount,
        "payment_record_refund": record,
        "refund": refund_id,
        "type": "payment_record_refund" if record else "refund",
    }


def _of_record(ctx: Context, invoice: Obj, entry: Obj, param: str) -> Obj:
    named = entry.get("payment_record_refund")
    if named is None:
        raise StripeFault(
            f"Missing required param: {param}[payment_record_refund].",
            code="parameter_missing",
            param=f"{param}[payment_record_refund]",
        )
    record = ctx.need("payment_record", named["payment_record"], f"{param}[payment_record_refund][payment_record]")
    paid = {p["payment"].get("payment_record") for p in invoice_payments.payments_of(ctx, invoice["id"])}
    found = [r for r in record.get("_refunds", []) if r["refund_group"] == named["refund_group"]]
    if record["id"] not in paid or not found:
        raise invalid("This payment record has no such refund for this invoice.", f"{param}[payment_record_refund]")
    amount = sum(r["amount"] for r in found)
    return _refund_entry(entry.get("amount_refunded", amount), None, dict(named))


def _check_total(ctx: Context, invoice: Obj, total: int, linked: list[Obj]) -> None:
    credited = sum(n["total"] for n in _notes(ctx, invoice["id"]))
    loose = sum(
        r["amount"] - _credited_of(ctx, invoice["id"], r["id"])
        for charge in _charges(ctx, invoice["id"])
        for r in ctx.state.where("refund", "charge", charge)
        if r["status"] in ("pending", "succeeded")
    ) - sum(entry["amount_refunded"] for entry in linked if entry["refund"])
    most = invoice["total"] - credited - loose
    if total > most:
        raise invalid(
            f"The credit note total ({_money(total, invoice)}) must not exceed what can still be credited on the"
            f" invoice ({_money(most, invoice)}).",
            "amount",
        )


def _check_ways(invoice: Obj, after: int, ways: int) -> None:
    if ways != after:
        raise invalid(
            "The sum of credit amount, refund amount, out of band amount and refunds"
            f" ({_money(ways, invoice)}) must equal the post payment amount of the credit note"
            f" ({_money(after, invoice)}).",
        )


def _money(amount: int, invoice: Obj) -> str:
    return f"{to_major(amount, invoice['currency'])} {invoice['currency'].upper()}"


def _refund(ctx: Context, invoice: Obj, amount: int, reason: str | None) -> list[Obj]:
    made = []
    for charge_id in _charges(ctx, invoice["id"]):
        charge = ctx.need("charge", charge_id)
        part = min(amount, charge["amount"] - charge["amount_refunded"])
        if part <= 0:
            continue
        word = reason if reason in ("duplicate", "fraudulent") else "requested_by_customer"
        refund = refunds.refund(ctx, charge_id, part, reason=word)
        made.append(_refund_entry(part, refund["id"]))
        amount -= part
    if amount:
        raise invalid(
            f"The refund amount is greater than what can be refunded: {_money(amount, invoice)} of it was not charged.",
            "refund_amount",
        )
    return made


# --- routes ----------------------------------------------------------------------------------------------------------


@presenter(KIND)
def _present(ctx: Context, note: Obj) -> Obj:
    lines = [render(ctx, line) for line in lines_of(ctx, note["id"])]
    return bare(note) | {
        "lines": list_object(lines, f"/v1/credit_notes/{note['id']}/lines", len(lines)),
        "pdf": f"{ctx.base_url}/credit_notes/{note['id']}/pdf",
    }


@presenter(LINE)
def _present_line(ctx: Context, line: Obj) -> Obj:
    rates = [ctx.state.get("tax_rate", t["tax_rate_details"]["tax_rate"]) for t in line["taxes"]]
    return bare(line) | {"tax_rates": [render(ctx, rate) for rate in rates if rate]}


@route("POST", "/v1/credit_notes")
def create(ctx: Context, params: Obj) -> Obj:
    """Issue a credit note."""
    return issue(ctx, params)


def _tried(ctx: Context, params: Obj) -> tuple[Obj, list[Obj]]:
    # The real thing, undone: what is shown is what would be issued.
    with ctx.state.scratch():
        note = issue(ctx, params)
        shown: Obj = copy.deepcopy(render(ctx, note))
        lines = copy.deepcopy(lines_of(ctx, note["id"]))
    return shown, lines


@route("GET", "/v1/credit_notes/preview")
def preview(ctx: Context, params: Obj) -> Obj:
    """Show the credit note that the same parameters would issue."""
    return _tried(ctx, params)[0]


@route("GET", "/v1/credit_notes/preview/lines")
def preview_lines(ctx: Context, params: Obj) -> Page:
    """List the lines of the credit note that the same parameters would issue."""
    return Page(_tried(ctx, params)[1], "/v1/credit_notes/preview/lines", is_ordered=True)


@route("GET", "/v1/credit_notes")
def list_all(ctx: Context, params: Obj) -> Page:
    """List credit notes, newest first, by invoice or customer."""
    if "invoice" in params:
        found: Any = ctx.state.where(KIND, "invoice", params["invoice"])
    elif "customer" in params:
        found = ctx.state.where(KIND, "customer", params["customer"])
    else:
        found = ctx.state.all(KIND)
    return Page([n for n in found[::-1] if params.get("customer") in (None, n["customer"])], "/v1/credit_notes")


@route("GET", "/v1/credit_notes/{id}")
def retrieve(ctx: Context, params: Obj, id: str) -> Obj:
    """Return one credit note."""
    return ctx.need(KIND, id)


@route("POST", "/v1/credit_notes/{id}")
def update(ctx: Context, params: Obj, id: str) -> Obj:
    """Change memo and metadata."""
    ctx.need(KIND, id)
    with updating(ctx, KIND, id) as note:
        if "memo" in params:
            note["memo"] = params["memo"] or None
        if "metadata" in params:
            note["metadata"] = merged_metadata(note["metadata"], params["metadata"])
    return note


@route("GET", "/v1/credit_notes/{credit_note}/lines")
def list_lines(ctx: Context, params: Obj, credit_note: str) -> Page:
    """List a credit note's lines in order."""
    ctx.need(KIND, credit_note)
    return Page(lines_of(ctx, credit_note), f"/v1/credit_notes/{credit_note}/lines", is_ordered=True)


@route("POST", "/v1/credit_notes/{id}/void")
def void(ctx: Context, params: Obj, id: str) -> Obj:
    """Take back a credit note while its invoice is still to be paid; the invoice is due again in full."""
    current = ctx.need(KIND, id)
    if current["status"] == "void":
        raise invalid("This credit note has already been voided.")
    invoice = ctx.need("invoice", current["invoice"])
    if invoice["status"] != "open" or current["post_payment_amount"]:
        raise invalid(
            "You can only void a credit note when its invoice is open and none of its amount was paid back."
            f" This invoice is {invoice['status']}."
        )
    note = ctx.state.edit(KIND, id)
    note["status"] = "void"
    note["voided_at"] = ctx.now(note)
    ctx.emit("credit_note.voided", note)
    with updating(ctx, "invoice", invoice["id"]) as changed:
        changed["pre_payment_credit_notes_amount"] -= note["pre_payment_amount"]
        changed["amount_due"] += note["pre_payment_amount"]
        changed["amount_remaining"] += note["pre_payment_amount"]
    invoice_payments.follow(ctx, invoice["id"])
    return note


@route("GET", "/credit_notes/{id}/pdf")
def pdf(ctx: Context, params: Obj, id: str) -> Raw:
    """Show a credit note as a document."""
    from billing_core.sandbox.billing.documents import pdf_of

    note = ctx.need(KIND, id)
    rows = [
        (f"Credit note {note['number']}", note["status"]),
        (f"Invoice {ctx.need('invoice', note['invoice'])['number']}", ""),
        *((line["description"] or "Credit", _money(line["amount"], note)) for line in lines_of(ctx, id)),
        *(("Tax", _money(tax["amount"], note)) for tax in note["total_taxes"]),
        ("Total", _money(note["total"], note)),
    ]
    return Raw(pdf_of(rows), "application/pdf")
