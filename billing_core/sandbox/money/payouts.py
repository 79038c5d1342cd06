"""Payouts to the bank: one a day and currency that carries off what is available, and payouts on request.

They live on the account's clock. An automatic payout holds the ids of the balance transactions it carries, its own
among them, in `_entries`; they sum to zero. It arrives two business days later; on request it is `pending`, and may be
canceled, until the next midnight.
"""

from __future__ import annotations

from typing import Any

from billing_core.money import to_major
from billing_core.sandbox.context import Context, timer
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money import ledger
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.money.fees import DAY, business_days_after, start_of_day
from billing_core.sandbox.money.settings import put_setting, setting
from billing_core.sandbox.resources.prices import check_currency
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

ARRIVAL_DAYS = 2

FAILURES = {
    "account_closed": "The bank account has been closed.",
    "account_frozen": "The bank account has been frozen.",
    "bank_account_restricted": "The bank account has restrictions on either the type, or the number, of payouts.",
    "could_not_process": "The bank could not process this payout.",
    "declined": "The bank has declined this transfer. Please contact the bank before retrying.",
    "incorrect_account_holder_name": "The bank notified us that the bank account holder name on file is incorrect.",
    "insufficient_funds": "Your Stripe account has insufficient funds to cover the payout.",
    "invalid_account_number": "The bank account number is not valid.",
    "no_account": "The bank account could not be located.",
}


def run_automatic(ctx: Context) -> list[Obj]:
    """Pay out, per currency, everything that is available when that is more than nothing; returns the payouts."""
    made = []
    for currency in ledger.currencies(ctx):
        entries, amount = ledger.carry_off(ctx, currency)
        if amount <= 0:
            continue
        payout = _insert(ctx, amount, currency, is_automatic=True, status="in_transit")
        for entry in entries:
            ledger.close(ctx, entry)
        ledger.close(ctx, payout["balance_transaction"])
        payout["_entries"] = [*entries, payout["balance_transaction"]]
        ctx.emit("payout.created", payout)
        ctx.emit("payout.reconciliation_completed", payout)
        made.append(payout)
    return made


def _insert(ctx: Context, amount: int, currency: str, *, is_automatic: bool, status: str, **fields: Any) -> Obj:
    now = ctx.now()
    payout: Obj = {
        "id": ctx.state.new_id("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": business_days_after(now, ARRIVAL_DAYS),
        "automatic": is_automatic,
        "balance_transaction": None,
        "created": now,
        "currency": currency,
        "description": fields.get("description", "STRIPE PAYOUT" if is_automatic else None),
        "destination": f"ba_sandbox_{currency}",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": merged_metadata(None, fields.get("metadata")),
        "method": fields.get("method", "standard"),
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed" if is_automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": fields.get("statement_descriptor"),
        "status": status,
        "trace_id": None,
        "type": "bank_account",
        "_entries": [],
    }
    ctx.state.insert(payout)
    entry = ledger.book(ctx, "payout", -amount, currency, payout, description=payout["description"])
    payout["balance_transaction"] = entry["id"]
    ctx.schedule(payout["arrival_date"], "payout.arrive", payout["id"], owner={})
    return payout


@timer("payout.leave")
def _leave(ctx: Context, payout_id: str) -> None:
    if ctx.need("payout", payout_id)["status"] == "pending":
        with updating(ctx, "payout", payout_id) as payout:
            payout["status"] = "in_transit"


@timer("payout.arrive")
def _arrive(ctx: Context, payout_id: str) -> None:
    payout = ctx.state.edit("payout", payout_id)
    if payout["status"] not in ("pending", "in_transit"):
        return
    failure = setting(ctx, "payout_failure") or payout["metadata"].get("sandbox_failure_code")
    if failure is None:
        payout["status"] = "paid"
        payout["trace_id"] = {"status": "supported", "value": payout_id[-12:].upper()}
        ctx.emit("payout.paid", payout)
        return
    put_setting(ctx, "payout_failure", None)
    entry = ledger.book(ctx, "payout_failure", payout["amount"], payout["currency"], payout)
    payout["status"] = "failed"
    payout["failure_code"] = failure
    payout["failure_message"] = FAILURES.get(failure, FAILURES["could_not_process"])
    payout["failure_balance_transaction"] = entry["id"]
    ctx.emit("payout.failed", payout)


@route("POST", "/v1/payouts")
def create(ctx: Context, params: Obj) -> Obj:
    """Send money to the bank on request; metadata `sandbox_failure_code` makes it fail on arrival."""
    currency, amount = check_currency(params["currency"]), params["amount"]
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    available = ledger.balance(ctx).get(currency, (0, 0))[0]
    if amount > available:
        raise invalid(
            "You have insufficient funds in your Stripe account for this transfer. Your card balance has"
            f" {to_major(available, currency)} {currency.upper()} available.",
            code="balance_insufficient",
        )
    rest = {k: params[k] for k in ("description", "metadata", "method", "statement_descriptor") if k in params}
    payout = _insert(ctx, amount, currency, is_automatic=False, status="pending", **rest)
    ctx.schedule(start_of_day(ctx.now()) + DAY, "payout.leave", payout["id"], owner={})
    ctx.emit("payout.created", payout)
    return payout


@route("GET", "/v1/payouts/{payout}")
def retrieve(ctx: Context, params: Obj, payout: str) -> Obj:
    """Return one payout."""
    return ctx.need("payout", payout)


@route("POST", "/v1/payouts/{payout}")
def update(ctx: Context, params: Obj, payout: str) -> Obj:
    """Change metadata."""
    ctx.need("payout", payout)
    with updating(ctx, "payout", payout) as obj:
        obj["metadata"] = merged_metadata(obj["metadata"], params.get("metadata"))
    return obj


@route("POST", "/v1/payouts/{payout}/cancel")
def cancel(ctx: Context, params: Obj, payout: str) -> Obj:
    """Take back a payout that has not left yet."""
    current = ctx.need("payout", payout)
    if current["status"] != "pending" or current["automatic"]:
        raise invalid("Payouts can only be canceled while they are pending.")
    obj = ctx.state.edit("payout", payout)
    entry = ledger.book(ctx, "payout_cancel", obj["amount"], obj["currency"], obj)
    obj["status"] = "canceled"
    obj["failure_balance_transaction"] = entry["id"]
    ctx.cancel_timers(payout)
    ctx.emit("payout.canceled", obj)
    return obj


def _within(value: int, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(value == int(wanted))
    checks = {"gt": value.__gt__, "gte": value.__ge__, "lt": value.__lt__, "lte": value.__le__}
    return all(checks[word](int(limit)) for word, limit in wanted.items())


@route("GET", "/v1/payouts")
def list_all(ctx: Context, params: Obj) -> Page:
    """List payouts, newest first, by status, arrival and destination."""
    found = [
        o
        for o in ctx.state.all("payout")[::-1]
        if params.get("status") in (None, o["status"])
        and params.get("destination") in (None, o["destination"])
        and ("arrival_date" not in params or _within(o["arrival_date"], params["arrival_date"]))
    ]
    return Page(found, "/v1/payouts")
