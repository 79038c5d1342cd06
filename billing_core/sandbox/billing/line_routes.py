"""Lines of invoices over the API: listed for all, changed on drafts."""

from __future__ import annotations

from billing_core.sandbox.billing.invoiceitem_routes import change, make
from billing_core.sandbox.billing.invoiceitems import put_on_invoice
from billing_core.sandbox.billing.invoices import lines_of, recalculate_and_tell
from billing_core.sandbox.billing.terms import set_discounts, tax_rate_ids
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money.changes import merged_metadata
from billing_core.sandbox.routes import Page, route
from billing_core.sandbox.state import Obj

KIND = "invoice"


@route("GET", "/v1/invoices/{invoice}/lines")
def list_lines(ctx: Context, params: Obj, invoice: str) -> Page:
    """List the lines of an invoice, or of a preview that was made before, in order."""
    url = f"/v1/invoices/{invoice}/lines"
    kept = ctx.state.get("_preview", invoice)
    if kept is not None:
        return Page(kept["lines"], url, is_ordered=True)
    ctx.need(KIND, invoice)
    return Page(lines_of(ctx, invoice), url, is_ordered=True)


@route("POST", "/v1/invoices/{invoice}/lines/{line_item}")
def update_line(ctx: Context, params: Obj, invoice: str, line_item: str) -> Obj:
    """Change a line of a draft."""
    _draft(ctx, invoice)
    _change_line(ctx, invoice, line_item, params)
    recalculate_and_tell(ctx, invoice)
    return ctx.need("line_item", line_item)


@route("POST", "/v1/invoices/{invoice}/update_lines")
def update_lines(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Change several lines of a draft."""
    _draft(ctx, invoice)
    for line in params["lines"]:
        _change_line(ctx, invoice, line["id"], line)
    return _lines_changed(ctx, invoice, params)


@route("POST", "/v1/invoices/{invoice}/add_lines")
def add_lines(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Add lines to a draft: invoice items that wait, or new ones."""
    draft = _draft(ctx, invoice)
    customer = ctx.need("customer", draft["customer"])
    for index, line in enumerate(params["lines"]):
        if line.get("invoice_item"):
            item = ctx.need("invoiceitem", line["invoice_item"], f"lines[{index}][invoice_item]")
            if item["invoice"] or item["customer"] != customer["id"]:
                raise invalid("The invoice item is on an invoice already.", f"lines[{index}][invoice_item]")
            put_on_invoice(ctx, draft, [item])
        else:
            make(ctx, customer, {**line, "invoice": invoice, "currency": draft["currency"]})
    return _lines_changed(ctx, invoice, params)


@route("POST", "/v1/invoices/{invoice}/remove_lines")
def remove_lines(ctx: Context, params: Obj, invoice: str) -> Obj:
    """Remove lines from a draft; their invoice items wait again, or are deleted."""
    _draft(ctx, invoice)
    for index, wanted in enumerate(params["lines"]):
        line = _line(ctx, invoice, wanted["id"], f"lines[{index}][id]")
        item_id = _invoice_item_of(line)
        ctx.state.delete("line_item", line["id"])
        if item_id and wanted["behavior"] == "delete":
            item = ctx.need("invoiceitem", item_id)
            ctx.state.delete("invoiceitem", item_id)
            ctx.emit("invoiceitem.deleted", item)
        elif item_id:
            item = ctx.state.edit("invoiceitem", item_id)
            item["invoice"] = item["_line"] = None
    return _lines_changed(ctx, invoice, params)


def _draft(ctx: Context, invoice: str) -> Obj:
    found = ctx.need(KIND, invoice)
    if found["status"] != "draft":
        raise invalid("This invoice is no longer editable.", code="invoice_not_editable")
    return found


def _line(ctx: Context, invoice: str, line_id: str, param: str) -> Obj:
    line = ctx.need("line_item", line_id, param)
    if line["invoice"] != invoice:
        raise invalid(f"No such line on this invoice: '{line_id}'", param, "resource_missing")
    return line


def _invoice_item_of(line: Obj) -> str | None:
    parent = line["parent"] or {}
    details = parent.get("invoice_item_details") or parent.get("subscription_item_details") or {}
    found = details.get("invoice_item")
    return str(found) if found else None


def _change_line(ctx: Context, invoice: str, line_id: str, params: Obj) -> None:
    line = _line(ctx, invoice, line_id, "line_item")
    item_id = _invoice_item_of(line)
    given = {k: v for k, v in params.items() if k not in ("id", "tax_amounts")}
    if params.get("tax_amounts"):
        raise invalid("The sandbox does not simulate tax amounts given by hand. Use tax rates.", "tax_amounts")
    if item_id is not None:
        change(ctx, item_id, given)
        return
    refused = sorted(set(given) - {"description", "metadata", "tax_rates", "discounts", "discountable"})
    if refused:
        raise invalid(f"You cannot change `{refused[0]}` of a line that a subscription made.", refused[0])
    edited = ctx.state.edit("line_item", line_id)
    for name in ("description", "discountable"):
        if name in given:
            edited[name] = given[name]
    if "metadata" in given:
        edited["metadata"] = merged_metadata(edited["metadata"], given["metadata"])
    if "tax_rates" in given:
        edited["_tax_rates"] = tax_rate_ids(ctx, given["tax_rates"], "tax_rates")
    if "discounts" in given:
        set_discounts(ctx, "line_item", line_id, given["discounts"])


def _lines_changed(ctx: Context, invoice: str, params: Obj) -> Obj:
    if "invoice_metadata" in params:
        edited = ctx.state.edit(KIND, invoice)
        edited["metadata"] = merged_metadata(edited["metadata"], params["invoice_metadata"])
    return recalculate_and_tell(ctx, invoice)
