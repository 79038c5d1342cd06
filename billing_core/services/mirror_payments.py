"""Payments: one row per paid invoice payment, with its share of the invoice's tax and the charge behind it.

An invoice that was marked as paid outside Stripe before payment records existed has no invoice payment for that
money; it then gets one row of ours, `<invoice>:outside`, over what is missing. Payments that are open or cancelled
moved no money and are no rows; the attempts that failed are charges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from billing_core.gateway.invoice_objects import InvoicePayment
from billing_core.periods import local_date
from billing_core.rules.mirror_payments import tax_shares
from billing_core.services.mirror_rows import Run
from billing_core.store import tables

_COLUMNS = [c.name for c in tables.payments.columns if c.name not in ("chg", "recorded_at", "source")]
_OUTSIDE = ":outside"
# Metadata key of an invoice that holds what the bank called the payment, for money that Stripe was only told of.
REFERENCE = "bank_reference"


def write_payments(
    run: Run, connection: sa.Connection, payments: Sequence[InvoicePayment], *, whole_invoices: Collection[str] = ()
) -> None:
    """Write payments, and with them the rows of their invoices' other payments, whose tax shares belong together.

    Args:
        run: the run.
        connection: in a transaction; the invoices are written already.
        payments: as Stripe has them now, whatever their status.
        whole_invoices: invoices of which these, and the rows already there, are all payments that Stripe knows; only
            for those is it known what was paid outside.
    """
    table = tables.payments
    invoice_ids = {p.invoice_id for p in payments if p.invoice_id} | set(whole_invoices)
    if not invoice_ids:
        return
    invoices = _invoices(connection, invoice_ids)
    stored = {row["payment_id"]: row for row in _stored(connection, invoice_ids)}
    charges = _charges(connection, [p.payment_intent_id for p in payments if p.payment_intent_id])
    rows = dict(stored)
    for payment in payments:
        invoice = invoices.get(payment.invoice_id or "")
        if payment.status != "paid":
            rows.pop(payment.payment_id, None)
            continue
        row = run.row(table, payment, tax_minor=0)
        row["charge_id"] = payment.charge_id or charges.get(payment.payment_intent_id or "")
        row["customer_id"] = invoice.customer_id if invoice else None
        if payment.is_outside_stripe and invoice is not None:
            row["reference"] = payment.reference or invoice.reference
        row["tenant_id"] = invoice.tenant_id if invoice else None
        rows[payment.payment_id] = row
    by_invoice: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.values():
        by_invoice[row["invoice_id"]].append(row)
    for invoice_id in whole_invoices:
        if invoice_id in invoices:
            by_invoice[invoice_id] = _with_outside(run, invoices[invoice_id], by_invoice[invoice_id])
    kept = []
    for invoice_id, group in by_invoice.items():
        invoice = invoices.get(invoice_id)
        group.sort(key=lambda row: (row["paid_at"] or row["created_at"] or run.now, row["payment_id"]))
        if invoice is not None:
            paid = [row["amount_minor"] for row in group]
            shares = tax_shares(invoice.total_minor, invoice.tax_minor, paid)
            group = [{**row, "tax_minor": share} for row, share in zip(group, shares, strict=True)]
        kept += group
    run.upsert(connection, table, [{name: row[name] for name in _COLUMNS} for row in kept])
    run.delete(connection, table, sorted(stored.keys() - {row["payment_id"] for row in kept}))


def settle(run: Run) -> None:
    """Give invoices that were paid outside Stripe without an invoice payment their row.

    For the end of a full mirror.
    """
    i, p = tables.invoices.c, tables.payments.c
    paid = sa.func.coalesce(sa.func.sum(p.amount_minor), 0)
    has_ours = sa.func.bool_or(p.payment_id.endswith(_OUTSIDE))
    query = (
        sa.select(i.invoice_id)
        .select_from(tables.invoices.outerjoin(tables.payments, i.invoice_id == p.invoice_id))
        .where(i.source == "stripe", i.status == "paid")
        .group_by(i.invoice_id)
        .having(sa.or_(i.amount_paid_minor > paid, has_ours))
        .order_by(i.invoice_id)
    )
    with run.database.begin() as connection:
        write_payments(run, connection, [], whole_invoices=list(connection.execute(query).scalars()))


def _with_outside(run: Run, invoice: sa.Row[Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = [row for row in rows if not row["payment_id"].endswith(_OUTSIDE)]
    missing = invoice.amount_paid_minor - sum(row["amount_minor"] for row in known)
    if invoice.status != "paid" or missing <= 0:
        return known
    ours = dict.fromkeys(_COLUMNS)
    ours |= {
        "payment_id": f"{invoice.invoice_id}{_OUTSIDE}",
        "invoice_id": invoice.invoice_id,
        "customer_id": invoice.customer_id,
        "tenant_id": invoice.tenant_id,
        "currency": invoice.currency,
        "amount_minor": missing,
        "tax_minor": 0,
        "status": "paid",
        "is_outside_stripe": True,
        "reference": invoice.reference,
        "paid_at": invoice.paid_at,
        "paid_on": None if invoice.paid_at is None else local_date(invoice.paid_at, run.zone),
        "created_at": invoice.paid_at,
    }
    return [*known, ours]


def _invoices(connection: sa.Connection, ids: Collection[str]) -> dict[str, Any]:
    i = tables.invoices.c
    columns = (i.invoice_id, i.customer_id, i.tenant_id, i.currency, i.status, i.total_minor, i.tax_minor)
    reference = i.raw["metadata"][REFERENCE].astext.label("reference")
    query = sa.select(*columns, i.amount_paid_minor, i.paid_at, reference).where(i.invoice_id.in_(ids))
    return {row.invoice_id: row for row in connection.execute(query)}


def _stored(connection: sa.Connection, invoice_ids: Collection[str]) -> list[dict[str, Any]]:
    c = tables.payments.c
    query = sa.select(*(c[name] for name in _COLUMNS)).where(c.invoice_id.in_(invoice_ids), c.source == "stripe")
    return [dict(row._mapping) for row in connection.execute(query)]


def _charges(connection: sa.Connection, intents: Sequence[str]) -> dict[str, str]:
    c = tables.charges.c
    query = sa.select(c.payment_intent_id, c.charge_id).where(c.payment_intent_id.in_(intents), c.status == "succeeded")
    return {row[0]: row[1] for row in connection.execute(query)}
