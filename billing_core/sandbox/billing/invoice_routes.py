"""Invoices over the API: made by hand, changed while they are drafts, finalized, paid, sent, voided, written off."""

from __future__ import annotations

from billing_core.sandbox.billing.account import DAY, HOUR, setting
from billing_core.sandbox.billing.discounting import live
from billing_core.sandbox.billing.invoice_objects import new_invoice
from billing_core.sandbox.billing.invoiceitems import pending, put_on_invoice
from billing_core.sandbox.billing.invoices import (
    COLLECT,
    FINALIZE,
    customer_discounts,
    finalize,
    lines_of,
    mark_uncollectible,
    recalculate,
    schedule_finalization,
    void,
)
from billing_core.sandbox.billing.subscription_objects import ENDED, emit_updated, snapshot
from billing_core.sandbox.billing.terms import set_discounts, tax_rate_ids
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.paging import is_within
from billing_core.sandbox.render import deleted
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "invoice"


@route("POST", "/v1/invoices")
def create(ctx: Context, params: Obj) -> Obj:
    """Make a draft by hand; pending items stay behind unless they are asked for, or a subscription is named."""
    if params.get("from_invoice"):
        raise invalid("The sandbox does not simulate revisions of invoices. Use a credit note.", "from_invoice")
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = ctx.need("customer", params["customer"], "customer")
    subscription = None
    if params.get("subscription"):
        subscription = ctx.need("subscription", params["subscription"], "subscription")
        if subscription["customer"] != customer["id"] or subscription["status"] in ENDED:
            raise invalid("The customer has no such subscription that could be invoiced.", "subscription")
    currency = (
        params.get("currency") or (subscription or customer).get("currency") or setting(ctx, "default_currency")
    ).lower()
    takes = params.get("pending_invoice_items_behavior", "include" if subscription else "exclude") == "include"
    waiting = pending(ctx, customer["id"], currency, (subscription or {}).get("id")) if takes else []
    if subscription is not None and not waiting:
        raise invalid("Nothing to invoice for subscription", code="invoice_no_subscription_line_items")
    now = ctx.now(customer)
    invoice = new_invoice(
        ctx,
        customer,
        currency=currency,
        billing_reason="manual",
        subscription=subscription,
        auto_advance=params.get("auto_advance", False),
        discounts=[] if "discounts" in params else live(ctx, customer_discounts(customer), now),
    )
    _change(ctx, invoice, params)
    if params.get("discounts"):
        set_discounts(ctx, KIND, invoice["id"], params["discounts"])
    put_on_invoice(ctx, invoice, waiting)
    recalculate(ctx, invoice["id"])
    _follow_advance(ctx, invoice, params)
    ctx.emit("invoice.created", invoice)
    if subscription is not None:
        before = snapshot(ctx, subscription["id"])
        ctx.state.edit("subscription", subscription["id"])["latest_invoice"] = invoice["id"]
        emit_updated(ctx, before)
    return invoice


def _change(ctx: Context, invoice: Obj, params: Obj) -> None:
    """Take over plain fields of a create or update call into an open-for-change invoice."""
    for name in ("description", "footer", "statement_descriptor", "effective_at", "number", "on_behalf_of"):
        if name in params:
            invoice[name] = params[name] if params[name] != "" else None
    for name in ("custom_fields", "account_tax_ids"):
        if name in params:
            invoice[name] = params[name] or None
    if "metadata" in params:
        invoice["metadata"] = merged_metadata(invoice["metadata"], params["metadata"])
    if "default_tax_rates" in params:
        invoice["_tax_rates"] = tax_rate_ids(ctx, params["default_tax_rates"], "default_tax_rates")
    if "auto_advance" in params:
        invoice["auto_advance"] = params["auto_advance"]
    if "automatic_tax" in params:
        invoice["automatic_tax"] = {**invoice["automatic_tax"], "enabled": params["automatic_tax"]["enabled"]}
    if "payment_settings" in params:
        given = {k: v if v != "" else None for k, v in params["payment_settings"].items()}
        invoice["payment_settings"] = {**invoice["payment_settings"], **given}
    if "rendering" in params:
        given = params["rendering"]
        invoice["rendering"] = {
            "amount_tax_display": given.get("amount_tax_display") or None,
            "pdf": {"page_size": (given.get("pdf") or {}).get("page_size") or "auto"},
            "template": given.get("template"),
            "template_version": given.get("template_version") or None,
        }
    if params.get("default_payment_method"):
        from billing_core.sandbox.money.payment_methods import usable

        method = usable(ctx, params["default_payment_method"], invoice["customer"], param="default_payment_method")
        invoice["default_payment_method"] = method["id"]
    _change_terms(invoice, params, ctx.now(invoice))


def _change_terms(invoice: Obj, params: Obj, now: int) -> None:
    if "collection_method" in params:
        invoice["collection_method"] = params["collection_method"]
    is_sent = invoice["collection_method"] == "send_invoice"
    if "days_until_due" in params and "due_date" in params:
        raise invalid("You may only specify one of these parameters: days_until_due, due_date.", "due_date")
    for name in ("days_until_due", "due_date"):
        if params.get(name) is not None and not is_sent:
            raise invalid(f"`{name}` can only be set when `collection_method` is `send_invoice`.", name)
    if "days_until_due" in params:
        invoice["_days_until_due"], invoice["due_date"] = params["days_until_due"], None
        invoice["due_date"] = now + params["days_until_due"] * DAY
    if "due_date" in params:
        if params["due_date"] <= now:
            raise invalid("Invalid due_date: must be in the future.", "due_date")
        invoice["due_date"] = params["due_date"]
    if is_sent and invoice["due_date"] is None and invoice["_days_until_due"] is None:
        raise invalid(
            "You must specify `days_until_due` or `due_date` when `collection_method` is `send_invoice`.",
            "days_until_due",
        )


def _follow_advance(ctx: Context, invoice: Obj, params: Obj) -> None:
    """Set or clear the time of automatic finalization after auto_advance or the time itself was touched."""
    at = params.get("automatically_finalizes_at")
    if at is not None:
        if not invoice["auto_advance"]:
            raise invalid(
                "`automatically_finalizes_at` can only be set when `auto_advance` is true.",
                "automatically_finalizes_at",
            )
        if at <= ctx.now(invoice):
            raise invalid("`automatically_finalizes_at` must be in the future.", "automatically_finalizes_at")
        schedule_finalization(ctx, invoice["id"], at)
    elif "auto_advance" in params:
        if invoice["auto_advance"] and not ctx.timers(invoice["id"], FINALIZE):
            schedule_finalization(ctx, invoice["id"])
        elif not invoice["auto_advance"]:
            ctx.cancel_timers(invoice["id"], FINALIZE)
            edited = ctx.state.edit(KIND, invoice["id"])
            edited["automatically_finalizes_at"] = edited["next_payment_attempt"] = None


@route("GET", "/v1/invoices/{invoice}")
def retrieve(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Return one invoice."""
    return ctx.need(KIND, invoice)


@route("GET", "/v1/invoices")
def list_all(ctx: Context, params: Obj) -> Page:
    """List invoices, newest first."""
    if params.get("subscription"):
        found = ctx.state.where(KIND, "_subscription", params["subscription"])
    elif params.get("customer"):
        found = ctx.state.where(KIND, "customer", params["customer"])
    else:
        found = ctx.state.all(KIND)
    for name in ("customer", "status", "collection_method"):
        if params.get(name):
            found = [i for i in found if i[name] == params[name]]
    if "due_date" in params:
        found = [i for i in found if is_within(i["due_date"], params["due_date"])]
    return Page(found, "/v1/invoices")


@route("POST", "/v1/invoices/{invoice}")
def update(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Change a draft; of a finalized invoice only metadata, auto_advance and how it is paid."""
    current = ctx.need(KIND, invoice)
    allowed = {"metadata", "auto_advance", "default_payment_method", "payment_settings", "rendering"}
    if current["status"] == "open":
        allowed |= {"due_date", "days_until_due", "description", "footer", "statement_descriptor"}
    refused = sorted(set(params) - allowed)
    if current["status"] != "draft" and refused:
        raise invalid(
            f"Finalized invoices can't be updated in this way: {refused[0]}", refused[0], "invoice_not_editable"
        )
    if "discounts" in params:
        set_discounts(ctx, KIND, invoice, params["discounts"])
    with updating(ctx, KIND, invoice) as edited:
        _change(ctx, edited, params)
        if edited["status"] == "draft":
            recalculate(ctx, invoice)
            _follow_advance(ctx, edited, params)
        elif edited["status"] == "open" and params.get("auto_advance") and not edited["attempted"]:
            _collect_in_an_hour(ctx, edited)
        elif params.get("auto_advance") is False:
            ctx.cancel_timers(invoice, COLLECT)
            edited["next_payment_attempt"] = None
    return edited


@route("DELETE", "/v1/invoices/{invoice}")
def delete(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Delete a draft that was made by hand; its items are deleted with it."""
    current = ctx.need(KIND, invoice)
    if current["status"] != "draft":
        raise invalid("You can only delete draft invoices.", code="invoice_not_editable")
    if current["billing_reason"] != "manual":
        raise invalid("You can't delete invoices created by subscriptions.", code="invoice_not_editable")
    for line in lines_of(ctx, invoice):
        ctx.state.delete("line_item", line["id"])
    for item in ctx.state.where("invoiceitem", "customer", current["customer"]):
        if item["invoice"] == invoice:
            ctx.state.delete("invoiceitem", item["id"])
    ctx.cancel_timers(invoice)
    ctx.emit("invoice.deleted", current)
    ctx.state.delete(KIND, invoice)
    return deleted(current)


@route("POST", "/v1/invoices/{invoice}/finalize")
def finalize_invoice(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Finalize a draft; with auto_advance an automatic charge follows an hour later."""
    finalize(ctx, invoice)
    with updating(ctx, KIND, invoice) as edited:
        if "auto_advance" in params:
            edited["auto_advance"] = params["auto_advance"]
        if edited["status"] == "open" and edited["auto_advance"]:
            _collect_in_an_hour(ctx, edited)
    return edited


def _collect_in_an_hour(ctx: Context, invoice: Obj) -> None:
    at = ctx.now(invoice) + HOUR
    if invoice["collection_method"] == "charge_automatically":
        invoice["next_payment_attempt"] = at
    ctx.cancel_timers(invoice["id"], COLLECT)
    ctx.schedule(at, COLLECT, invoice["id"], owner=invoice)


@route("POST", "/v1/invoices/{invoice}/pay")
def pay(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Pay an invoice now, or note that it was paid outside Stripe."""
    from billing_core.sandbox.money import collection

    ctx.need(KIND, invoice)
    return collection.pay(ctx, invoice, params)


@route("POST", "/v1/invoices/{invoice}/send")
def send(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Send an invoice that the customer pays by himself; a draft is finalized first."""
    current = ctx.need(KIND, invoice)
    if current["collection_method"] != "send_invoice":
        raise invalid("You can only send invoices with a `collection_method` of `send_invoice`.")
    if current["status"] == "draft":
        finalize(ctx, invoice)
    if current["status"] not in ("open", "paid"):
        raise invalid(f"You cannot send an invoice that is {current['status']}.", code="invoice_not_editable")
    ctx.emit("invoice.sent", current)
    return current


@route("POST", "/v1/invoices/{invoice}/void")
def void_invoice(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Void a finalized invoice on which no money has come or is coming."""
    from billing_core.sandbox.money.collection import check_not_paying

    check_not_paying(ctx, invoice, is_void=True)
    return void(ctx, invoice)


@route("POST", "/v1/invoices/{invoice}/mark_uncollectible")
def write_off(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Write an open invoice off on which no money is coming."""
    from billing_core.sandbox.money.collection import check_not_paying

    check_not_paying(ctx, invoice, is_void=False)
    return mark_uncollectible(ctx, invoice)
