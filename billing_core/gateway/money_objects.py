"""Charges, refunds, disputes, balances and payouts as frozen dataclasses; conventions as in `objects.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from billing_core.gateway.shapes import Raw, amount, instant, link, part
from billing_core.periods import utc


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge, successful or not; `decline_code` is the card issuer's reason of a failed one."""

    charge_id: str
    payment_intent_id: str | None
    customer_id: str | None
    currency: str
    amount_minor: int
    amount_refunded_minor: int
    status: str
    failure_code: str | None
    decline_code: str | None
    failure_message: str | None
    payment_method_type: str | None
    card_brand: str | None
    card_last4: str | None
    balance_transaction_id: str | None
    is_disputed: bool
    created_at: datetime
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a charge."""
        has_failed = raw["status"] == "failed"
        return cls(
            charge_id=raw["id"],
            payment_intent_id=link(raw, "payment_intent"),
            customer_id=link(raw, "customer"),
            currency=raw["currency"],
            amount_minor=int(raw["amount"]),
            amount_refunded_minor=amount(raw, "amount_refunded"),
            status=raw["status"],
            failure_code=raw.get("failure_code"),
            decline_code=part(raw, "outcome", "reason") if has_failed else None,
            failure_message=raw.get("failure_message"),
            payment_method_type=part(raw, "payment_method_details", "type"),
            card_brand=part(raw, "payment_method_details", "card", "brand"),
            card_last4=part(raw, "payment_method_details", "card", "last4"),
            balance_transaction_id=link(raw, "balance_transaction"),
            is_disputed=bool(raw.get("disputed")),
            created_at=utc(int(raw["created"])),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund; the amount is positive."""

    refund_id: str
    charge_id: str | None
    payment_intent_id: str | None
    currency: str
    amount_minor: int
    status: str
    reason: str | None
    balance_transaction_id: str | None
    created_at: datetime
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a refund; Stripe may leave its status null, which means that it went through."""
        return cls(
            refund_id=raw["id"],
            charge_id=link(raw, "charge"),
            payment_intent_id=link(raw, "payment_intent"),
            currency=raw["currency"],
            amount_minor=int(raw["amount"]),
            status=raw.get("status") or "succeeded",
            reason=raw.get("reason"),
            balance_transaction_id=link(raw, "balance_transaction"),
            created_at=utc(int(raw["created"])),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class CustomerBalanceTransaction:
    """A change of a customer's balance; negative is credit, as Stripe has it."""

    customer_balance_transaction_id: str
    customer_id: str
    invoice_id: str | None
    credit_note_id: str | None
    type: str
    currency: str
    amount_minor: int
    ending_balance_minor: int
    created_at: datetime
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a customer balance transaction."""
        customer = link(raw, "customer")
        if customer is None:
            raise KeyError("customer")
        return cls(
            customer_balance_transaction_id=raw["id"],
            customer_id=customer,
            invoice_id=link(raw, "invoice"),
            credit_note_id=link(raw, "credit_note"),
            type=raw["type"],
            currency=raw["currency"],
            amount_minor=int(raw["amount"]),
            ending_balance_minor=int(raw["ending_balance"]),
            created_at=utc(int(raw["created"])),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute of a charge; the amount is positive."""

    dispute_id: str
    charge_id: str | None
    payment_intent_id: str | None
    currency: str
    amount_minor: int
    status: str
    reason: str | None
    created_at: datetime
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a dispute."""
        return cls(
            dispute_id=raw["id"],
            charge_id=link(raw, "charge"),
            payment_intent_id=link(raw, "payment_intent"),
            currency=raw["currency"],
            amount_minor=int(raw["amount"]),
            status=raw["status"],
            reason=raw.get("reason"),
            created_at=utc(int(raw["created"])),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """A movement of the account's balance; signed; `net_minor` = amount − fee.

    Which payout took it is known from that payout's list only.
    """

    balance_transaction_id: str
    source_id: str | None
    type: str
    reporting_category: str | None
    currency: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    status: str | None
    available_at: datetime | None
    created_at: datetime
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a balance transaction."""
        return cls(
            balance_transaction_id=raw["id"],
            source_id=link(raw, "source"),
            type=raw["type"],
            reporting_category=raw.get("reporting_category"),
            currency=raw["currency"],
            amount_minor=int(raw["amount"]),
            fee_minor=int(raw["fee"]),
            net_minor=int(raw["net"]),
            status=raw.get("status"),
            available_at=instant(raw, "available_on"),
            created_at=utc(int(raw["created"])),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Payout:
    """Money sent to the bank account."""

    payout_id: str
    currency: str
    amount_minor: int
    status: str
    is_automatic: bool
    balance_transaction_id: str | None
    arrival_at: datetime | None
    created_at: datetime
    raw: Raw

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a payout."""
        return cls(
            payout_id=raw["id"],
            currency=raw["currency"],
            amount_minor=int(raw["amount"]),
            status=raw["status"],
            is_automatic=bool(raw.get("automatic")),
            balance_transaction_id=link(raw, "balance_transaction"),
            arrival_at=instant(raw, "arrival_date"),
            created_at=utc(int(raw["created"])),
            raw=raw,
        )
