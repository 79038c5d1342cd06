"""Previews: the real change is made and the real invoice built, in a scratch state that is then forgotten.

So what is shown is what is charged, to the minor unit. An immediate invoice (always_invoice, a new billing date, a new
subscription) is shown as it would be made now; otherwise the clock is put to the next end of a period and the renewal
is shown. Lines of a preview are kept for a while, because the SDK pages through them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from billing_core.sandbox.billing import changing, ending, invoiceitem_routes, schedules
from billing_core.sandbox.billing.assemble import closing_windows, subscription_invoice
from billing_core.sandbox.billing.discounting import live
from billing_core.sandbox.billing.invoice_objects import new_invoice
from billing_core.sandbox.billing.invoiceitems import pending, put_on_invoice
from billing_core.sandbox.billing.invoices import customer_discounts, lines_of, recalculate
from billing_core.sandbox.billing.lifecycle import start_periods
from billing_core.sandbox.billing.subscription_objects import ENDED, items_of
from billing_core.sandbox.billing.terms import set_discounts
from billing_core.sandbox.context import TEST_CLOCK, Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.render import render
from billing_core.sandbox.routes import route
from billing_core.sandbox.state import Obj, clone

KEPT = 100

_PASSED_ON = (
    "items",
    "proration_behavior",
    "proration_date",
    "trial_end",
    "billing_cycle_anchor",
    "cancel_at",
    "cancel_at_period_end",
    "default_tax_rates",
    "metadata",
)


def nothing_upcoming(customer: str | None) -> StripeFault:
    """Say that there is nothing to preview."""
    return StripeFault(f"No upcoming invoices for customer: {customer}", status=404, code="invoice_upcoming_none")


@route("POST", "/v1/invoices/create_preview")
def create_preview(ctx: Context, params: Obj) -> Obj:
    """Show the invoice that a subscription, a change of it, or a new one would bring."""
    with ctx.state.scratch():
        shown, lines = _in_scratch(ctx, params)
        at = (params.get("subscription_details") or {}).get("proration_date")
        if at is not None and shown["parent"]:
            shown["parent"]["subscription_details"]["subscription_proration_date"] = at
    return _keep(ctx, shown, lines)


def upcoming(ctx: Context, subscription_id: str) -> Obj | None:
    """Return a subscription's next renewal as `invoice.upcoming` shows it, without an id; None when there is none."""
    with ctx.state.scratch():
        invoice = _renewal(ctx, subscription_id, takes_pending=True)
        if invoice is None:
            return None
        shown, _ = _shown(ctx, invoice["id"])
    del shown["id"]
    return shown


def _in_scratch(ctx: Context, params: Obj) -> tuple[Obj, list[Obj]]:
    details = dict(params.get("subscription_details") or {})
    subscription_id = params.get("subscription")
    if params.get("schedule"):
        subscription_id = _schedule_subscription(ctx, params)
    customer = _customer(ctx, params, subscription_id)
    if params.get("customer_details", {}).get("tax_exempt"):
        ctx.state.edit("customer", customer["id"])["tax_exempt"] = params["customer_details"]["tax_exempt"]
    for item in params.get("invoice_items") or []:
        _extra_item(ctx, customer, item, subscription_id)
    if subscription_id is None and (details.get("items") or params.get("schedule_details")):
        invoice: Obj | None = _new_subscription(ctx, customer, params, details)
    elif subscription_id is not None:
        invoice = _changed(ctx, subscription_id, params, details)
    else:
        invoice = _of_customer(ctx, customer, params)
    if invoice is None:
        raise nothing_upcoming(customer["id"])
    if params.get("discounts") is not None and subscription_id is None and not details.get("items"):
        set_discounts(ctx, "invoice", invoice["id"], params["discounts"])
        recalculate(ctx, invoice["id"])
    return _shown(ctx, invoice["id"])


def _customer(ctx: Context, params: Obj, subscription_id: str | None) -> Obj:
    if subscription_id is not None:
        subscription = ctx.need("subscription", subscription_id, "subscription")
        if params.get("customer") not in (None, subscription["customer"]):
            raise invalid("The customer does not have a subscription with this ID.", "subscription")
        return ctx.need("customer", subscription["customer"])
    if params.get("customer"):
        return ctx.need("customer", params["customer"], "customer")
    if params.get("customer_details") or params.get("subscription_details") or params.get("invoice_items"):
        from billing_core.sandbox.inprocess import call

        given = params.get("customer_details") or {}
        fields = {k: given[k] for k in ("address", "shipping", "tax_exempt") if given.get(k)}
        return ctx.need("customer", call(ctx, "POST", "/v1/customers", fields)["id"])
    raise invalid("You must specify one of: customer, subscription, schedule.", "customer")


def _schedule_subscription(ctx: Context, params: Obj) -> str:
    schedule = ctx.need("subscription_schedule", params["schedule"], "schedule")
    if params.get("schedule_details"):
        schedules.update_phases(ctx, schedule["id"], params["schedule_details"])
    if not schedule["subscription"]:
        schedules.start(ctx, schedule["id"], is_preview=True)
    return str(ctx.need("subscription_schedule", schedule["id"])["subscription"])


def _extra_item(ctx: Context, customer: Obj, params: Obj, subscription_id: str | None) -> None:
    if params.get("invoiceitem"):
        invoiceitem_routes.change(ctx, params["invoiceitem"], {k: v for k, v in params.items() if k != "invoiceitem"})
        return
    given = dict(params)
    if "price" in given:
        given["pricing"] = {"price": given.pop("price")}
    if "unit_amount" in given:
        given["unit_amount_decimal"] = given.pop("unit_amount")
    invoiceitem_routes.make(ctx, customer, {**given, "subscription": subscription_id})


def _new_subscription(ctx: Context, customer: Obj, params: Obj, details: Obj) -> Obj | None:
    from billing_core.sandbox.billing.subscriptions import begin

    given: Obj = {
        "customer": customer["id"],
        "items": [{k: v for k, v in i.items() if k != "id"} for i in details.get("items") or []],
    }
    if params.get("schedule_details"):
        given |= schedules.first_phase_terms(params["schedule_details"])
    for name in (
        "trial_end",
        "default_tax_rates",
        "metadata",
        "cancel_at",
        "cancel_at_period_end",
        "billing_mode",
        "proration_behavior",
    ):
        if name in details:
            given[name] = details[name]
    anchor = details.get("billing_cycle_anchor") or {}
    if anchor.get("timestamp"):
        given["billing_cycle_anchor"] = anchor["timestamp"]
    if details.get("start_date") and details["start_date"] < ctx.now(customer):
        given["backdate_start_date"] = details["start_date"]
    if params.get("discounts"):
        given["discounts"] = params["discounts"]
    subscription = begin(ctx, {**given, "payment_behavior": "default_incomplete"}, is_draft=True)
    if subscription["latest_invoice"]:
        return ctx.need("invoice", subscription["latest_invoice"])
    return _renewal(ctx, subscription["id"], takes_pending=True)


def _changed(ctx: Context, subscription_id: str, params: Obj, details: Obj) -> Obj | None:
    subscription = ctx.need("subscription", subscription_id, "subscription")
    if subscription["status"] in ENDED:
        raise nothing_upcoming(subscription["customer"])
    if details.get("cancel_now"):
        return _canceled_now(ctx, subscription, details)
    given = {name: details[name] for name in _PASSED_ON if name in details}
    if params.get("discounts") is not None:
        given["discounts"] = params["discounts"]
    if details.get("resume_at"):
        from billing_core.sandbox.billing import pausing

        pausing.resume(ctx, subscription_id, {"payment_behavior": "resume_on_payment_success"})
        return ctx.need("invoice", ctx.need("subscription", subscription_id)["latest_invoice"])
    is_recurring = params.get("preview_mode") == "recurring"
    if is_recurring:
        given["proration_behavior"] = "none"
        given.pop("proration_date", None)
    if given:
        invoice = changing.apply(ctx, subscription_id, given)
        if invoice is not None and not is_recurring:
            return invoice
    return _renewal(ctx, subscription_id, takes_pending=not is_recurring)


def _canceled_now(ctx: Context, subscription: Obj, details: Obj) -> Obj:
    before = subscription["latest_invoice"]
    is_prorated = (details.get("proration_behavior") or "create_prorations") != "none"
    ending.cancel(ctx, subscription["id"], invoice_now=True, prorate=is_prorated)
    after = ctx.need("subscription", subscription["id"])["latest_invoice"]
    if after == before:
        raise nothing_upcoming(subscription["customer"])
    return ctx.need("invoice", after)


def _renewal(ctx: Context, subscription_id: str, *, takes_pending: bool) -> Obj | None:
    """Build the next renewal, with the clock put to its moment; only inside a scratch state."""
    subscription = ctx.need("subscription", subscription_id)
    ends = [i["current_period_end"] for i in items_of(ctx, subscription_id)]
    if not ends or subscription["status"] in (*ENDED, "paused"):
        return None
    at = min(ends)
    if subscription["cancel_at"] is not None and subscription["cancel_at"] < at:
        at = subscription["cancel_at"]
    _put_clock(ctx, subscription, at)
    is_trial_over = subscription["status"] == "trialing"
    closing = [] if is_trial_over else closing_windows(ctx, subscription, at, only_due=at in ends)
    start = min(i["current_period_start"] for i in items_of(ctx, subscription_id))
    schedules.move_on(ctx, subscription_id)
    subscription = ctx.state.edit("subscription", subscription_id)
    starting: list[str] = []
    if subscription["cancel_at"] is None or subscription["cancel_at"] > at:
        starting = start_periods(ctx, subscription, at)
    elif subscription["_cancel_prorates"]:
        from billing_core.sandbox.billing.prorations import credit_unused

        for item in items_of(ctx, subscription_id):
            if item["current_period_end"] > at:
                credit_unused(ctx, item, at)
    return subscription_invoice(
        ctx,
        subscription,
        "upcoming",
        starting=starting,
        closing=closing,
        takes_pending=takes_pending,
        period=(start, at),
    )


def _put_clock(ctx: Context, owner: Obj, at: int) -> None:
    clock = ctx.clock_of(owner)
    if clock is None:
        ctx.state.set_meta(now=max(at, ctx.now()))
    else:
        edited = ctx.state.edit(TEST_CLOCK, clock)
        edited["frozen_time"] = max(at, edited["frozen_time"])


def _of_customer(ctx: Context, customer: Obj, params: Obj) -> Obj | None:
    """Return the next invoice of a customer: that of the subscription that renews first, or of loose items."""
    running = [
        s for s in ctx.state.where("subscription", "customer", customer["id"]) if s["status"] not in (*ENDED, "paused")
    ]
    if running and not params.get("invoice_items"):
        first = min(running, key=lambda s: min(i["current_period_end"] for i in items_of(ctx, s["id"])))
        return _renewal(ctx, first["id"], takes_pending=True)
    currency = params.get("currency") or customer.get("currency")
    waiting = pending(ctx, customer["id"], currency, None) if currency else []
    if currency is None or not waiting:
        return None
    discounts = live(ctx, customer_discounts(customer), ctx.now(customer))
    invoice = new_invoice(ctx, customer, currency=currency, billing_reason="manual", discounts=discounts)
    put_on_invoice(ctx, invoice, waiting)
    return recalculate(ctx, invoice["id"])


def _shown(ctx: Context, invoice_id: str) -> tuple[Obj, list[Obj]]:
    invoice = ctx.need("invoice", invoice_id)
    shown: Obj = clone(render(ctx, invoice))
    lines: list[Any] = clone([render(ctx, line) for line in lines_of(ctx, invoice_id)])
    shown["id"] = f"upcoming_{invoice_id}"
    for line in lines:
        line["id"] = line["id"].replace("il_", "il_tmp_", 1)
        line["invoice"] = None
    shown["lines"]["data"] = lines[:10]
    shown["lines"]["url"] = f"/v1/invoices/{shown['id']}/lines"
    for name in ("number", "hosted_invoice_url", "invoice_pdf", "automatically_finalizes_at", "webhooks_delivered_at"):
        shown[name] = None
    shown["status"], shown["billing_reason"] = "draft", "upcoming"
    shown["status_transitions"] = dict.fromkeys(shown["status_transitions"])
    if shown["collection_method"] == "charge_automatically":
        shown["next_payment_attempt"] = shown["created"] + 3600
    return shown, lines


def _keep(ctx: Context, shown: Obj, lines: list[Obj]) -> Obj:
    with suppress(KeyError):
        ctx.state.delete("_preview", shown["id"])
    ctx.state.insert({"object": "_preview", "id": shown["id"], "lines": lines})
    for old in ctx.state.ids("_preview")[:-KEPT]:
        ctx.state.delete("_preview", old)
    return shown
