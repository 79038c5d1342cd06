"""Prices: flat, per unit, per package, tiered; one-time, licensed or metered; what they charge never changes.

`_tiers` and `_currency_options` are shown only when expanded, as at Stripe.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.render import includable
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

# What Stripe can charge in.
_CODES = """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf
    chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk
    htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd
    mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd
    rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs
    vnd vuv wst xaf xcd xof xpf yer zar zmw
"""
CURRENCIES = frozenset(_CODES.split())
LONGEST = {"day": 1095, "week": 156, "month": 36, "year": 3}


def check_currency(currency: str, param: str = "currency") -> str:
    """Return a currency in Stripe's lower case.

    Raises:
        StripeFault: it is none.
    """
    code = currency.lower()
    if code not in CURRENCIES:
        known = ", ".join(sorted(CURRENCIES))
        raise invalid(f"Invalid currency: {code}. Stripe currently supports these currencies: {known}", param)
    return code


def decimal_pair(given: Obj, name: str, path: str = "") -> tuple[int | None, str | None]:
    """Return an amount as Stripe keeps it: whole minor units (None when there is a fraction) and the decimal text.

    Raises:
        StripeFault: both forms are given, or the amount is below zero.
    """
    whole, exact = given.get(name), given.get(f"{name}_decimal")
    param = f"{path}[{name}]" if path else name
    if whole is not None and exact is not None:
        raise invalid(
            f"You may only specify one of these parameters: {name}, {name}_decimal.", param, "parameters_exclusive"
        )
    if whole is None and exact is None:
        return None, None
    value = Decimal(whole) if whole is not None else Decimal(exact or 0)
    if value < 0:
        raise invalid(f"Invalid non-negative integer: {value}", param, "parameter_invalid_integer")
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return (int(value) if value == value.to_integral_value() else None), text


@includable("price", "tiers")
def _tiers(ctx: Context, price: Obj) -> Any:
    return price["_tiers"]


@includable("price", "currency_options")
def _currency_options(ctx: Context, price: Obj) -> Any:
    own = {
        "custom_unit_amount": price["custom_unit_amount"],
        "tax_behavior": price["tax_behavior"],
        "tiers": price["_tiers"],
        "unit_amount": price["unit_amount"],
        "unit_amount_decimal": price["unit_amount_decimal"],
    }
    return {price["currency"]: own, **price["_currency_options"]}


@route("POST", "/v1/prices")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a price, for a product that exists or one made with it."""
    return make(ctx, params, "")


def make(ctx: Context, params: Obj, path: str) -> Obj:
    """Make a price from checked parameters and say so in an event; `path` names the hash that they come from."""
    if "product_data" in params and "product" in params:
        raise invalid("You may only specify one of these parameters: product, product_data.", "product")
    if "product" in params:
        product = ctx.need("product", params["product"], "product")
    elif "product_data" in params:
        from billing_core.sandbox.resources.products import make as make_product

        product = make_product(ctx, params["product_data"])
    else:
        raise invalid(
            "You must specify either `product` or `product_data` when creating a price.", "product", "parameter_missing"
        )
    currency = check_currency(params["currency"])
    recurring = _recurring(ctx, params.get("recurring"))
    amount, exact = decimal_pair(params, "unit_amount", path)
    scheme = params.get("billing_scheme") or "per_unit"
    tiers = _checked_tiers(params, scheme, amount if amount is not None else exact)
    custom = _custom(params.get("custom_unit_amount"))
    if scheme == "per_unit" and exact is None and custom is None:
        raise invalid(
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
            "unit_amount",
            "parameter_missing",
        )
    price: Obj = {
        "id": ctx.state.new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": scheme,
        "created": ctx.now(),
        "currency": currency,
        "custom_unit_amount": custom,
        "livemode": False,
        "lookup_key": None,
        "metadata": merged_metadata({}, params.get("metadata")),
        "nickname": params.get("nickname") or None,
        "product": product["id"],
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior") or "unspecified",
        "tiers_mode": params.get("tiers_mode") if scheme == "tiered" else None,
        "transform_quantity": params.get("transform_quantity"),
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": exact,
        "_tiers": tiers,
        "_currency_options": _options(params.get("currency_options")),
    }
    if price["transform_quantity"] and scheme == "tiered":
        raise invalid("`transform_quantity` cannot be combined with `billing_scheme=tiered`.", "transform_quantity")
    price = ctx.state.insert(price)
    _take_lookup_key(ctx, price, params)
    ctx.emit("price.created", price)
    return price


def _recurring(ctx: Context, given: Obj | None) -> Obj | None:
    if not given:
        return None
    interval, count = given["interval"], given.get("interval_count", 1)
    if not 1 <= count <= LONGEST[interval]:
        raise invalid(
            "Maximum of three years interval allowed (3 years, 36 months, or 156 weeks)."
            if count > 0
            else "This value must be greater than or equal to 1.",
            "recurring[interval_count]",
        )
    usage, meter = given.get("usage_type") or "licensed", given.get("meter")
    if meter and usage != "metered":
        raise invalid("A meter can only be set for a price with `usage_type=metered`.", "recurring[meter]")
    if usage == "metered" and not meter:
        raise invalid(
            "Starting with Stripe version 2025-03-31.basil, metered prices must be backed by meters. Create a meter and"
            " pass its id as `recurring[meter]`.",
            "recurring[meter]",
        )
    if meter:
        found = ctx.need("billing.meter", meter, "recurring[meter]")
        if found["status"] != "active":
            raise invalid(f"The meter {meter} is inactive.", "recurring[meter]")
    return {
        "interval": interval,
        "interval_count": count,
        "meter": meter,
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": usage,
    }


def _checked_tiers(params: Obj, scheme: str, amount: int | str | None) -> list[Obj] | None:
    given = params.get("tiers")
    if scheme == "per_unit":
        if given or params.get("tiers_mode"):
            raise invalid("You must set `billing_scheme=tiered` to specify `tiers` or `tiers_mode`.", "billing_scheme")
        return None
    if not given:
        raise invalid("Missing required param: tiers.", "tiers", "parameter_missing")
    if not params.get("tiers_mode"):
        raise invalid("Missing required param: tiers_mode.", "tiers_mode", "parameter_missing")
    if amount is not None:
        raise invalid("`unit_amount` cannot be set when `billing_scheme=tiered`.", "unit_amount")
    return tiers_of(given)


def tiers_of(given: list[Obj]) -> list[Obj]:
    """Return tiers as Stripe keeps them, the last one without an end.

    Raises:
        StripeFault: they do not rise, do not end in `inf`, or one has no amount.
    """
    made, last = [], 0
    for index, tier in enumerate(given):
        up_to, param = tier["up_to"], f"tiers[{index}]"
        is_last = index == len(given) - 1
        if (up_to == "inf") != is_last:
            raise invalid("The last tier, and only that one, must have `up_to` set to `inf`.", f"{param}[up_to]")
        if not is_last and up_to <= last:
            raise invalid("`up_to` must be greater than that of the tier before.", f"{param}[up_to]")
        unit, flat = decimal_pair(tier, "unit_amount", param), decimal_pair(tier, "flat_amount", param)
        if unit[1] is None and flat[1] is None:
            raise invalid("A tier needs a `unit_amount` or a `flat_amount`.", f"{param}[unit_amount]")
        last = last if is_last else up_to
        made.append(
            {
                "flat_amount": flat[0],
                "flat_amount_decimal": flat[1],
                "unit_amount": unit[0],
                "unit_amount_decimal": unit[1],
                "up_to": None if is_last else up_to,
            }
        )
    return made


def _custom(given: Obj | None) -> Obj | None:
    return {k: given.get(k) for k in ("maximum", "minimum", "preset")} if given and given["enabled"] else None


def _options(given: Any) -> Obj:
    made = {}
    for currency, option in (given or {}).items():
        amount, exact = decimal_pair(option, "unit_amount", f"currency_options[{currency}]")
        made[check_currency(currency, "currency_options")] = {
            "custom_unit_amount": _custom(option.get("custom_unit_amount")),
            "tax_behavior": option.get("tax_behavior") or "unspecified",
            "tiers": tiers_of(option["tiers"]) if option.get("tiers") else None,
            "unit_amount": amount,
            "unit_amount_decimal": exact,
        }
    return made


def _take_lookup_key(ctx: Context, price: Obj, params: Obj) -> None:
    key = params.get("lookup_key")
    if key is None:
        return
    holder = next((p for p in ctx.state.all("price") if key and p["lookup_key"] == key), None)
    if holder and holder["id"] != price["id"]:
        if not params.get("transfer_lookup_key"):
            raise invalid(
                f"A price (`{holder['id']}`) already uses that lookup key. To transfer the lookup key, pass"
                " `transfer_lookup_key=true`.",
                "lookup_key",
            )
        with updating(ctx, "price", holder["id"]) as before:
            before["lookup_key"] = None
    ctx.state.edit("price", price["id"])["lookup_key"] = key or None


@route("GET", "/v1/prices/{price}")
def retrieve(ctx: Context, params: Obj, price: str) -> Obj:
    """Return a price."""
    return ctx.need("price", price)


@route("POST", "/v1/prices/{price}")
def update(ctx: Context, params: Obj, price: str) -> Obj:
    """Change what may change of a price; its amount, currency and interval never do."""
    found = ctx.need("price", price)
    behavior = params.get("tax_behavior")
    if behavior and found["tax_behavior"] not in ("unspecified", behavior):
        raise invalid("You cannot change `tax_behavior` once it is set to `inclusive` or `exclusive`.", "tax_behavior")
    with updating(ctx, "price", price) as changed:
        for name in ("active", "nickname", "tax_behavior"):
            if name in params:
                changed[name] = params[name] if params[name] != "" else None
        if params.get("currency_options"):
            changed["_currency_options"] = {**changed["_currency_options"], **_options(params["currency_options"])}
        if "metadata" in params:
            changed["metadata"] = merged_metadata(changed["metadata"], params["metadata"])
        _take_lookup_key(ctx, changed, params)
    return changed


@route("GET", "/v1/prices")
def list_all(ctx: Context, params: Obj) -> Page:
    """List prices; those made inline of a subscription are inactive."""
    keys, wanted = params.get("lookup_keys"), params.get("recurring") or {}

    def matches(price: Obj) -> bool:
        return (
            all(price[n] == params[n] for n in ("active", "currency", "product", "type") if n in params)
            and (not keys or price["lookup_key"] in keys)
            and all((price["recurring"] or {}).get(k) == v for k, v in wanted.items())
        )

    return Page([p for p in ctx.state.all("price") if matches(p)], "/v1/prices")
