"""The history of subscriptions before anything told of them: their invoice lines, read for `rules.mirror_backfill`.

Stripe keeps events for thirty days. What was invoiced before is mirrored with its lines, and those say which licensed
items a subscription had, since when and at which price. Changes that wait for their invoice are asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from billing_core.errors import GatewayError
from billing_core.gateway.invoice_objects import InvoiceItem
from billing_core.gateway.shapes import Raw, link
from billing_core.rules.mirror_backfill import BilledLine, LineDiscount
from billing_core.rules.mirror_versions import Discount, ItemState
from billing_core.rules.pricing import Tier, period_amount
from billing_core.services.mirror_rows import Run
from billing_core.store import tables

FORBIDDEN = 403
# Up to so many customers are asked for one by one; for more of them one list of the whole account is shorter.
ASKED_ONE_BY_ONE = 20

# Returns the discount of an id, None when nobody knows it any more.
FindDiscount = Callable[[str], Discount | None]


def read_lines(
    connection: sa.Connection,
    subscription_ids: Sequence[str],
    tiers: Mapping[str, Sequence[Tier]],
    find_discount: FindDiscount,
) -> dict[str, list[BilledLine]]:
    """Return the licensed, recurring lines of some subscriptions, those of void and draft invoices among them.

    A voided invoice is not owed, and still says what the subscription was.

    Args:
        connection: for reading.
        subscription_ids: whose lines.
        tiers: of the prices that have some.
        find_discount: tells what a discount on a line is; an unknown one has ended and was not for ever.
    """
    line, invoice, price = tables.invoice_lines.c, tables.invoices.c, tables.prices.c
    query = (
        sa.select(
            line.invoice_id,
            line.subscription_id,
            line.subscription_item_id,
            line.quantity,
            line.amount_minor,
            line.currency,
            line.period_start_at,
            line.period_end_at,
            line.is_proration,
            line.raw["discount_amounts"].label("discount_amounts"),
            invoice.created_at.label("billed_at"),
            _is_paused().label("is_paused"),
            *_terms(),
        )
        .join(tables.invoices, invoice.invoice_id == line.invoice_id)
        .join(tables.prices, price.price_id == line.price_id)
        .where(line.subscription_id.in_(subscription_ids), line.subscription_item_id.is_not(None), _is_licensed())
        .where(line.period_start_at.is_not(None), line.period_end_at.is_not(None), invoice.created_at.is_not(None))
        .order_by(invoice.created_at, invoice.invoice_id, line.position)
    )
    found: dict[str, list[BilledLine]] = defaultdict(list)
    for rows in _together(connection.execute(query) if subscription_ids else ()):
        row = rows[0]
        quantities = [r.quantity for r in rows if r.quantity is not None]
        found[row.subscription_id].append(
            BilledLine(
                state=_state(row, row, tiers, sum(quantities, Decimal(0)) if quantities else None),
                starts_at=row.period_start_at,
                ends_at=row.period_end_at,
                amount_minor=sum(r.amount_minor for r in rows),
                is_proration=row.is_proration,
                billed_at=row.billed_at,
                is_paused=row.is_paused,
                discounts=tuple(_discount(e, find_discount) for e in _discount_amounts(rows) if e["amount"]),
            )
        )
    return found


def _together(rows: Iterable[Any]) -> list[list[Any]]:
    """Gather the lines that bill one period of an item: a price in tiers has a line per tier, and per flat amount."""
    found: dict[Any, list[Any]] = {}
    for number, row in enumerate(rows):
        of_period = (row.invoice_id, row.subscription_item_id, row.price_id, row.period_start_at, row.period_end_at)
        found.setdefault(number if row.is_proration else of_period, []).append(row)
    return list(found.values())


def _discount_amounts(rows: Sequence[Any]) -> list[Raw]:
    """Add up what each discount takes from some lines."""
    sums: dict[str | None, int] = {}
    for entry in (e for row in rows for e in row.discount_amounts or ()):
        discount_id = link(entry, "discount")
        sums[discount_id] = sums.get(discount_id, 0) + int(entry["amount"])
    return [{"discount": discount_id, "amount": amount} for discount_id, amount in sums.items()]


def ask_pending(run: Run, customer_ids: Set[str]) -> list[InvoiceItem]:
    """Ask Stripe for the prorations of some customers that wait for an invoice.

    Without the permission to list invoice items there are none, and a finding says so.
    """
    asked = [{"customer": one} for one in sorted(customer_ids)] if len(customer_ids) <= ASKED_ONE_BY_ONE else [{}]
    try:
        items = [item for filters in asked for item in run.gateway.objects("invoiceitem", pending=True, **filters)]
    except GatewayError as error:
        if error.ids.get("status") != FORBIDDEN:
            raise
        run.findings.append(
            "The Stripe key may not list invoice items: changes of subscriptions that are not invoiced yet and older"
            " than Stripe's events are missing from the history."
        )
        return []
    return [item for item in items if item.is_proration and item.customer_id in customer_ids]


def pending_lines(
    connection: sa.Connection, items: Sequence[InvoiceItem], tiers: Mapping[str, Sequence[Tier]]
) -> dict[str, list[BilledLine]]:
    """Return prorations that wait for an invoice as lines, by subscription, oldest first."""
    price = tables.prices.c
    query = sa.select(*_terms()).where(price.price_id.in_({item.price_id for item in items}), _is_licensed())
    terms = {row.price_id: row for row in connection.execute(query)} if items else {}
    found: dict[str, list[BilledLine]] = defaultdict(list)
    # Stripe lists the newest first.
    for item in reversed(items):
        row = terms.get(item.price_id)
        if row is None or not item.subscription_id or not item.subscription_item_id:
            continue
        if item.period_start_at is None or item.period_end_at is None or item.created_at is None:
            continue
        found[item.subscription_id].append(
            BilledLine(
                state=_state(item, row, tiers, item.quantity),
                starts_at=item.period_start_at,
                ends_at=item.period_end_at,
                amount_minor=item.amount_minor,
                is_proration=True,
                billed_at=item.created_at,
            )
        )
    return found


def _is_licensed() -> sa.ColumnElement[bool]:
    return sa.and_(tables.prices.c.usage_type == "licensed", tables.prices.c.interval.is_not(None))


def _terms() -> list[sa.ColumnElement[Any]]:
    price = tables.prices.c
    return [
        price.price_id,
        price.product_id,
        price.unit_amount_decimal,
        price.tiers_mode,
        price.interval,
        price.interval_count,
    ]


def _is_paused() -> sa.ColumnElement[bool]:
    """Whether Stripe itself took an invoice of the cycle out of collection, the moment it would have been finalized."""
    invoice = tables.invoices.c
    soon = invoice.finalized_at + timedelta(minutes=1)
    gone = sa.or_(invoice.voided_at <= soon, invoice.marked_uncollectible_at <= soon)
    kept = sa.and_(invoice.status == "draft", sa.not_(invoice.raw["auto_advance"].as_boolean()))
    is_cycle = invoice.billing_reason == "subscription_cycle"
    return sa.func.coalesce(sa.and_(is_cycle, sa.or_(gone, kept)), sa.false())


def _state(billed: Any, price: Any, tiers: Mapping[str, Sequence[Tier]], held: Decimal | None) -> ItemState:
    quantity = Decimal(1) if held is None else held
    of_price = tiers.get(price.price_id, ())
    return ItemState(
        subscription_item_id=billed.subscription_item_id,
        product=price.product_id,
        price_id=price.price_id,
        status="active",
        usage_type="licensed",
        is_trial=False,
        is_paused=False,
        quantity=held,
        unit_amount_decimal=price.unit_amount_decimal,
        period_amount_minor=period_amount(quantity, price.unit_amount_decimal, of_price, price.tiers_mode),
        currency=billed.currency,
        interval=price.interval,
        interval_count=price.interval_count or 1,
    )


def _discount(entry: Raw, find_discount: FindDiscount) -> LineDiscount:
    discount_id = link(entry, "discount")
    known = None if discount_id is None else find_discount(discount_id)
    is_fixed = known is not None and known.percent_off is None
    return LineDiscount(int(entry["amount"]), known is not None and known.is_forever, is_fixed)
