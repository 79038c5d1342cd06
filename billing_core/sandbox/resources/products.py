"""Products, with or without a first price."""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.money.changes import merged_metadata, updating
from billing_core.sandbox.render import deleted as mark_of
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

PLAIN = ("description", "statement_descriptor", "unit_label", "url")


def make(ctx: Context, params: Obj) -> Obj:
    """Make a product from checked parameters and say so in an event."""
    now = ctx.now()
    product: Obj = {
        "id": params.get("id") or ctx.state.new_id("prod"),
        "object": "product",
        "active": True,
        "created": now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": params["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": params.get("type") or "service",
        "unit_label": None,
        "updated": now,
        "url": None,
    }
    if ctx.state.get("product", product["id"]) is not None:
        raise invalid(f"Product already exists: {product['id']}", "id", "resource_already_exists")
    _apply(product, params)
    product = ctx.state.insert(product)
    ctx.emit("product.created", product)
    return product


@route("POST", "/v1/products")
def create(ctx: Context, params: Obj) -> Obj:
    """Create a product; `default_price_data` makes its first price with it."""
    product = make(ctx, params)
    given = params.get("default_price_data")
    if given:
        from billing_core.sandbox.resources.prices import make as make_price

        price = make_price(ctx, {**given, "product": product["id"]}, "default_price_data")
        with updating(ctx, "product", product["id"]) as changed:
            changed["default_price"] = price["id"]
    return product


@route("GET", "/v1/products/{product}")
def retrieve(ctx: Context, params: Obj, product: str) -> Obj:
    """Return a product."""
    return ctx.need("product", product)


@route("POST", "/v1/products/{product}")
def update(ctx: Context, params: Obj, product: str) -> Obj:
    """Change a product."""
    ctx.need("product", product)
    with updating(ctx, "product", product) as changed:
        before = dict(changed)
        _apply(changed, params)
        if params.get("default_price"):
            price = ctx.need("price", params["default_price"], "default_price")
            if price["product"] != product:
                raise invalid(f"The price {price['id']} does not belong to the product {product}.", "default_price")
            changed["default_price"] = price["id"]
        elif params.get("default_price") == "":
            changed["default_price"] = None
        if changed != before:
            changed["updated"] = ctx.now()
    return changed


@route("DELETE", "/v1/products/{product}")
def delete(ctx: Context, params: Obj, product: str) -> Obj:
    """Delete a product that has no prices."""
    found = ctx.need("product", product)
    if ctx.state.where("price", "product", product):
        raise StripeFault("This product cannot be deleted because it has one or more user-created prices.", param="id")
    ctx.emit("product.deleted", found)
    ctx.state.delete("product", product)
    return mark_of(found)


@route("GET", "/v1/products")
def list_all(ctx: Context, params: Obj) -> Page:
    """List products."""
    names = ("active", "shippable", "url", "type")

    def matches(product: Obj) -> bool:
        ids = params.get("ids")
        return all(product[n] == params[n] for n in names if n in params) and (not ids or product["id"] in ids)

    return Page([p for p in ctx.state.all("product") if matches(p)], "/v1/products")


def _apply(product: Obj, params: Obj) -> None:
    for name in ("active", "name", "shippable"):
        if name in params:
            product[name] = params[name]
    for name in PLAIN:
        if name in params:
            product[name] = params[name] or None
    for name in ("images", "marketing_features"):
        if name in params:
            product[name] = params[name] or []
    if "package_dimensions" in params:
        sizes = params["package_dimensions"] or {}
        product["package_dimensions"] = {k: float(v) for k, v in sizes.items()} or None
    code = params.get("tax_code", _in_details(params))
    if code is not None:
        product["tax_code"] = code or None
    if "metadata" in params:
        product["metadata"] = merged_metadata(product["metadata"], params["metadata"])


def _in_details(params: Obj) -> Any:
    return (params.get("tax_details") or {}).get("tax_code")
