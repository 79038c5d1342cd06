"""Writing Stripe's objects into their tables, kind by kind; used by the full mirror and by events alike.

`prepare` asks Stripe for what the rows need and the objects do not hold; it runs before the transaction, so that none
is open during a call. `write` is pure Postgres. What an object no longer holds (a draft's line, an item of a
subscription) goes with it: lines are deleted, items are kept and marked, because invoices still name them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from billing_core.gateway.invoice_objects import CreditNote, Invoice, InvoicePayment
from billing_core.gateway.money_objects import Charge, Dispute, Refund
from billing_core.gateway.objects import Customer, Deleted, Price, Subscription
from billing_core.services.mirror_payments import write_payments
from billing_core.services.mirror_rows import Run
from billing_core.store import tables

_TABLES = {
    "product": tables.products,
    "billing.meter": tables.meters,
    "tax_rate": tables.tax_rates,
    "balance_transaction": tables.balance_transactions,
    "payout": tables.payouts,
}
# Kinds that Stripe lists for the whole account, in the order in which they are read and written: what others refer to
# comes first.
PAGED = (
    "product",
    "price",
    "billing.meter",
    "tax_rate",
    "customer",
    "subscription",
    "invoice",
    "invoice_payment",
    "charge",
    "refund",
    "credit_note",
    "dispute",
    "balance_transaction",
    "payout",
)
# Customers' balance transactions are listed per customer, so they come after all that is listed at once.
ORDER = (*PAGED, "customer_balance_transaction")


def prepare(run: Run, kind: str, objects: Sequence[Any]) -> None:
    """Learn from Stripe what the rows of these objects need: which invoice a charge pays."""
    objects = [o for o in objects if not isinstance(o, Deleted)]
    if kind == "invoice_payment":
        run.intents.update((o.payment_intent_id, o.invoice_id) for o in objects if o.payment_intent_id)
    if kind == "invoice":
        run.intents.update(
            (p.payment_intent_id, o.invoice_id) for o in objects for p in o.payments or () if p.payment_intent_id
        )
    if kind != "charge" or run.knows_all_intents:
        return
    unknown = {o.payment_intent_id for o in objects if o.payment_intent_id} - run.intents.keys()
    if not unknown:
        return
    c = tables.payments.c
    with run.database.connect() as connection:
        query = sa.select(c.payment_intent_id, c.invoice_id).where(c.payment_intent_id.in_(unknown))
        run.intents.update((row[0], row[1]) for row in connection.execute(query))
    for intent in sorted(unknown - run.intents.keys()):
        payment = {"type": "payment_intent", "payment_intent": intent}
        found = next(run.gateway.objects("invoice_payment", payment=payment), None)
        run.intents[intent] = None if found is None else found.invoice_id


def write(run: Run, connection: sa.Connection, kind: str, objects: Sequence[Any]) -> None:
    """Write objects of one kind, those that are `Deleted` among them, in the caller's transaction."""
    gone = [o.id for o in objects if isinstance(o, Deleted)]
    alive = [o for o in objects if not isinstance(o, Deleted)]
    if gone:
        _forget(run, connection, kind, gone)
    if not alive:
        return
    writer = _WRITERS.get(kind)
    if writer is not None:
        writer(run, connection, alive)
    else:
        table = _TABLES[kind]
        run.upsert(connection, table, [run.row(table, o) for o in alive])
        if kind == "product":
            run.unit_labels |= {o.product_id for o in alive if o.raw.get("unit_label")}


def _write_prices(run: Run, connection: sa.Connection, prices: Sequence[Price]) -> None:
    def role(price: Price) -> str | None:
        # A product that names its unit is sold per unit; the price alone cannot tell, unless its metadata does.
        is_stated = bool((price.raw.get("metadata") or {}).get("role"))
        is_unit = price.role == "flat" and not is_stated and price.product_id in run.unit_labels
        return "unit" if is_unit else price.role

    run.upsert(connection, tables.prices, [run.row(tables.prices, p, role=role(p)) for p in prices])
    run.usage_types.update((p.price_id, p.usage_type) for p in prices)
    tiers = [tier for p in prices for tier in p.tiers or ()]
    run.upsert(connection, tables.price_tiers, [run.row(tables.price_tiers, t) for t in tiers])
    known = [p.price_id for p in prices if p.tiers is not None]
    _drop_others(run, connection, tables.price_tiers, "price_id", known, [t.price_tier_id for t in tiers])


def _write_customers(run: Run, connection: sa.Connection, customers: Sequence[Customer]) -> None:
    run.upsert(connection, tables.customers, [run.row(tables.customers, c) for c in customers])
    for customer in customers:
        before, after = run.tenants.get(customer.customer_id), customer.tenant_id
        if customer.customer_id in run.tenants and before != after:
            _move(connection, customer.customer_id, before, after)
        run.tenants[customer.customer_id] = after


def _move(connection: sa.Connection, customer_id: str, before: str | None, after: str | None) -> None:
    """Give a customer's rows to another tenant; rows whose own metadata names a tenant keep it."""
    for table in tables.metadata.sorted_tables:
        if table is tables.customers or not {"customer_id", "tenant_id"} <= set(table.columns.keys()):
            continue
        held = table.c.tenant_id.is_not_distinct_from(before)
        connection.execute(sa.update(table).where(table.c.customer_id == customer_id, held).values(tenant_id=after))
    # Items, lines and versions follow the object that they are part of.
    for table, parent, key in (
        (tables.subscription_items, tables.subscriptions, "subscription_id"),
        (tables.subscription_item_versions, tables.subscriptions, "subscription_id"),
        (tables.invoice_lines, tables.invoices, "invoice_id"),
    ):
        owner = parent.c
        connection.execute(
            sa.update(table)
            .where(table.c[key] == owner[key], owner.customer_id == customer_id)
            .where(table.c.tenant_id.is_distinct_from(owner.tenant_id))
            .values(tenant_id=owner.tenant_id)
        )


def _write_subscriptions(run: Run, connection: sa.Connection, subscriptions: Sequence[Subscription]) -> None:
    # A price that was made inline with its subscription may not be in the list of prices yet.
    inline = {i.price.price_id: i.price for s in subscriptions for i in s.items if i.price is not None}
    _write_prices(run, connection, [p for p in inline.values() if p.price_id not in run.usage_types])
    owners = {s.subscription_id: s.tenant_id or run.tenant_of(s.customer_id) for s in subscriptions}
    table = tables.subscriptions
    run.upsert(connection, table, [run.row(table, s, tenant_id=owners[s.subscription_id]) for s in subscriptions])
    table = tables.subscription_items
    items = [item for s in subscriptions for item in s.items]
    run.upsert(connection, table, [run.row(table, i, tenant_id=owners[i.subscription_id]) for i in items])
    connection.execute(
        sa.update(table)
        .where(table.c.subscription_id.in_(list(owners)), sa.not_(table.c.is_deleted))
        .where(table.c.subscription_item_id.not_in([i.subscription_item_id for i in items]))
        .values(is_deleted=True)
    )


def _write_invoices(run: Run, connection: sa.Connection, invoices: Sequence[Invoice]) -> None:
    owners = {i.invoice_id: i.tenant_id or run.tenant_of(i.customer_id) for i in invoices}
    table = tables.invoices
    run.upsert(connection, table, [run.row(table, i, tenant_id=owners[i.invoice_id]) for i in invoices])
    table = tables.invoice_lines
    lines = [line for i in invoices for line in i.lines]
    rows = [
        run.row(table, line, tenant_id=owners[line.invoice_id], usage_type=run.usage_types.get(line.price_id or ""))
        for line in lines
    ]
    run.upsert(connection, table, rows)
    _drop_others(run, connection, table, "invoice_id", list(owners), [line.invoice_line_id for line in lines])
    told = [i for i in invoices if i.payments is not None]
    write_payments(
        run, connection, [p for i in told for p in i.payments or ()], whole_invoices=[i.invoice_id for i in told]
    )


def _write_payments(run: Run, connection: sa.Connection, payments: Sequence[InvoicePayment]) -> None:
    write_payments(run, connection, payments)


def _write_charges(run: Run, connection: sa.Connection, charges: Sequence[Charge]) -> None:
    table = tables.charges
    rows = []
    for charge in charges:
        invoice_id = run.intents.get(charge.payment_intent_id or "")
        rows.append(run.row(table, charge, invoice_id=invoice_id, tenant_id=run.tenant_of(charge.customer_id)))
    run.upsert(connection, table, rows)
    p, c = tables.payments.c, table.c
    connection.execute(
        sa.update(tables.payments)
        .where(p.payment_intent_id == c.payment_intent_id, p.charge_id.is_distinct_from(c.charge_id))
        .where(c.charge_id.in_([charge.charge_id for charge in charges]), c.status == "succeeded")
        .values(charge_id=c.charge_id)
    )


def _charge_facts(connection: sa.Connection, objects: Iterable[Refund | Dispute]) -> dict[str, Any]:
    c = tables.charges.c
    ids = [o.charge_id for o in objects if o.charge_id]
    query = sa.select(c.charge_id, c.invoice_id, c.customer_id, c.tenant_id).where(c.charge_id.in_(ids))
    return {row.charge_id: row for row in connection.execute(query)}


def _write_refunds(run: Run, connection: sa.Connection, refunds: Sequence[Refund]) -> None:
    facts = _charge_facts(connection, refunds)
    rows = []
    for refund in refunds:
        charge = facts.get(refund.charge_id or "")
        about = {name: getattr(charge, name, None) for name in ("invoice_id", "customer_id", "tenant_id")}
        rows.append(run.row(tables.refunds, refund, **about))
    run.upsert(connection, tables.refunds, rows)


def _write_disputes(run: Run, connection: sa.Connection, disputes: Sequence[Dispute]) -> None:
    facts = _charge_facts(connection, disputes)
    rows = []
    for dispute in disputes:
        charge = facts.get(dispute.charge_id or "")
        about = {name: getattr(charge, name, None) for name in ("customer_id", "tenant_id")}
        rows.append(run.row(tables.disputes, dispute, **about))
    run.upsert(connection, tables.disputes, rows)


def _write_credit_notes(run: Run, connection: sa.Connection, notes: Sequence[CreditNote]) -> None:
    table = tables.credit_notes
    run.upsert(connection, table, [run.row(table, n, tenant_id=run.tenant_of(n.customer_id)) for n in notes])
    lines = [line for n in notes for line in n.lines]
    table = tables.credit_note_lines
    run.upsert(connection, table, [run.row(table, line) for line in lines])
    ids = [n.credit_note_id for n in notes]
    _drop_others(run, connection, table, "credit_note_id", ids, [line.credit_note_line_id for line in lines])


def _write_balance(run: Run, connection: sa.Connection, transactions: Sequence[Any]) -> None:
    table = tables.customer_balance_transactions
    run.upsert(connection, table, [run.row(table, t, tenant_id=run.tenant_of(t.customer_id)) for t in transactions])


def _drop_others(
    run: Run, connection: sa.Connection, table: sa.Table, parent: str, parents: Sequence[str], kept: Sequence[str]
) -> None:
    """Delete the rows of some parents that are not among those kept."""
    if not parents:
        return
    key = next(iter(table.primary_key.columns))
    query = sa.select(key).where(table.c[parent].in_(parents), key.not_in(kept))
    run.delete(connection, table, list(connection.execute(query).scalars()))


def _forget(run: Run, connection: sa.Connection, kind: str, ids: Sequence[str]) -> None:
    """Mirror a deletion: customers, products and prices stay, marked, for others refer to them; the rest goes."""
    if kind == "customer":
        _forget_customers(run, connection, ids)
        return
    if kind in ("product", "price"):
        table = tables.products if kind == "product" else tables.prices
        key = next(iter(table.primary_key.columns))
        connection.execute(sa.update(table).where(key.in_(ids), table.c.is_active).values(is_active=False))
        return
    parts = {
        "invoice": ("invoice_id", (tables.invoice_lines, tables.payments), tables.invoices),
        "subscription": (
            "subscription_id",
            (tables.subscription_item_versions, tables.subscription_items),
            tables.subscriptions,
        ),
        "credit_note": ("credit_note_id", (tables.credit_note_lines,), tables.credit_notes),
        "charge": ("", (), tables.charges),
        "refund": ("", (), tables.refunds),
        "dispute": ("", (), tables.disputes),
        "invoice_payment": ("", (), tables.payments),
    }
    parent, children, table = parts.get(kind) or ("", (), _TABLES[kind])
    for child in children:
        _drop_others(run, connection, child, parent, ids, [])
    run.delete(connection, table, ids)


def _forget_customers(run: Run, connection: sa.Connection, ids: Sequence[str]) -> None:
    """Mark customers as deleted. One that we never saw gets a row, and its tenant from its subscriptions' metadata."""
    strangers = [customer_id for customer_id in ids if customer_id not in run.tenants]
    s = tables.subscriptions.c
    owners = sa.select(s.customer_id, sa.func.min(s.tenant_id)).where(s.customer_id.in_(strangers))
    told = {row[0]: row[1] for row in connection.execute(owners.group_by(s.customer_id))}
    run.tenants.update((customer_id, told.get(customer_id)) for customer_id in strangers)
    rows = [{"customer_id": i, "tenant_id": run.tenants[i], "is_deleted": True} for i in ids]
    run.upsert(connection, tables.customers, rows)


_WRITERS: dict[str, Callable[[Run, sa.Connection, Sequence[Any]], None]] = {
    "price": _write_prices,
    "customer": _write_customers,
    "subscription": _write_subscriptions,
    "invoice": _write_invoices,
    "invoice_payment": _write_payments,
    "charge": _write_charges,
    "refund": _write_refunds,
    "credit_note": _write_credit_notes,
    "dispute": _write_disputes,
    "customer_balance_transaction": _write_balance,
}
