"""What a customer owes or has to his credit, per currency: negative is credit, positive is debt.

Every change is a customer balance transaction. The balances are kept in the customer's `_balances`; `balance` shows the
one in the customer's currency. At finalization the balance flows into the invoice:
`amount_due = total + starting_balance - ending_balance`.
"""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid, missing
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.money.fees import minimum_charge_minor
from billing_core.sandbox.render import includable
from billing_core.sandbox.resources.prices import check_currency
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "customer_balance_transaction"
DEFAULT_CURRENCY = "dkk"


def balance_of(ctx: Context, customer_id: str, currency: str) -> int:
    """Return a customer's balance in a currency, in minor units: negative is credit."""
    customer = ctx.need("customer", customer_id, "customer")
    return int((customer.get("_balances") or {}).get(currency, 0))


def adjust(
    ctx: Context, customer_id: str, amount: int, type: str = "adjustment", *, currency: str | None = None, **links: Any
) -> Obj:
    """Change a customer's balance.

    Args:
        customer_id: whose.
        amount: signed minor units; negative gives credit.
        type: Stripe's type (`adjustment`, `applied_to_invoice`, `credit_note`, …).
        currency: the customer's own when left out.
        **links: `invoice`, `credit_note`, `description`, `metadata`.

    Returns:
        The customer balance transaction.
    """
    customer = ctx.need("customer", customer_id, "customer")
    currency = currency or customer.get("currency") or DEFAULT_CURRENCY
    with updating(ctx, "customer", customer_id) as changed:
        balances = dict(changed.get("_balances") or {})
        balances[currency] = balances.get(currency, 0) + amount
        changed["_balances"] = balances
        changed["currency"] = changed.get("currency") or currency
        changed["balance"] = balances.get(changed["currency"], 0)
    return ctx.state.insert(
        {
            "id": ctx.state.new_id("cbtxn"),
            "object": KIND,
            "amount": amount,
            "checkout_session": None,
            "created": ctx.now(changed),
            "credit_note": links.get("credit_note"),
            "currency": currency,
            "customer": customer_id,
            "customer_account": None,
            "description": links.get("description"),
            "ending_balance": balances[currency],
            "invoice": links.get("invoice"),
            "livemode": False,
            "metadata": merged_metadata(None, links.get("metadata")),
            "type": type,
        }
    )


def apply_to_invoice(ctx: Context, invoice_id: str) -> int:
    """Let the customer's balance flow into an invoice that is being finalized.

    Credit pays first, debt is added, and an invoice below zero becomes credit. What would be too small to charge is
    left as debt for the next invoice. `starting_balance` and `ending_balance` are set.

    Returns:
        Signed minor units that were added to what is due (`starting_balance - ending_balance`).
    """
    invoice = ctx.state.edit("invoice", invoice_id)
    customer_id, currency, total = invoice["customer"], invoice["currency"], invoice["total"]
    start = balance_of(ctx, customer_id, currency)
    net = total + start
    end, type = (min(0, net), "applied_to_invoice") if total else (start, "")
    is_charged = invoice["collection_method"] == "charge_automatically"
    if total and is_charged and 0 < net < minimum_charge_minor(currency):
        end, type = net, "invoice_too_small"
    invoice["starting_balance"], invoice["ending_balance"] = start, end
    if end != start:
        adjust(ctx, customer_id, end - start, type, currency=currency, invoice=invoice_id)
    return start - end


def unapply_from_invoice(ctx: Context, invoice_id: str) -> None:
    """Give back to the customer's balance what a voided invoice had taken from it or put into it."""
    invoice = ctx.need("invoice", invoice_id)
    if invoice["ending_balance"] is None:
        return
    taken = invoice["starting_balance"] - invoice["ending_balance"]
    if taken:
        adjust(
            ctx,
            invoice["customer"],
            taken,
            "unapplied_from_invoice",
            currency=invoice["currency"],
            invoice=invoice_id,
        )


@includable("customer", "invoice_credit_balance")
def _per_currency(ctx: Context, customer: Obj) -> Obj:
    return dict(customer.get("_balances") or {})


@route("POST", "/v1/customers/{customer}/balance_transactions")
def create(ctx: Context, params: Obj, customer: str) -> Obj:
    """Give credit (negative amount) or book debt (positive amount)."""
    ctx.need("customer", customer, "customer")
    links = {k: params[k] for k in ("description", "metadata") if k in params}
    return adjust(ctx, customer, params["amount"], currency=check_currency(params["currency"]), **links)


@route("GET", "/v1/customers/{customer}/balance_transactions")
def list_all(ctx: Context, params: Obj, customer: str) -> Page:
    """List a customer's balance transactions, newest first."""
    ctx.need("customer", customer, "customer")
    found = [
        o for o in ctx.state.where(KIND, "customer", customer)[::-1] if params.get("invoice") in (None, o["invoice"])
    ]
    return Page(found, f"/v1/customers/{customer}/balance_transactions")


def _need(ctx: Context, customer: str, transaction: str) -> Obj:
    found = ctx.state.get(KIND, transaction)
    if found is None or found["customer"] != customer:
        raise missing(KIND, transaction)
    return found


@route("GET", "/v1/customers/{customer}/balance_transactions/{transaction}")
def retrieve(ctx: Context, params: Obj, customer: str, transaction: str) -> Obj:
    """Return one of a customer's balance transactions."""
    return _need(ctx, customer, transaction)


@route("POST", "/v1/customers/{customer}/balance_transactions/{transaction}")
def update(ctx: Context, params: Obj, customer: str, transaction: str) -> Obj:
    """Change description and metadata; the amount never changes."""
    _need(ctx, customer, transaction)
    obj = ctx.state.edit(KIND, transaction)
    if "description" in params:
        obj["description"] = params["description"] or None
    if "metadata" in params:
        obj["metadata"] = merged_metadata(obj["metadata"], params["metadata"])
    return obj


@route("GET", "/v1/customers/{customer}/cash_balance")
def cash_balance(ctx: Context, params: Obj, customer: str) -> Obj:
    """Return a customer's cash balance, which is always empty: nobody sends bank transfers here."""
    ctx.need("customer", customer, "customer")
    return {
        "object": "cash_balance",
        "available": None,
        "customer": customer,
        "customer_account": None,
        "livemode": False,
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }


@route("POST", "/v1/customers/{customer}/cash_balance")
def update_cash_balance(ctx: Context, params: Obj, customer: str) -> Obj:
    """Refuse: only the empty cash balance is held."""
    raise invalid("The sandbox holds no cash balances; customer balance transactions give credit.")
