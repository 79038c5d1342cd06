"""The kinds of object that are read from Stripe: where they are listed, what is expanded, how they are read.

A kind's name is Stripe's `object` value. Expansion is limited to what would otherwise cost a call per object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from billing_core.gateway import invoice_objects, meter_objects, objects
from billing_core.gateway import money_objects as money
from billing_core.gateway.shapes import Raw


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is reached.

    Attributes:
        name: Stripe's `object` value.
        path: of the list; an object is at `path/id`. `{parent}` stands for the id of the owner.
        read: JSON → our dataclass.
        expand: for a single object; a list prefixes each with `data.`.
        list_expand: for a list when it differs.
        filters: always sent with the list.
        nested: the embedded list of which all entries are needed, whatever their number.
    """

    name: str
    path: str
    read: Callable[[Raw], Any]
    expand: tuple[str, ...] = ()
    list_expand: tuple[str, ...] | None = None
    filters: tuple[tuple[str, Any], ...] = ()
    nested: tuple[str, ...] = ()


_ALL = (
    Kind("product", "/v1/products", objects.Product.from_raw),
    Kind("price", "/v1/prices", objects.Price.from_raw, expand=("tiers",)),
    Kind("billing.meter", "/v1/billing/meters", objects.Meter.from_raw),
    Kind(
        "billing.meter_event_summary",
        "/v1/billing/meters/{parent}/event_summaries",
        meter_objects.MeterEventSummary.from_raw,
    ),
    Kind("tax_rate", "/v1/tax_rates", objects.TaxRate.from_raw),
    Kind("coupon", "/v1/coupons", objects.Coupon.from_raw, expand=("applies_to",)),
    Kind("customer", "/v1/customers", objects.Customer.from_raw),
    Kind(
        "subscription",
        "/v1/subscriptions",
        objects.Subscription.from_raw,
        expand=("discounts",),
        filters=(("status", "all"),),
        nested=("items",),
    ),
    Kind(
        "invoice",
        "/v1/invoices",
        invoice_objects.Invoice.from_raw,
        expand=("payments.data.payment.payment_record",),
        list_expand=(),
        nested=("lines", "payments"),
    ),
    Kind("invoiceitem", "/v1/invoiceitems", invoice_objects.InvoiceItem.from_raw),
    Kind(
        "invoice_payment",
        "/v1/invoice_payments",
        invoice_objects.InvoicePayment.from_raw,
        expand=("payment.payment_record",),
    ),
    Kind("charge", "/v1/charges", money.Charge.from_raw),
    Kind("refund", "/v1/refunds", money.Refund.from_raw),
    Kind("credit_note", "/v1/credit_notes", invoice_objects.CreditNote.from_raw, nested=("lines",)),
    Kind(
        "customer_balance_transaction",
        "/v1/customers/{parent}/balance_transactions",
        money.CustomerBalanceTransaction.from_raw,
    ),
    Kind("dispute", "/v1/disputes", money.Dispute.from_raw),
    Kind("balance_transaction", "/v1/balance_transactions", money.BalanceTransaction.from_raw),
    Kind("payout", "/v1/payouts", money.Payout.from_raw),
    Kind("test_helpers.test_clock", "/v1/test_helpers/test_clocks", objects.TestClock.from_raw),
    Kind("event", "/v1/events", objects.Event.from_raw),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
