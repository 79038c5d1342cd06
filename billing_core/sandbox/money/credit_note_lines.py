"""What the lines of a credit note come to: parts of an invoice's lines with their discounts and taxes, or lines of its
own.

A line of the invoice is credited by amount or by quantity, not by both over time. `amount` is gross: before discounts
and exclusive tax, as on the invoice. Discounts follow in proportion to what has been credited so far; tax is worked out
again from the line's rates and rounded per line. The credit that completes a line takes exactly what is left, so that a
line credited in parts comes to the same as one credited at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from billing_core.money import round_minor
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.state import Obj


@dataclass
class Credited:
    """What earlier credit notes took from one line of an invoice, in minor units and units."""

    amount: int = 0
    quantity: int = 0
    discounts: dict[str, int] = field(default_factory=dict)
    taxes: dict[str, int] = field(default_factory=dict)
    is_by_quantity: bool = False
    is_by_amount: bool = False


def credited_before(ctx: Context, invoice_id: str) -> dict[str, Credited]:
    """Return what issued credit notes took from an invoice, by line id."""
    found: dict[str, Credited] = {}
    for note in ctx.state.where("credit_note", "invoice", invoice_id):
        if note["status"] != "issued":
            continue
        for line in ctx.state.where("credit_note_line_item", "_credit_note", note["id"]):
            if line["invoice_line_item"]:
                _add(found.setdefault(line["invoice_line_item"], Credited()), line)
    return found


def _add(taken: Credited, line: Obj) -> None:
    taken.amount += line["amount"]
    taken.quantity += line["quantity"] or 0
    taken.is_by_quantity |= line["_is_by_quantity"]
    taken.is_by_amount |= not line["_is_by_quantity"]
    for part in line["discount_amounts"]:
        taken.discounts[part["discount"]] = taken.discounts.get(part["discount"], 0) + part["amount"]
    for tax in line["taxes"]:
        key = _key(tax)
        taken.taxes[key] = taken.taxes.get(key, 0) + tax["amount"]


def _key(tax: Obj) -> str:
    return str((tax.get("tax_rate_details") or {}).get("tax_rate"))


def build(ctx: Context, invoice: Obj, wanted: list[Obj]) -> list[Obj]:
    """Return the lines of a credit note, without ids.

    Args:
        invoice: finalized.
        wanted: Stripe's `lines` parameter.

    Raises:
        StripeFault: a line that is not on the invoice, or more than is left of it.
    """
    before = credited_before(ctx, invoice["id"])
    lines = []
    for index, given in enumerate(wanted):
        if given["type"] == "invoice_line_item":
            line = _of_invoice(ctx, invoice, given, before, f"lines[{index}]")
            _add(before.setdefault(line["invoice_line_item"], Credited()), line)
        else:
            line = _custom(ctx, invoice, given, f"lines[{index}]")
        lines.append(line)
    return lines


def _of_invoice(ctx: Context, invoice: Obj, given: Obj, before: dict[str, Credited], param: str) -> Obj:
    line = ctx.state.get("line_item", given.get("invoice_line_item"))
    if line is None or line["invoice"] != invoice["id"]:
        raise invalid(
            f"No such invoice line item: '{given.get('invoice_line_item')}'",
            f"{param}[invoice_line_item]",
            "resource_missing",
        )
    if ("amount" in given) == ("quantity" in given):
        raise invalid("You must provide either `amount` or `quantity` for an invoice_line_item.", param)
    taken = before.get(line["id"], Credited())
    is_by_quantity = "quantity" in given
    if (is_by_quantity and taken.is_by_amount) or (not is_by_quantity and taken.is_by_quantity):
        word = "amount" if taken.is_by_amount else "quantity"
        raise invalid(f"This invoice line item has been credited by {word}; credit it by {word} again.", param)
    left = line["amount"] - taken.amount
    amount = _by_quantity(line, given, taken, left, param) if is_by_quantity else int(given["amount"])
    if amount == 0 or (amount > 0) != (line["amount"] > 0) or abs(amount) > abs(left):
        raise invalid(
            f"The amount to credit ({amount}) must be between 0 and what is left of the line ({left}).",
            f"{param}[amount]",
        )
    is_last = amount == left
    share, so_far = Fraction(amount, line["amount"]), Fraction(taken.amount + amount, line["amount"])
    discounts = [
        {
            "amount": round_minor(part["amount"] * so_far) - taken.discounts.get(part["discount"], 0),
            "discount": part["discount"],
        }
        for part in line["discount_amounts"]
    ]
    net = amount - sum(d["amount"] for d in discounts)
    return _line(
        amount,
        discounts,
        _taxes(ctx, invoice, line, given, net, share, taken, is_last=is_last),
        description=line["description"],
        invoice_line_item=line["id"],
        quantity=given.get("quantity"),
        unit=_unit(line) if is_by_quantity else None,
        metadata=given.get("metadata"),
        is_by_quantity=is_by_quantity,
    )


def _unit(line: Obj) -> Fraction:
    return Fraction(line["amount"], line["quantity"])


def _by_quantity(line: Obj, given: Obj, taken: Credited, left: int, param: str) -> int:
    quantity, has = given["quantity"], line["quantity"] or 0
    if not 0 < quantity <= has - taken.quantity:
        raise invalid(
            f"The quantity to credit ({quantity}) must be between 1 and what is left of the line"
            f" ({has - taken.quantity}).",
            f"{param}[quantity]",
        )
    return left if quantity == has - taken.quantity else round_minor(_unit(line) * quantity)


def _taxes(
    ctx: Context, invoice: Obj, line: Obj, given: Obj, net: int, share: Fraction, taken: Credited, *, is_last: bool
) -> list[Obj]:
    from billing_core.sandbox.billing.taxing import line_taxes

    if given.get("tax_amounts"):
        return [_given_tax(ctx, tax) for tax in given["tax_amounts"]]
    if is_last:
        amounts = [t["amount"] - taken.taxes.get(_key(t), 0) for t in line["taxes"]]
    elif line.get("_taxes"):
        amounts = [round_minor(t["amount"] * share) for t in line["taxes"]]
    else:
        again = line_taxes(ctx, net, [_key(t) for t in line["taxes"]], invoice["customer_tax_exempt"])
        # Rounding never credits more tax than the line had.
        amounts = [
            _nearer_zero(new["amount"], old["amount"] - taken.taxes.get(_key(old), 0))
            for new, old in zip(again, line["taxes"], strict=True)
        ]
    included = sum(a for a, t in zip(amounts, line["taxes"], strict=True) if t["tax_behavior"] == "inclusive")
    return [
        {**tax, "tax_rate_details": dict(tax["tax_rate_details"]), "amount": amount, "taxable_amount": net - included}
        for tax, amount in zip(line["taxes"], amounts, strict=True)
    ]


def _nearer_zero(one: int, other: int) -> int:
    return min(one, other) if other >= 0 else max(one, other)


def _custom(ctx: Context, invoice: Obj, given: Obj, param: str) -> Obj:
    from billing_core.sandbox.billing.taxing import line_taxes

    if ("unit_amount" in given) == ("unit_amount_decimal" in given):
        raise StripeFault(
            "You must provide one of `unit_amount` or `unit_amount_decimal` for a custom_line_item.",
            code="parameter_missing",
            param=f"{param}[unit_amount]",
        )
    quantity = given.get("quantity", 1)
    unit = Fraction(given["unit_amount"] if "unit_amount" in given else given["unit_amount_decimal"])
    amount = round_minor(unit * quantity)
    if amount <= 0 or quantity < 1:
        raise invalid("The amount of a custom_line_item must be greater than 0.", f"{param}[unit_amount]")
    rates = given.get("tax_rates") or []
    taxes = line_taxes(ctx, amount, rates, invoice["customer_tax_exempt"])
    if given.get("tax_amounts"):
        taxes = [_given_tax(ctx, tax) for tax in given["tax_amounts"]]
    return _line(
        amount,
        [],
        taxes,
        description=given.get("description"),
        invoice_line_item=None,
        quantity=quantity,
        unit=unit,
        metadata=given.get("metadata"),
        is_by_quantity=False,
    )


def _given_tax(ctx: Context, tax: Obj) -> Obj:
    rate = ctx.need("tax_rate", tax["tax_rate"], "tax_amounts[tax_rate]")
    return {
        "amount": tax["amount"],
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "not_available",
        "taxable_amount": tax["taxable_amount"],
        "type": "tax_rate_details",
    }


def whole(amount: int) -> Obj:
    """Return the one line of a credit note that names only its total; no tax is told apart in it."""
    return _line(
        amount,
        [],
        [],
        description=None,
        invoice_line_item=None,
        quantity=1,
        unit=Fraction(amount),
        metadata=None,
        is_by_quantity=False,
    )


def _line(
    amount: int,
    discounts: list[Obj],
    taxes: list[Obj],
    *,
    description: str | None,
    invoice_line_item: str | None,
    quantity: int | None,
    unit: Fraction | None,
    metadata: Obj | None,
    is_by_quantity: bool,
) -> Obj:
    from billing_core.sandbox.billing.pricing import decimal_text

    return {
        "object": "credit_note_line_item",
        "amount": amount,
        "description": description,
        "discount_amount": sum(d["amount"] for d in discounts),
        "discount_amounts": discounts,
        "invoice_line_item": invoice_line_item,
        "livemode": False,
        "metadata": dict(metadata or {}),
        "pretax_credit_amounts": [{**d, "type": "discount"} for d in discounts if d["amount"]],
        "quantity": quantity,
        "taxes": taxes,
        "type": "invoice_line_item" if invoice_line_item else "custom_line_item",
        "unit_amount": int(unit) if unit is not None and unit.denominator == 1 else None,
        "unit_amount_decimal": decimal_text(unit) if unit is not None else None,
        "_is_by_quantity": is_by_quantity,
    }


@dataclass(frozen=True)
class Sums:
    """A credit note's sums in minor units."""

    subtotal: int
    discount: int
    exclusive_tax: int
    inclusive_tax: int

    @property
    def total(self) -> int:
        return self.subtotal - self.discount + self.exclusive_tax


def sums_of(lines: list[Obj]) -> Sums:
    """Add up the lines of a credit note."""

    def tax(behavior: str) -> int:
        return sum(t["amount"] for line in lines for t in line["taxes"] if t["tax_behavior"] == behavior)

    return Sums(
        subtotal=sum(line["amount"] for line in lines),
        discount=sum(line["discount_amount"] for line in lines),
        exclusive_tax=tax("exclusive"),
        inclusive_tax=tax("inclusive"),
    )
