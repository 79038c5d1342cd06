"""A small company made by rule, for tests of what people see: tenants, occupied units, usage, invoices, payments and
what went wrong.

The rule is simple enough to compute by hand: see `invoice_for`. Days are dates of Copenhagen; instants are noon UTC
of their day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from billing_core.periods import add_months, month_of
from billing_core.store import tables as t
from billing_core.store.database import Database

NAMES = (
    "Havneby Boliger",
    "Skovlunden",
    "Lindegaarden",
    "Strandparken",
    "Moelleparken",
    "Vestergade Kollegium",
    "Birkehaven",
    "Kvarterhuset",
    "Nordlys Bolig",
    "Aagaarden",
    "Oestre Have",
    "Klostervang",
)
TAX_PERCENT = {"dkk": 25, "eur": 0}
FLAT_MINOR = 9900
UNIT_MINOR = 1900


def noon(day: date) -> datetime:
    """An instant on a day."""
    return datetime.combine(day, time(12), UTC)


def insert(database: Database, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows in one transaction."""
    if rows:
        with database.begin() as connection:
            connection.execute(sa.insert(table), list(rows))


def unit_count(tenant: int, month: int) -> int:
    """Units of the n-th tenant in the n-th month."""
    return 4 + tenant * 3 + month // 3


def invoice_for(tenant: int, month: int, currency: str) -> tuple[int, int, int]:
    """Subtotal, tax and total of the n-th tenant's invoice for the n-th month, in minor units."""
    subtotal = FLAT_MINOR + UNIT_MINOR * unit_count(tenant, month)
    tax = subtotal * TAX_PERCENT[currency] // 100
    return subtotal, tax, subtotal + tax


def build(
    database: Database, *, today: date, months: int = 14, tenants: int = 12, currencies: Sequence[str] = ("dkk", "eur")
) -> None:
    """Write the company.

    The first tenant's latest invoice is past due, the second's failed to be charged (it has no due date), the third
    got a credit note and a refund three months ago; the last month's invoices of the others are open and not due.
    Every fourth tenant pays in the second currency. Recurring revenue begins one tenant a month (`_item_versions`).

    Args:
        database: migrated and empty.
        today: the day the company has reached.
        months: how many months of invoices, the last for the month before today's.
        tenants: at most twelve.
        currencies: one or two.
    """
    first = add_months(month_of(today), -months)
    people = [(f"t_{i + 1:02}", NAMES[i], currencies[-1] if i % 4 == 3 else currencies[0]) for i in range(tenants)]
    insert(
        database,
        t.tenants,
        [
            {
                "tenant_id": i,
                "name": n,
                "currency": c,
                "country": "DK",
                "email": f"{i}@example.com",
                "created_at": noon(first),
                "created_on": first,
            }
            for i, n, c in people
        ],
    )
    insert(
        database,
        t.customers,
        [
            {"customer_id": f"cus_{i}", "tenant_id": i, "name": n, "currency": c, "created_at": noon(first)}
            for i, n, c in people
        ],
    )
    _subscriptions(database, people, first)
    _occupancies(database, people, first, months)
    _usage(database, people, today)
    _billing(database, people, first, months, today)


def _subscriptions(database: Database, people: Sequence[tuple[str, str, str]], first: date) -> None:
    """Everybody but the last tenant is subscribed."""
    rows = [
        {
            "subscription_id": f"sub_{tenant_id}",
            "customer_id": f"cus_{tenant_id}",
            "tenant_id": tenant_id,
            "status": "active",
            "currency": currency,
            "started_at": noon(first),
            "created_at": noon(first),
        }
        for tenant_id, _, currency in people[:-1]
    ]
    insert(database, t.subscriptions, rows)
    insert(database, t.subscription_item_versions, _item_versions(people[:-1], first))


def _item_versions(people: Sequence[tuple[str, str, str]], first: date) -> list[dict[str, Any]]:
    """The flat fee of each: the n-th tenant's from the n-th month; the third's ends with month 11, the sixth gets a
    second one in month 13."""
    spans = [(n, n, 12 if n == 2 else None) for n in range(len(people))]
    if len(people) > 5:
        spans.append((5, 13, None))
    rows = []
    for tenant, starts, ends in spans:
        tenant_id, _, currency = people[tenant]
        from_on, to_on = add_months(first, starts), None if ends is None else add_months(first, ends)
        rows.append(
            {
                "version_id": f"v_{tenant_id}_{starts}",
                "tenant_id": tenant_id,
                "subscription_id": f"sub_{tenant_id}",
                "subscription_item_id": f"si_{tenant_id}_{starts}",
                "product": "flat",
                "period_amount_minor": FLAT_MINOR,
                "currency": currency,
                "interval": "month",
                "interval_count": 1,
                "usage_type": "licensed",
                "status": "active",
                "valid_from": noon(from_on),
                "valid_from_on": from_on,
                "valid_to": to_on and noon(to_on),
                "valid_to_on": to_on,
                "source": "import",
            }
        )
    return rows


def _occupancies(database: Database, people: Sequence[tuple[str, str, str]], first: date, months: int) -> None:
    rows = []
    for tenant, (tenant_id, _, _) in enumerate(people):
        started = 0
        for month in range(months + 1):
            for _ in range(unit_count(tenant, month) - started):
                started += 1
                rows.append(
                    {
                        "occupancy_id": f"occ_{tenant_id}_{started}",
                        "tenant_id": tenant_id,
                        "unit_id": f"{tenant_id}_u{started}",
                        "starts_on": add_months(first, month),
                        "ends_on": None,
                    }
                )
    insert(database, t.occupancies, rows)


def _usage(database: Database, people: Sequence[tuple[str, str, str]], today: date) -> None:
    insert(database, t.metrics, [{"metric": "heat_kwh", "aggregation": "sum", "unit": "kWh", "display_name": "Heat"}])
    insert(
        database,
        t.usage_aggregates,
        [
            {
                "tenant_id": tenant_id,
                "metric": "heat_kwh",
                "day": today - timedelta(days=back),
                "quantity": Decimal(tenant + 1) * (10 + back % 7),
                "events_count": 24,
            }
            for tenant, (tenant_id, _, _) in enumerate(people)
            for back in range(90)
        ],
    )


def _billing(database: Database, people: Sequence[tuple[str, str, str]], first: date, months: int, today: date) -> None:
    invoices: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    payments: list[dict[str, Any]] = []
    for month in range(months):
        start, issued = add_months(first, month), add_months(first, month + 1)
        for tenant, (tenant_id, _, currency) in enumerate(people):
            subtotal, tax, total = invoice_for(tenant, month, currency)
            invoice_id = f"in_{month:02}_{tenant_id}"
            is_last = month == months - 1
            is_paid = not is_last
            due = issued + timedelta(days=14 if tenant == 0 or not is_last else 30)
            paid = issued + timedelta(days=9)
            is_automatic = tenant == 1
            invoices.append(
                {
                    "invoice_id": invoice_id,
                    "customer_id": f"cus_{tenant_id}",
                    "tenant_id": tenant_id,
                    "number": f"BD-{month * len(people) + tenant + 1:04}",
                    "status": "paid" if is_paid else "open",
                    "currency": currency,
                    "collection_method": "charge_automatically" if is_automatic else "send_invoice",
                    "billing_reason": "subscription_cycle",
                    "subtotal_minor": subtotal,
                    "tax_minor": tax,
                    "total_excluding_tax_minor": subtotal,
                    "total_minor": total,
                    "amount_due_minor": total,
                    "amount_paid_minor": total if is_paid else 0,
                    "amount_remaining_minor": 0 if is_paid else total,
                    "attempt_count": 2 if is_last and tenant == 1 else 0,
                    "created_at": noon(issued),
                    "finalized_at": noon(issued),
                    "finalized_on": issued,
                    "due_at": None if is_automatic else noon(due),
                    "due_on": None if is_automatic else due,
                    "paid_at": noon(paid) if is_paid else None,
                    "paid_on": paid if is_paid else None,
                    "hosted_invoice_url": f"https://invoice.example.com/{invoice_id}",
                    "invoice_pdf": None,
                }
            )
            parts = (
                (f"Flat fee {start:%B %Y}", 1, FLAT_MINOR),
                (f"Units, {start:%B %Y}", unit_count(tenant, month), UNIT_MINOR),
            )
            for position, (what, quantity, price) in enumerate(parts):
                amount = quantity * price
                lines.append(
                    {
                        "invoice_line_id": f"il_{invoice_id}_{position}",
                        "invoice_id": invoice_id,
                        "tenant_id": tenant_id,
                        "description": what,
                        "position": position,
                        "quantity": quantity,
                        "unit_amount_decimal": price,
                        "amount_minor": amount,
                        "currency": currency,
                        "tax_minor": amount * TAX_PERCENT[currency] // 100,
                        "period_start_at": noon(start),
                        "period_end_at": noon(issued),
                        "period_start_on": start,
                        "period_end_on": issued,
                    }
                )
            if is_paid:
                payments.append(
                    {
                        "payment_id": f"pay_{invoice_id}",
                        "invoice_id": invoice_id,
                        "customer_id": f"cus_{tenant_id}",
                        "tenant_id": tenant_id,
                        "currency": currency,
                        "amount_minor": total,
                        "tax_minor": tax,
                        "status": "paid",
                        "paid_at": noon(paid),
                        "paid_on": paid,
                        "created_at": noon(paid),
                        "charge_id": f"ch_{invoice_id}",
                    }
                )
    insert(database, t.invoices, invoices)
    insert(database, t.invoice_lines, lines)
    insert(database, t.payments, payments)
    _trouble(database, people, invoices, months, today)


def _trouble(
    database: Database,
    people: Sequence[tuple[str, str, str]],
    invoices: Sequence[Mapping[str, Any]],
    months: int,
    today: date,
) -> None:
    if len(people) < 3 or months < 3:
        return
    failed = next(i for i in invoices if i["tenant_id"] == people[1][0] and i["status"] == "open")
    tried = min(failed["finalized_on"] + timedelta(days=3), today)
    insert(
        database,
        t.charges,
        [
            {
                "charge_id": "ch_failed",
                "invoice_id": failed["invoice_id"],
                "customer_id": failed["customer_id"],
                "tenant_id": failed["tenant_id"],
                "currency": failed["currency"],
                "amount_minor": failed["total_minor"],
                "status": "failed",
                "failure_code": "card_declined",
                "decline_code": "insufficient_funds",
                "failure_message": "Your card has insufficient funds.",
                "payment_method_type": "card",
                "card_brand": "visa",
                "card_last4": "9995",
                "created_at": noon(tried),
                "created_on": tried,
            }
        ],
    )
    credited = [i for i in invoices if i["tenant_id"] == people[2][0]][-3]
    issued = credited["paid_on"] + timedelta(days=2)
    insert(
        database,
        t.credit_notes,
        [
            {
                "credit_note_id": "cn_1",
                "invoice_id": credited["invoice_id"],
                "customer_id": credited["customer_id"],
                "tenant_id": credited["tenant_id"],
                "number": f"{credited['number']}-CN-01",
                "status": "issued",
                "type": "post_payment",
                "reason": "order_change",
                "currency": credited["currency"],
                "subtotal_minor": 4000,
                "tax_minor": 1000,
                "total_excluding_tax_minor": 4000,
                "total_minor": 5000,
                "post_payment_minor": 5000,
                "issued_at": noon(issued),
                "issued_on": issued,
            }
        ],
    )
    insert(
        database,
        t.refunds,
        [
            {
                "refund_id": "re_1",
                "charge_id": f"ch_{credited['invoice_id']}",
                "invoice_id": credited["invoice_id"],
                "customer_id": credited["customer_id"],
                "tenant_id": credited["tenant_id"],
                "currency": credited["currency"],
                "amount_minor": 5000,
                "status": "succeeded",
                "reason": "requested_by_customer",
                "created_at": noon(issued),
                "created_on": issued,
            }
        ],
    )
