"""Why revenue changed: by hand, and generated books against plain Python; the parts always add up."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from billing_core.money import round_minor
from billing_core.periods import add_months, month_of
from tests.queries.generated import BOOKS, ROLES, Credit, Invoice, Line, lay, reached

PARTS = ("units_minor", "price_minor", "flat_minor", "discount_minor", "other_minor")
TODAY = date(2026, 11, 22)


def d(day: str) -> date:
    """A date."""
    return date.fromisoformat(day)


def bridge(company: Any, **params: Any) -> list[tuple[Any, ...]]:
    """Month, parts and total of the one tenant."""
    return company.cells("revenue_bridge", "month", *PARTS, "total_change_minor", **params)


def units(quantity: int, price: int, discount: int = 0, of: str = "p_unit") -> Line:
    """A line of units at a price."""
    return Line(quantity * price, discount, price=of, quantity=quantity)


def test_more_units_at_a_higher_price_are_taken_apart(company: Any) -> None:
    """10 × 19 → 12 × 20: two more units at the old price are 38, one more per unit on twelve is 12."""
    lay(
        company,
        [
            Invoice("t1", "dkk", d("2026-01-05"), (units(10, 19),)),
            Invoice("t1", "dkk", d("2026-02-05"), (units(12, 20),)),
        ],
    )
    assert bridge(company, to_date="2026-03-01") == [
        ("2026-01-01", 190, 0, 0, 0, 0, 190),
        ("2026-02-01", 38, 12, 0, 0, 0, 50),
    ]


def test_flat_fees_discounts_and_the_rest_have_their_own_parts(company: Any) -> None:
    """The fee rises by 1, the discount by 9; a proration and a one-off of 7 are other, as is a credit note of 5."""
    lay(
        company,
        [
            Invoice("t1", "dkk", d("2026-01-05"), (Line(99, price="p_flat"), units(10, 19, 10))),
            Invoice(
                "t1",
                "dkk",
                d("2026-02-05"),
                (Line(100, price="p_flat"), units(10, 19, 19), Line(4, price="p_unit", is_proration=True), Line(3)),
                credits=(Credit(d("2026-02-20"), ((1, 5),)),),
            ),
        ],
    )
    assert bridge(company, from_date="2026-02-01", to_date="2026-03-01") == [("2026-02-01", 0, 0, 1, -9, 2, -6)]


def test_another_product_at_the_same_quantity_is_price(company: Any) -> None:
    """An upgrade of ten units from 49 to 69."""
    lay(
        company,
        [
            Invoice("t1", "dkk", d("2026-01-05"), (units(10, 49),)),
            Invoice("t1", "dkk", d("2026-02-05"), (units(10, 69, of="p_plus"),)),
        ],
    )
    assert bridge(company, to_date="2026-03-01")[1] == ("2026-02-01", 0, 200, 0, 0, 0, 200)


def test_a_tenant_that_leaves_has_a_last_month_of_minus_everything(company: Any) -> None:
    """And no row in a month that has not begun."""
    lay(company, [Invoice("t1", "dkk", d("2026-10-05"), (units(10, 19),))])
    assert bridge(company) == [("2026-10-01", 190, 0, 0, 0, 0, 190), ("2026-11-01", -190, 0, 0, 0, 0, -190)]
    assert len(bridge(company, as_of="2026-10-31")) == 1


def test_a_voided_invoice_is_other_in_its_month_of_voiding(company: Any) -> None:
    """The month it was issued in does not change."""
    lay(company, [Invoice("t1", "dkk", d("2026-01-05"), (units(10, 19),), voided=d("2026-02-01"))])
    assert bridge(company, to_date="2026-04-01") == [
        ("2026-01-01", 190, 0, 0, 0, 0, 190),
        ("2026-02-01", -190, 0, 0, 0, -190, -380),
        ("2026-03-01", 0, 0, 0, 0, 190, 190),
    ]


def python_parts(books: list[Invoice]) -> dict[tuple[date, str, str], tuple[int, ...]]:
    """Parts and total by (month, tenant, currency)."""
    sums: dict[tuple[date, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for invoice in books:
        for line in invoice.lines:
            cell = sums[month_of(invoice.finalized), invoice.tenant, invoice.currency]
            role = None if line.is_proration or line.price is None else ROLES[line.price]
            if role is None:
                cell["other"] += line.net
                continue
            cell["flat" if role == "flat" else "gross"] += line.amount
            cell["quantity"] += 0 if role == "flat" else line.quantity
            cell["discount"] -= line.discount
        sums[month_of(invoice.finalized), invoice.tenant, invoice.currency]["other"] += invoice.rest
        if invoice.voided:
            net = sum(line.net for line in invoice.lines) + invoice.rest
            sums[month_of(invoice.voided), invoice.tenant, invoice.currency]["other"] -= net
        for credit in invoice.credits:
            net = sum(n for _, n in credit.parts) + credit.rest
            sums[month_of(credit.issued), invoice.tenant, invoice.currency]["other"] -= net
            if credit.voided:
                sums[month_of(credit.voided), invoice.tenant, invoice.currency]["other"] += net
    found = {}
    last_on = reached(books, TODAY)
    for month, tenant, currency in {(m, t, c) for (n, t, c) in sums for m in (n, add_months(n, 1))}:
        now = sums.get((month, tenant, currency), {})
        before = sums.get((add_months(month, -1), tenant, currency), {})
        change = {k: now.get(k, 0) - before.get(k, 0) for k in ("gross", "quantity", "flat", "discount", "other")}
        volume = change["gross"]
        if before.get("quantity", 0) > 0:
            at_old_price = Fraction(before["gross"], before["quantity"]) * now.get("quantity", 0)
            volume = round_minor(at_old_price) - before["gross"]
        parts = (volume, change["gross"] - volume, change["flat"], change["discount"], change["other"])
        if month <= last_on and any((*parts, *now.values(), *before.values())):
            found[month, tenant, currency] = (*parts, sum(parts))
    return found


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(BOOKS)
def test_generated_books_agree_with_python_and_add_up(company: Any, books: list[Invoice]) -> None:
    """Parts add up to the total, the total is the change of net in revenue per tenant, rows add up to each part."""
    company.clear()
    lay(company, books)
    rows = company.report("revenue_bridge")
    figures = (*PARTS, "total_change_minor")
    found = {(r["month"], r["tenant_id"], r["currency"]): tuple(r[f] for f in figures) for r in rows}
    assert {k: v for k, v in found.items() if any(v)} == {k: v for k, v in python_parts(books).items() if any(v)}
    drilled: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 6)
    for row in company.report("revenue_bridge_rows"):
        cell = drilled[row["month"], row["tenant_id"], row["currency"]]
        for position, figure in enumerate(figures):
            cell[position] += row[figure]
    assert {k: tuple(v) for k, v in drilled.items()} == found
    net = {(r["month"], r["tenant_id"], r["currency"]): r["net_minor"] for r in company.report("revenue_by_tenant")}
    for (month, tenant, currency), parts in found.items():
        before = net.get((add_months(month, -1), tenant, currency), 0)
        assert parts[-1] == sum(parts[:-1]) == net.get((month, tenant, currency), 0) - before
    for row in rows:
        assert row["net_minor"] - row["before_minor"] == row["total_change_minor"]
