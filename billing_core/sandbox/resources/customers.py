"""Customers and their tax ids; a deleted customer stays as a mark, so that what names it can still be read.

Conventions: `balance` and `_balances` belong to `money.customer_balance`, `discount` to `resources.discounts`,
`next_invoice_sequence` to `billing.invoices`.
"""

from __future__ import annotations

import re
from typing import Any

from billing_core.sandbox.context import TEST_CLOCK, Context
from billing_core.sandbox.errors import invalid, missing
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.render import bare, includable, list_object, presenter, render
from billing_core.sandbox.render import deleted as mark_of
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
PLAIN = ("business_name", "description", "email", "individual_name", "name", "phone")
EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\".]+")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def address_of(given: Any) -> Obj | None:
    """Return an address with all of its fields, or None for an empty one."""
    return {name: given.get(name) or None for name in ADDRESS} if given else None


@presenter("customer")
def present(ctx: Context, customer: Obj) -> Obj:
    """Show a customer; of a deleted one only the mark."""
    return mark_of(customer) if customer.get("deleted") else bare(customer)


@includable("customer", "subscriptions")
def _subscriptions(ctx: Context, customer: Obj) -> Obj:
    found = ctx.state.where("subscription", "customer", customer["id"])[::-1]
    live = [render(ctx, s) for s in found if s["status"] not in ("canceled", "incomplete_expired")]
    return list_object(live, f"/v1/customers/{customer['id']}/subscriptions")


@includable("customer", "tax_ids")
def _tax_ids(ctx: Context, customer: Obj) -> Obj:
    found = ctx.state.where("tax_id", "customer", customer["id"])[::-1]
    return list_object([render(ctx, t) for t in found], f"/v1/customers/{customer['id']}/tax_ids")


@includable("customer", "sources")
def _sources(ctx: Context, customer: Obj) -> Obj:
    return list_object([], f"/v1/customers/{customer['id']}/sources")


@includable("customer", "tax")
def _tax(ctx: Context, customer: Obj) -> Obj:
    country = (customer["address"] or {}).get("country")
    location = {"country": country, "source": "billing_address", "state": None} if country else None
    return {
        "automatic_tax": "not_collecting" if country else "unrecognized_location",
        "ip_address": customer.get("_ip_address"),
        "location": location,
        "provider": "stripe",
    }


def _prefix(ctx: Context) -> str:
    digits = int(ctx.state.new_id("pre").removeprefix("pre_1"), 16)
    letters = ""
    while len(letters) < 8:
        digits, index = divmod(digits, len(ALPHABET))
        letters += ALPHABET[index]
    return letters


@route("POST", "/v1/customers")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a customer; `payment_method` is attached, `test_clock` makes it live on that clock."""
    clock = params.get("test_clock")
    if clock:
        ctx.need(TEST_CLOCK, clock, "test_clock")
    _refuse_sources(params)
    customer: Obj = {
        "id": ctx.state.new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "business_name": None,
        "created": 0,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "individual_name": None,
        "invoice_prefix": "",
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": clock or None,
    }
    customer["created"] = ctx.now(customer)
    customer["invoice_prefix"] = _prefix(ctx)
    _apply(customer, params)
    customer = ctx.state.insert(customer)
    for tax_id in params.get("tax_id_data") or []:
        _add_tax_id(ctx, customer, tax_id["type"], tax_id["value"])
    settings = params.get("invoice_settings") or {}
    wanted = settings.get("default_payment_method")
    if params.get("payment_method"):
        from billing_core.sandbox.money.payment_methods import attach

        attached = attach(ctx, params["payment_method"], customer["id"])
        # The name of a test payment method stands for the one that was made from it.
        wanted = attached["id"] if wanted == params["payment_method"] else wanted
    if wanted:
        customer["invoice_settings"]["default_payment_method"] = _own_payment_method(ctx, customer, wanted)
    ctx.emit("customer.created", customer)
    _set_balance(ctx, customer, params)
    return customer


@route("GET", "/v1/customers/{customer}")
def retrieve(ctx: Context, params: Obj, customer: str) -> Obj:
    """Return a customer, or the mark of a deleted one."""
    found = ctx.state.get("customer", customer)
    if found is None:
        raise missing("customer", customer)
    return found


@route("POST", "/v1/customers/{customer}")
def update(ctx: Context, params: Obj, customer: str) -> Obj:
    """Change a customer; nested hashes are replaced field by field."""
    ctx.need("customer", customer)
    _refuse_sources(params)
    with updating(ctx, "customer", customer) as changed:
        _apply(changed, params)
        wanted = (params.get("invoice_settings") or {}).get("default_payment_method")
        if wanted is not None:
            own = _own_payment_method(ctx, changed, wanted) if wanted else None
            changed["invoice_settings"] = {**changed["invoice_settings"], "default_payment_method": own}
    _set_balance(ctx, changed, params)
    return changed


@route("DELETE", "/v1/customers/{customer}")
def delete(ctx: Context, params: Obj, customer: str) -> Obj:
    """Delete a customer: subscriptions are canceled at once, payment methods, tax ids and discounts go with it."""
    return delete_customer(ctx, ctx.need("customer", customer))


def delete_customer(ctx: Context, customer: Obj) -> Obj:
    """Delete a customer with all that hangs on it, and return the mark that stays."""
    from billing_core.sandbox.inprocess import call

    customer_id = customer["id"]
    for subscription in ctx.state.where("subscription", "customer", customer_id):
        if subscription["status"] not in ("canceled", "incomplete_expired"):
            call(ctx, "DELETE", f"/v1/subscriptions/{subscription['id']}")
    for method in ctx.state.where("payment_method", "_owner", customer_id):
        call(ctx, "POST", f"/v1/payment_methods/{method['id']}/detach")
    for tax_id in ctx.state.where("tax_id", "customer", customer_id):
        ctx.state.delete("tax_id", tax_id["id"])
        ctx.emit("customer.tax_id.deleted", tax_id)
    for item in ctx.state.where("invoiceitem", "customer", customer_id):
        if not item.get("invoice"):
            ctx.state.delete("invoiceitem", item["id"])
    ctx.emit("customer.deleted", customer)
    edited = ctx.state.edit("customer", customer_id)
    edited["deleted"] = True
    edited["discount"] = None
    return mark_of(edited)


@route("GET", "/v1/customers")
def list_all(ctx: Context, params: Obj) -> Page:
    """List customers that are not deleted; those on test clocks only when their clock is named."""
    clock, email = params.get("test_clock"), params.get("email")
    if clock:
        ctx.need(TEST_CLOCK, clock, "test_clock")
    found = [
        c
        for c in ctx.state.all("customer")
        if not c.get("deleted") and c["test_clock"] == clock and email in (None, c["email"])
    ]
    return Page(found, "/v1/customers")


def _apply(customer: Obj, params: Obj) -> None:
    if params.get("email") and not EMAIL.fullmatch(params["email"]):
        raise invalid(f"Invalid email address: {params['email']}", "email", "email_invalid")
    for name in PLAIN:
        if name in params:
            customer[name] = params[name] or None
    if "address" in params:
        customer["address"] = address_of(params["address"])
    if "shipping" in params:
        given = params["shipping"]
        customer["shipping"] = given and {
            "address": address_of(given["address"]),
            "name": given["name"],
            "phone": given.get("phone") or None,
        }
        customer["shipping"] = customer["shipping"] or None
    if "preferred_locales" in params:
        customer["preferred_locales"] = params["preferred_locales"] or []
    if "tax_exempt" in params:
        customer["tax_exempt"] = params["tax_exempt"] or "none"
    if "invoice_prefix" in params:
        if not re.fullmatch(r"[A-Z0-9]{3,12}", params["invoice_prefix"]):
            raise invalid("Invoice prefixes must be 3 to 12 uppercase letters or numbers.", "invoice_prefix")
        customer["invoice_prefix"] = params["invoice_prefix"]
    if "next_invoice_sequence" in params:
        customer["next_invoice_sequence"] = params["next_invoice_sequence"]
    if "tax" in params:
        customer["_ip_address"] = params["tax"].get("ip_address") or None
    given = params.get("invoice_settings") or {}
    settings = dict(customer["invoice_settings"])
    for name in ("custom_fields", "footer"):
        if name in given:
            settings[name] = given[name] or None
    if "rendering_options" in given:
        options = given["rendering_options"] or {}
        shown = {"amount_tax_display": options.get("amount_tax_display") or None, "template": options.get("template")}
        settings["rendering_options"] = shown if options else None
    customer["invoice_settings"] = settings
    if "metadata" in params:
        customer["metadata"] = merged_metadata(customer["metadata"], params["metadata"])


def _refuse_sources(params: Obj) -> None:
    if params.get("source") or params.get("default_source"):
        raise invalid(
            "This sandbox does not simulate sources. Attach a payment method instead, such as pm_card_visa.", "source"
        )


def _own_payment_method(ctx: Context, customer: Obj, payment_method: str) -> str:
    found = ctx.state.get("payment_method", payment_method)
    if found is None:
        raise invalid(
            f"No such PaymentMethod: '{payment_method}'",
            "invoice_settings[default_payment_method]",
            "resource_missing",
        )
    if found["customer"] != customer["id"]:
        raise invalid(
            f"The customer does not have a payment method with the ID {payment_method}. The payment method must be"
            " attached to the customer.",
            "invoice_settings[default_payment_method]",
            "resource_missing",
        )
    return payment_method


def _set_balance(ctx: Context, customer: Obj, params: Obj) -> None:
    difference = params["balance"] - customer["balance"] if "balance" in params else 0
    if difference:
        from billing_core.sandbox.money.customer_balance import adjust

        adjust(ctx, customer["id"], difference)


# --- tax ids ----------------------------------------------------------------------------------------------------------

# What the sandbox checks of a value; other types take any text.
FORMATS = {
    "eu_vat": r"(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI)[0-9A-Z+*]{2,13}",
    "gb_vat": r"GB([0-9]{9}|[0-9]{12}|(GD|HA)[0-9]{3})",
    "no_vat": r"[0-9]{9}MVA",
    "ch_vat": r"CHE-[0-9]{3}\.[0-9]{3}\.[0-9]{3} (MWST|TVA|IVA)",
    "us_ein": r"[0-9]{2}-[0-9]{7}",
}


def _add_tax_id(ctx: Context, customer: Obj, type: str, value: str) -> Obj:
    pattern = FORMATS.get(type)
    if pattern and not re.fullmatch(pattern, value.replace(" ", "") if type == "eu_vat" else value):
        raise invalid(f"Invalid value for {type}.", "value", "tax_id_invalid")
    country = value[:2] if type == "eu_vat" else type[:2].upper()
    made = ctx.state.insert(
        {
            "id": ctx.state.new_id("txi"),
            "object": "tax_id",
            "country": {"EL": "GR"}.get(country, country),
            "created": ctx.now(customer),
            "customer": customer["id"],
            "customer_account": None,
            "livemode": False,
            "owner": {
                "account": None,
                "application": None,
                "customer": customer["id"],
                "customer_account": None,
                "type": "customer",
            },
            "type": type,
            "value": value,
            # Registers are not asked; where Stripe would, the answer here is always yes.
            "verification": {
                "status": "verified" if type in ("eu_vat", "gb_vat") else "unavailable",
                "verified_address": None,
                "verified_name": customer["name"] if type in ("eu_vat", "gb_vat") else None,
            },
        }
    )
    ctx.emit("customer.tax_id.created", made)
    return made


@route("POST", "/v1/customers/{customer}/tax_ids")
def create_tax_id(ctx: Context, params: Obj, customer: str) -> Obj:
    """Add a tax id to a customer."""
    return _add_tax_id(ctx, ctx.need("customer", customer), params["type"], params["value"])


@route("GET", "/v1/customers/{customer}/tax_ids")
def list_tax_ids(ctx: Context, params: Obj, customer: str) -> Page:
    """List a customer's tax ids."""
    ctx.need("customer", customer)
    return Page(ctx.state.where("tax_id", "customer", customer), f"/v1/customers/{customer}/tax_ids")


def _tax_id(ctx: Context, customer: str, tax_id: str) -> Obj:
    found = ctx.need("tax_id", tax_id)
    if found["customer"] != customer:
        raise missing("tax_id", tax_id)
    return found


@route("GET", "/v1/customers/{customer}/tax_ids/{tax_id}")
def retrieve_tax_id(ctx: Context, params: Obj, customer: str, tax_id: str) -> Obj:
    """Return a customer's tax id."""
    return _tax_id(ctx, customer, tax_id)


@route("DELETE", "/v1/customers/{customer}/tax_ids/{tax_id}")
def delete_tax_id(ctx: Context, params: Obj, customer: str, tax_id: str) -> Obj:
    """Delete a customer's tax id."""
    found = _tax_id(ctx, customer, tax_id)
    ctx.emit("customer.tax_id.deleted", found)
    ctx.state.delete("tax_id", tax_id)
    return mark_of(found)
