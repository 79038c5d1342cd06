"""Payment methods: made from test names, tokens or test numbers, attached to customers and detached for good.

A test name is a template: every use of `pm_card_visa` makes a payment method with an id of its own. `_instrument` is
the key in `cards.INSTRUMENTS`, `_owner` the customer's id as the index needs it, `_is_set_up` whether a bank's
authentication for later payments was given.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, card_error, invalid, missing
from billing_core.sandbox.money.cards import INSTRUMENTS, Instrument, Refusal, key_of_name, key_of_number
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

UNUSABLE = (
    "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer,"
    " and may not be used again."
)
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def instrument_of(payment_method: Obj) -> Instrument:
    """Return the test instrument behind a payment method."""
    return INSTRUMENTS[payment_method["_instrument"]]


def refused(refusal: Refusal, **fields: Any) -> StripeFault:
    """Return the error of a bank that says no."""
    return card_error(refusal.message, refusal.code, refusal.decline_code, **fields)


def attach(ctx: Context, payment_method: str, customer_id: str, *, param: str = "payment_method") -> Obj:
    """Attach a payment method to a customer.

    Args:
        payment_method: an id, a test name (`pm_card_visa`) or a token; a name makes a payment method of its own.
        customer_id: an existing customer.
        param: what to name in an error.

    Returns:
        The attached payment method; one that is attached to this customer already as it is.

    Raises:
        StripeFault: it does not exist, belongs to another customer, was detached before, or the bank refuses it.
    """
    customer = ctx.need("customer", customer_id, "customer")
    obj = find(ctx, payment_method, customer=customer, param=param)
    if obj["customer"] == customer_id:
        return obj
    if obj["customer"]:
        raise invalid("The payment method you provided has already been attached to a customer.", param=param)
    if obj.get("_is_spent"):
        raise invalid(UNUSABLE, param=param)
    instrument = instrument_of(obj)
    if instrument.is_refused_at_once and instrument.refusal is not None:
        raise refused(instrument.refusal, param="" if instrument.refusal.code != "incorrect_cvc" else "cvc")
    attached = _reinsert(ctx, obj, customer=customer_id, _owner=customer_id)
    ctx.emit("payment_method.attached", attached)
    return attached


def find(ctx: Context, payment_method: str, *, customer: Obj | None = None, param: str = "payment_method") -> Obj:
    """Return a payment method by id; a test name or token makes a new one (on the customer's clock).

    Raises:
        StripeFault: there is no such payment method.
    """
    known = ctx.state.get("payment_method", payment_method)
    if known is not None:
        return known
    key = key_of_name(payment_method)
    if key is None:
        raise missing("PaymentMethod", payment_method, param)
    return make(ctx, key, customer)


def usable(ctx: Context, payment_method: str, customer_id: str | None, *, param: str = "payment_method") -> Obj:
    """Return a payment method that may pay for a customer; a test name is attached to the customer first.

    Raises:
        StripeFault: it does not exist, belongs to somebody else, or was used up.
    """
    if customer_id and ctx.state.get("payment_method", payment_method) is None:
        return attach(ctx, payment_method, customer_id, param=param)
    obj = find(ctx, payment_method, param=param)
    if obj.get("_is_spent"):
        raise invalid(UNUSABLE, param=param)
    if obj["customer"] and obj["customer"] != customer_id:
        if customer_id is None:
            raise invalid(
                "The PaymentMethod you provided is attached to a customer so for security purposes you must provide"
                " the customer in the request.",
                param=param,
            )
        raise invalid(
            f"The customer does not have a payment method with the ID {payment_method}. The payment method must be"
            " attached to the customer.",
            param=param,
            code="resource_missing",
        )
    return obj


def make(ctx: Context, key: str, customer: Obj | None = None, **details: Any) -> Obj:
    """Make a payment method that belongs to nobody yet.

    Args:
        key: in `cards.INSTRUMENTS`.
        customer: whose clock tells the time.
        **details: `exp_month`, `exp_year`, `billing_details`, `metadata`, `allow_redisplay`.
    """
    instrument = INSTRUMENTS[key]
    now = ctx.now(customer)
    obj: Obj = {
        "id": ctx.state.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": details.get("allow_redisplay", "unspecified"),
        "billing_details": _billing_details(details.get("billing_details")),
        "created": now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": merged_metadata(None, details.get("metadata")),
        "type": instrument.type,
        instrument.type: _particulars(instrument, now, details),
        "_instrument": key,
        "_owner": None,
    }
    return ctx.state.insert(obj)


def mark_set_up(ctx: Context, payment_method_id: str) -> None:
    """Remember that the bank authenticated later payments with this method."""
    ctx.state.edit("payment_method", payment_method_id)["_is_set_up"] = True


def spend(ctx: Context, payment_method_id: str) -> None:
    """Use up a payment method that no customer has."""
    obj = ctx.state.get("payment_method", payment_method_id)
    if obj is not None and obj["customer"] is None:
        ctx.state.edit("payment_method", payment_method_id)["_is_spent"] = True


def last_payment_method(ctx: Context, customer_id: str) -> Obj | None:
    """Return the payment method that was attached last, or None."""
    owned = ctx.state.where("payment_method", "_owner", customer_id)
    return owned[-1] if owned else None


def _reinsert(ctx: Context, obj: Obj, **changes: Any) -> Obj:
    # The owner is indexed, and an indexed field changes only with a new insertion.
    ctx.state.delete("payment_method", obj["id"])
    return ctx.state.insert({**obj, **changes})


def _billing_details(given: Any, current: Obj | None = None) -> Obj:
    base: Obj = current or {
        "address": dict.fromkeys(ADDRESS),
        "email": None,
        "name": None,
        "phone": None,
        "tax_id": None,
    }
    merged = {**base}
    for key, value in (given or {}).items():
        if key == "address":
            cleared = dict.fromkeys(ADDRESS)
            merged[key] = cleared if value == "" else {**cleared, **(base["address"] or {}), **value}
        else:
            merged[key] = value or None
    return merged


def _fingerprint(number: str) -> str:
    return hashlib.blake2b(number.encode(), digest_size=8).hexdigest()


def _particulars(instrument: Instrument, now: int, details: Obj) -> Obj:
    if instrument.type == "sepa_debit":
        return {
            "bank_code": instrument.number[4:12],
            "branch_code": "",
            "country": instrument.country,
            "fingerprint": _fingerprint(instrument.number),
            "generated_from": {"charge": None, "setup_attempt": None},
            "last4": instrument.last4,
        }
    if instrument.type == "us_bank_account":
        return {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "financial_connections_account": None,
            "fingerprint": _fingerprint(instrument.number),
            "last4": instrument.last4,
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000",
            "status_details": {},
        }
    return {
        "brand": instrument.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": instrument.country,
        "display_brand": {"amex": "american_express"}.get(instrument.brand, instrument.brand),
        "exp_month": details.get("exp_month", 12),
        "exp_year": details.get("exp_year", datetime.fromtimestamp(now, UTC).year + 3),
        "fingerprint": _fingerprint(instrument.number),
        "funding": instrument.funding,
        "generated_from": None,
        "last4": instrument.last4,
        "networks": {"available": [instrument.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": instrument.brand != "amex"},
        "wallet": None,
    }


def create_from(ctx: Context, params: Obj, customer: Obj | None = None) -> Obj:
    """Make a payment method from parameters of the form that `payment_method_data` and creation share.

    Raises:
        StripeFault: a type the sandbox does not hold, or details that do not belong to a test instrument.
    """
    kind = params.get("type")
    if kind is None:
        raise StripeFault("Missing required param: type.", code="parameter_missing", param="type")
    rest: Obj = {k: params[k] for k in ("billing_details", "metadata", "allow_redisplay") if k in params}
    given = params.get(kind)
    if kind not in ("card", "sepa_debit", "us_bank_account"):
        raise invalid(f"The sandbox does not hold payment methods of type {kind}.", param="type")
    if not isinstance(given, dict):
        raise StripeFault(f"Missing required param: {kind}.", code="parameter_missing", param=kind)
    if kind == "card":
        return _card_from(ctx, given, rest, customer)
    if kind == "sepa_debit":
        key = key_of_number(given["iban"]) or "sepaDebit"
    else:
        key = key_of_number(given.get("account_number", "")) or "usBankAccount"
    return make(ctx, key, customer, **rest)


def _card_from(ctx: Context, given: Obj, rest: Obj, customer: Obj | None) -> Obj:
    if token := given.get("token"):
        key = key_of_name(token)
        if key is None:
            raise missing("token", token, "card[token]")
        return make(ctx, key, customer, **rest)
    if not given.get("number"):
        raise StripeFault("Missing required param: card[number].", code="parameter_missing", param="card[number]")
    key = key_of_number(given["number"])
    if key is None:
        raise card_error("Your card number is incorrect.", "incorrect_number", param="number")
    month, year = given.get("exp_month", 12), given.get("exp_year", datetime.fromtimestamp(ctx.now(customer), UTC).year)
    year += 2000 if year < 100 else 0
    if not 1 <= month <= 12:
        raise card_error("Your card's expiration month is invalid.", "invalid_expiry_month", param="exp_month")
    today = datetime.fromtimestamp(ctx.now(customer), UTC)
    if (year, month) < (today.year, today.month):
        raise card_error("Your card's expiration year is invalid.", "invalid_expiry_year", param="exp_year")
    return make(ctx, key, customer, exp_month=month, exp_year=year, **rest)


@route("POST", "/v1/payment_methods")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a payment method from a test number or token, or copy one of a customer's."""
    if source := params.get("payment_method"):
        copied = find(ctx, source)
        return make(ctx, copied["_instrument"], billing_details=copied["billing_details"])
    return create_from(ctx, params)


@route("GET", "/v1/payment_methods/{payment_method}")
def retrieve(ctx: Context, params: Obj, payment_method: str) -> Obj:
    """Return one; a test name shows what it would make."""
    return find(ctx, payment_method, param="id")


@route("POST", "/v1/payment_methods/{payment_method}")
def update(ctx: Context, params: Obj, payment_method: str) -> Obj:
    """Change billing details, expiry or metadata of an attached payment method."""
    current = ctx.need("payment_method", payment_method)
    if current["customer"] is None:
        raise invalid("You must save this PaymentMethod to a customer before you can update it.")
    with updating(ctx, "payment_method", payment_method) as obj:
        if "billing_details" in params:
            obj["billing_details"] = _billing_details(params["billing_details"], obj["billing_details"])
        if "metadata" in params:
            obj["metadata"] = merged_metadata(obj["metadata"], params["metadata"])
        if "allow_redisplay" in params:
            obj["allow_redisplay"] = params["allow_redisplay"]
        if "card" in params and obj["type"] == "card":
            # A new dict: charges and errors keep the details as they were.
            obj["card"] = obj["card"] | {k: v for k, v in params["card"].items() if k in ("exp_month", "exp_year")}
    return obj


@route("POST", "/v1/payment_methods/{payment_method}/attach")
def attach_route(ctx: Context, params: Obj, payment_method: str) -> Obj:
    """Attach to a customer."""
    if "customer" not in params:
        raise StripeFault("Missing required param: customer.", code="parameter_missing", param="customer")
    return attach(ctx, payment_method, params["customer"], param="id")


@route("POST", "/v1/payment_methods/{payment_method}/detach")
def detach(ctx: Context, params: Obj, payment_method: str) -> Obj:
    """Detach from its customer for good; the customer's and the subscriptions' defaults that name it are emptied."""
    obj = ctx.need("payment_method", payment_method)
    customer_id = obj["customer"]
    if customer_id is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    detached = _reinsert(ctx, obj, customer=None, _owner=None, _is_spent=True)
    ctx.emit("payment_method.detached", detached, {"customer": customer_id})
    customer = ctx.need("customer", customer_id)
    if (customer.get("invoice_settings") or {}).get("default_payment_method") == payment_method:
        with updating(ctx, "customer", customer_id) as changed:
            changed["invoice_settings"]["default_payment_method"] = None
    for subscription in ctx.state.where("subscription", "customer", customer_id):
        if subscription.get("default_payment_method") == payment_method:
            with updating(ctx, "subscription", subscription["id"], "customer.subscription.updated") as changed:
                changed["default_payment_method"] = None
    return detached


def _owned(ctx: Context, customer_id: str, params: Obj) -> list[Obj]:
    owned = reversed(ctx.state.where("payment_method", "_owner", customer_id))
    return [
        o
        for o in owned
        if params.get("type") in (None, o["type"]) and params.get("allow_redisplay") in (None, o["allow_redisplay"])
    ]


@route("GET", "/v1/payment_methods")
def list_all(ctx: Context, params: Obj) -> Page:
    """List a customer's payment methods; without a customer there are none to show."""
    if "customer" not in params:
        return Page([], "/v1/payment_methods")
    ctx.need("customer", params["customer"], "customer")
    return Page(_owned(ctx, params["customer"], params), "/v1/payment_methods")


@route("GET", "/v1/customers/{customer}/payment_methods")
def list_of_customer(ctx: Context, params: Obj, customer: str) -> Page:
    """List a customer's payment methods."""
    ctx.need("customer", customer, "customer")
    return Page(_owned(ctx, customer, params), f"/v1/customers/{customer}/payment_methods")


@route("GET", "/v1/customers/{customer}/payment_methods/{payment_method}")
def retrieve_of_customer(ctx: Context, params: Obj, customer: str, payment_method: str) -> Obj:
    """Return one of a customer's payment methods."""
    obj = ctx.state.get("payment_method", payment_method)
    if obj is None or obj["customer"] != customer:
        raise missing("PaymentMethod", payment_method)
    return obj
