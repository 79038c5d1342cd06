"""The Stripe balance: every movement is a balance transaction, and the balance is their sum.

Money settles in the currency it was paid in, so `exchange_rate` is null. `net = amount - fee`. A transaction is pending
until `available_on` on the clock it was made on (`_clock`, a test clock or None). `_open` entries, one per transaction
that no automatic payout has carried off yet, keep payouts and the balance from reading all of history.
"""

from __future__ import annotations

from billing_core.sandbox.context import TEST_CLOCK, Context, timer
from billing_core.sandbox.money.fees import start_of_day
from billing_core.sandbox.money.settings import setting
from billing_core.sandbox.render import bare, presenter
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "balance_transaction"
OPEN = "_open_transaction"

REPORTING = {
    "charge": "charge",
    "payment": "charge",
    "refund": "refund",
    "payment_refund": "refund",
    "refund_failure": "refund_failure",
    "payment_failure_refund": "refund_failure",
    "adjustment": "dispute",
    "payout": "payout",
    "payout_cancel": "payout_reversal",
    "payout_failure": "payout_reversal",
}


def book(
    ctx: Context,
    type: str,
    amount: int,
    currency: str,
    source: Obj,
    *,
    fee: int = 0,
    fee_description: str = "Stripe processing fees",
    available_on: int | None = None,
    description: str | None = None,
    reporting_category: str | None = None,
) -> Obj:
    """Book a movement of the Stripe balance.

    Args:
        type: Stripe's type (`charge`, `refund`, `adjustment`, `payout`, …).
        amount: signed minor units before the fee.
        currency: settled without exchange.
        source: the object it is about; its clock tells the time.
        fee: minor units, taken off.
        fee_description: what the fee is for.
        available_on: Unix seconds; now when left out.
        description: as shown.
        reporting_category: when it is not the type's own.

    Returns:
        The balance transaction.
    """
    now = ctx.now(source)
    details = [
        {"amount": fee, "application": None, "currency": currency, "description": fee_description, "type": "stripe_fee"}
    ]
    entry = ctx.state.insert(
        {
            "id": ctx.state.new_id("txn"),
            "object": KIND,
            "amount": amount,
            "available_on": available_on if available_on is not None else now,
            "balance_type": "payments",
            "created": now,
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": details if fee else [],
            "net": amount - fee,
            "reporting_category": reporting_category or REPORTING[type],
            "source": source["id"],
            "type": type,
            "_clock": ctx.clock_of(source),
        }
    )
    ctx.state.insert(
        {
            "id": entry["id"],
            "object": OPEN,
            "net": entry["net"],
            "currency": currency,
            "available_on": entry["available_on"],
            "clock": entry["_clock"],
        }
    )
    _wake(ctx, entry["available_on"])
    return entry


def _wake(ctx: Context, available_on: int) -> None:
    # Payouts leave at midnight; one timer per day on which something becomes available is enough.
    at = max(available_on, start_of_day(ctx.now()) + 86400)
    at = start_of_day(at + 86399)
    if not any(entry["at"] == at for entry in ctx.timers("payouts", "payouts.run")):
        ctx.schedule(at, "payouts.run", "payouts", owner={})


@timer("payouts.run")
def _run_payouts(ctx: Context, _: str) -> None:
    from billing_core.sandbox.money.payouts import run_automatic

    if setting(ctx, "is_payout_automatic"):
        run_automatic(ctx)


def is_available(ctx: Context, clock: str | None, available_on: int) -> bool:
    """Return whether money made on a clock is available; a clock that was deleted stands with the account's."""
    standing = ctx.state.get(TEST_CLOCK, clock)
    return bool(available_on <= (standing["frozen_time"] if standing else ctx.now()))


def carry_off(ctx: Context, currency: str) -> tuple[list[str], int]:
    """Return the open transactions that a payout of today carries, and their sum.

    Test clocks run ahead of the account, so their money leaves only when the account's own day has come too.
    """
    entries = [
        e
        for e in ctx.state.all(OPEN)
        if e["currency"] == currency
        and e["available_on"] <= ctx.now()
        and is_available(ctx, e["clock"], e["available_on"])
    ]
    return [e["id"] for e in entries], sum(e["net"] for e in entries)


def close(ctx: Context, transaction_id: str) -> None:
    """Take a transaction off the open ones: a payout has carried it off."""
    ctx.state.delete(OPEN, transaction_id)


def currencies(ctx: Context) -> list[str]:
    """Return the currencies of open transactions, sorted."""
    return sorted({e["currency"] for e in ctx.state.all(OPEN)})


def balance(ctx: Context) -> dict[str, tuple[int, int]]:
    """Return (available, pending) in minor units per currency."""
    sums: dict[str, tuple[int, int]] = {}
    for entry in ctx.state.all(OPEN):
        available, pending = sums.get(entry["currency"], (0, 0))
        if is_available(ctx, entry["clock"], entry["available_on"]):
            available += entry["net"]
        else:
            pending += entry["net"]
        sums[entry["currency"]] = (available, pending)
    return sums


@presenter(KIND)
def _present(ctx: Context, obj: Obj) -> Obj:
    state = "available" if is_available(ctx, obj["_clock"], obj["available_on"]) else "pending"
    return bare(obj) | {"status": state}


@route("GET", "/v1/balance")
def retrieve_balance(ctx: Context, params: Obj) -> Obj:
    """Return the account's balance per currency; an account without movements has an empty one in its currency."""
    sums = dict(sorted(balance(ctx).items())) or {"dkk": (0, 0)}

    def entries(index: int) -> list[Obj]:
        return [
            {"amount": amounts[index], "currency": currency, "source_types": {"card": amounts[index]}}
            for currency, amounts in sums.items()
        ]

    return {
        "object": "balance",
        "available": entries(0),
        "connect_reserved": [{"amount": 0, "currency": currency} for currency in sums],
        "livemode": False,
        "pending": entries(1),
        "refund_and_dispute_prefunding": {
            "available": [{"amount": 0, "currency": currency} for currency in sums],
            "pending": [{"amount": 0, "currency": currency} for currency in sums],
        },
    }


@route("GET", "/v1/balance_transactions")
def list_all(ctx: Context, params: Obj) -> Page:
    """List movements, newest first, by type, currency, source or the automatic payout that carried them off."""
    if "payout" in params:
        payout = ctx.need("payout", params["payout"], "payout")
        found = [ctx.need(KIND, i) for i in reversed(payout["_entries"])]
    elif "source" in params:
        found = ctx.state.where(KIND, "source", params["source"])[::-1]
    elif "type" in params:
        found = ctx.state.where(KIND, "type", params["type"])[::-1]
    else:
        found = ctx.state.all(KIND)[::-1]
    wanted = {k: params[k] for k in ("type", "currency", "source") if k in params}
    return Page(
        [o for o in found if all(o[k] == v for k, v in wanted.items())],
        "/v1/balance_transactions",
    )


@route("GET", "/v1/balance_transactions/{id}")
def retrieve(ctx: Context, params: Obj, id: str) -> Obj:
    """Return one movement."""
    return ctx.need(KIND, id)
