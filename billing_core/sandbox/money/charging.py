"""A charge: what the bank says, the object, its fee and its balance transaction.

The bank's answer follows the test instrument (`cards.py`). A refused charge is an object too (`status` `failed`). Bank
debits are `pending` for three business days before they settle. The clock is the customer's.
"""

from __future__ import annotations

import hashlib
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.money import ledger
from billing_core.sandbox.money.cards import Refusal
from billing_core.sandbox.money.fees import SETTLEMENT_DAYS, business_days_after, payment_fee_minor
from billing_core.sandbox.money.payment_methods import instrument_of
from billing_core.sandbox.render import bare, presenter
from billing_core.sandbox.state import Obj

SELLER_MESSAGES = {
    "fraudulent": "Stripe blocked this payment as too risky.",
    "generic_decline": "The bank did not return any further details with this decline.",
    "insufficient_funds": "The bank returned the decline code `insufficient_funds`.",
}


def charge(
    ctx: Context,
    intent: Obj,
    payment_method: Obj,
    *,
    refusal: Refusal | None,
    is_captured: bool = True,
    is_authenticated: bool = False,
) -> Obj:
    """Ask the bank for a payment intent's amount.

    Args:
        intent: the payment intent, to read.
        payment_method: who pays.
        refusal: the bank's no, or None.
        is_captured: False only reserves the amount.
        is_authenticated: whether the customer confirmed the payment to the bank.

    Returns:
        The charge: `succeeded`, `failed`, or `pending` for a bank debit. Its event is emitted.
    """
    instrument = instrument_of(payment_method)
    is_debit = instrument.type != "card"
    status = "pending" if is_debit else "failed" if refusal else "succeeded"
    amount = intent["amount"]
    now = ctx.now(intent)
    obj: Obj = {
        "id": ctx.state.new_id("py" if is_debit else "ch"),
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if is_captured and status == "succeeded" else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "authorization_code": None,
        "balance_transaction": None,
        "billing_details": payment_method["billing_details"],
        "calculated_statement_descriptor": None if is_debit else "BILLING DESK",
        "captured": is_captured and status != "failed",
        "created": now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": refusal.code if refusal and not is_debit else None,
        "failure_message": refusal.message if refusal and not is_debit else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(refusal if not is_debit else None, instrument.risk),
        "paid": status == "succeeded",
        "payment_intent": intent["id"],
        "payment_method": payment_method["id"],
        "payment_method_details": _method_details(payment_method, amount, is_authenticated),
        "presentment_details": None,
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
        "_instrument": payment_method["_instrument"],
    }
    ctx.state.insert(obj)
    if status == "succeeded" and is_captured:
        _settle(ctx, obj)
    ctx.emit({"pending": "charge.pending", "failed": "charge.failed", "succeeded": "charge.succeeded"}[status], obj)
    return obj


def capture(ctx: Context, charge_id: str, amount: int) -> Obj:
    """Take a reserved amount, or a part of it; the rest is released."""
    obj = ctx.state.edit("charge", charge_id)
    obj["captured"] = True
    obj["amount_captured"] = amount
    obj["amount_refunded"] = obj["amount"] - amount
    _settle(ctx, obj)
    ctx.emit("charge.captured", obj)
    return obj


def settle_debit(ctx: Context, charge_id: str, refusal: Refusal | None) -> Obj:
    """Finish a bank debit: it succeeds, or the bank refuses it after all."""
    obj = ctx.state.edit("charge", charge_id)
    if refusal is None:
        obj |= {"status": "succeeded", "paid": True, "amount_captured": obj["amount"]}
        _settle(ctx, obj)
        ctx.emit("charge.succeeded", obj)
    else:
        obj |= {
            "status": "failed",
            "captured": False,
            "failure_code": refusal.code,
            "failure_message": refusal.message,
            "outcome": _outcome(refusal, "normal"),
        }
        ctx.emit("charge.failed", obj)
    return obj


def _settle(ctx: Context, obj: Obj) -> None:
    instrument = instrument_of(obj)
    amount, currency = obj["amount_captured"], obj["currency"]
    available_on = business_days_after(ctx.now(obj), SETTLEMENT_DAYS)
    entry = ledger.book(
        ctx,
        "charge" if instrument.type == "card" else "payment",
        amount,
        currency,
        obj,
        fee=payment_fee_minor(amount, currency, type=instrument.type, country=instrument.country),
        available_on=ctx.now(obj) if instrument.is_available_at_once else available_on,
        description=obj["description"],
    )
    obj["balance_transaction"] = entry["id"]


def _outcome(refusal: Refusal | None, risk: str) -> Obj:
    base: Obj = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": "elevated_risk_level" if risk == "elevated" else None,
        "risk_level": risk,
        "risk_score": {"normal": 20, "elevated": 70, "highest": 95}[risk],
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if refusal is None:
        return base
    is_blocked = risk == "highest"
    return base | {
        "advice_code": "try_again_later" if refusal.decline_code == "generic_decline" else None,
        "network_decline_code": None if is_blocked else "01",
        "network_status": "not_sent_to_network" if is_blocked else "declined_by_network",
        "reason": "highest_risk_level" if is_blocked else refusal.decline_code,
        "seller_message": SELLER_MESSAGES.get(
            refusal.decline_code, f"The bank returned the decline code `{refusal.decline_code}`."
        ),
        "type": "blocked" if is_blocked else "issuer_declined",
    }


def _method_details(payment_method: Obj, amount: int, is_authenticated: bool) -> Obj:
    kind = payment_method["type"]
    given: dict[str, Any] = payment_method[kind]
    if kind == "sepa_debit":
        shown = {k: given[k] for k in ("bank_code", "branch_code", "country", "fingerprint", "last4")}
        return {"type": kind, kind: shown | {"expected_debit_date": None, "mandate": None}}
    if kind == "us_bank_account":
        names = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
        shown = {k: given[k] for k in names}
        return {
            "type": kind,
            kind: shown | {"expected_debit_date": None, "mandate": None, "payment_reference": None},
        }
    secured = {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "exemption_indicator_applied": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": None,
        "version": "2.2.0",
    }
    keys = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    shown = {k: given[k] for k in keys}
    reference = hashlib.blake2b(payment_method["id"].encode(), digest_size=7).hexdigest()
    return {
        "type": kind,
        kind: shown
        | {
            "amount_authorized": amount,
            "authorization_code": None,
            "extended_authorization": {"status": "disabled"},
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": given["brand"],
            "network_token": {"used": False},
            "network_transaction_id": reference,
            "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
            "regulated_status": "unregulated",
            "three_d_secure": secured if is_authenticated else None,
        },
    }


@presenter("charge")
def _present(ctx: Context, obj: Obj) -> Obj:
    receipt = f"{ctx.base_url}/receipts/{obj['id']}" if obj["status"] == "succeeded" else None
    return bare(obj) | {"receipt_url": receipt}
