"""Generated books: documents in plain Python, how they get into a company, and what each of their lines is worth.

A document is an invoice or a credit note, possibly voided. Dates are days of the reporting zone. Amounts are minor
units without tax; tax is a quarter of each line, or nothing. What a document says beyond its lines is its `rest`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from billing_core.money import round_minor
from billing_core.store import tables

ROLES = {"p_flat": "flat", "p_unit": "unit", "p_plus": "plus", "p_meter": "usage"}


@dataclass(frozen=True)
class Line:
    """A line: amount before its discount, service days [starts, ends) or none at all, and what price it has."""

    amount: int
    discount: int = 0
    starts: date | None = None
    ends: date | None = None
    price: str | None = None
    quantity: int = 1
    is_proration: bool = False

    @property
    def net(self) -> int:
        """Amount less discount."""
        return self.amount - self.discount


@dataclass(frozen=True)
class Credit:
    """A credit note on some lines (by position, None: on no line) with net amounts."""

    issued: date
    parts: tuple[tuple[int | None, int], ...]
    voided: date | None = None
    rest: int = 0


@dataclass(frozen=True)
class Invoice:
    """An invoice with its credit notes; `is_taxed` puts 25 % on each line."""

    tenant: str
    currency: str
    finalized: date
    lines: tuple[Line, ...]
    rest: int = 0
    voided: date | None = None
    written_off: date | None = None
    is_taxed: bool = True
    is_inclusive: bool = False
    credits: tuple[Credit, ...] = ()
    payments: tuple[tuple[date, int], ...] = ()


@dataclass(frozen=True)
class Item:
    """What the reports make of a line of a document: signed net amount, its days, and from when it counts."""

    tenant: str
    currency: str
    kind: str
    net: int
    tax: int
    booked: date
    starts: date
    ends: date
    earns_from: date

    def booked_by(self, day: date) -> int:
        """What of it is invoiced at the end of a day."""
        return self.net if self.booked <= day else 0

    def earned_by(self, day: date) -> int:
        """What of it is earned at the end of a day, counted day by day."""
        if day < self.earns_from:
            return 0
        days = [self.starts + timedelta(days=n) for n in range((self.ends - self.starts).days)]
        return round_minor(Fraction(self.net * sum(d <= day for d in days), len(days)))


def tax_of(net: int, is_taxed: bool) -> int:
    """A quarter, rounded, or nothing."""
    return round_minor(Fraction(net, 4)) if is_taxed else 0


def items(invoice: Invoice) -> Iterator[Item]:
    """Take an invoice apart, independently of any SQL."""

    def item(
        kind: str, net: int, tax: int, booked: date, starts: date | None, ends: date | None, default: date
    ) -> Item:
        first = starts if starts and ends and ends >= starts else default
        last = max(ends, first + timedelta(days=1)) if starts and ends and ends >= starts else first + timedelta(days=1)
        earns_from = first if kind == "invoice" else max(booked, first)
        return Item(invoice.tenant, invoice.currency, kind, net, tax, booked, first, last, earns_from)

    parts = [(line.net, tax_of(line.net, invoice.is_taxed), line.starts, line.ends) for line in invoice.lines]
    rest = [(invoice.rest, tax_of(invoice.rest, invoice.is_taxed), None, None)] if invoice.rest else []
    for net, tax, starts, ends in [*parts, *rest]:
        yield item("invoice", net, tax, invoice.finalized, starts, ends, invoice.finalized)
        if invoice.voided:
            yield item("invoice_voided", -net, -tax, invoice.voided, starts, ends, invoice.finalized)
    for credit in invoice.credits:
        for position, net in [*credit.parts, *([(None, credit.rest)] if credit.rest else [])]:
            line = Line(0) if position is None else invoice.lines[position]
            tax = tax_of(net, invoice.is_taxed)
            yield item("credit_note", -net, -tax, credit.issued, line.starts, line.ends, credit.issued)
            if credit.voided:
                yield item("credit_note_voided", net, tax, credit.voided, line.starts, line.ends, credit.issued)


def reached(books: list[Invoice], today: date) -> date:
    """The day reports reach to as things stand: today, or that of the latest document or payment when it lies ahead."""
    dated = [item.booked for invoice in books for item in items(invoice)]
    issued = [day for i in books for day in (i.finalized, *(on for c in i.credits for on in (c.issued, c.voided)))]
    return max([today, *dated, *filter(None, issued), *(on for i in books for on, _ in i.payments)])


def lay(company: Any, invoices: list[Invoice]) -> None:
    """Write the books into a company that has no prices yet."""
    company.add(tables.products, product_id="prod_a", name="A", is_active=True)
    for price, role in ROLES.items():
        usage = "metered" if role == "usage" else "licensed"
        company.add(
            tables.prices,
            price_id=price,
            product_id="prod_a",
            role=role,
            currency="dkk",
            usage_type=usage,
            interval="month",
        )
    for tenant in sorted({i.tenant for i in invoices}):
        company.tenant(tenant)
    for number, invoice in enumerate(invoices):
        _lay_invoice(company, f"in_{number:03}", invoice)


def _lay_invoice(company: Any, invoice_id: str, invoice: Invoice) -> None:
    taxed = [item for item in items(invoice) if item.kind == "invoice"]
    net, tax = sum(i.net for i in taxed), sum(i.tax for i in taxed)
    status = "void" if invoice.voided else "uncollectible" if invoice.written_off else "open"
    company.invoice(
        invoice_id,
        invoice.tenant,
        net + tax,
        tax=tax,
        status=status,
        finalized=invoice.finalized.isoformat(),
        voided=invoice.voided.isoformat() if invoice.voided else None,
        written_off=invoice.written_off.isoformat() if invoice.written_off else None,
        currency=invoice.currency,
        paid=sum(a for _, a in invoice.payments),
        credited=sum(_total(invoice, c) for c in invoice.credits if not c.voided),
    )
    for position, line in enumerate(invoice.lines):
        line_tax = tax_of(line.net, invoice.is_taxed)
        company.add(
            tables.invoice_lines,
            invoice_line_id=f"{invoice_id}_{position}",
            invoice_id=invoice_id,
            position=position,
            description=f"Line {position}",
            price_id=line.price,
            product_id="prod_a" if line.price else None,
            quantity=line.quantity,
            amount_minor=line.amount + (line_tax if invoice.is_inclusive else 0),
            discount_minor=line.discount,
            tax_minor=line_tax,
            currency=invoice.currency,
            period_start_at=line.starts.isoformat() if line.starts else None,
            period_end_at=line.ends.isoformat() if line.ends else None,
            is_proration=line.is_proration,
        )
    for paid_on, amount in invoice.payments:
        company.payment(invoice_id, amount, paid_on.isoformat(), currency=invoice.currency)
    for number, credit in enumerate(invoice.credits):
        _lay_credit(company, f"{invoice_id}_cn{number}", invoice_id, invoice, credit)


def _lay_credit(company: Any, credit_note_id: str, invoice_id: str, invoice: Invoice, credit: Credit) -> None:
    nets = [*(net for _, net in credit.parts), credit.rest]
    tax = sum(tax_of(net, invoice.is_taxed) for net in nets)
    total = _total(invoice, credit)
    company.add(
        tables.credit_notes,
        credit_note_id=credit_note_id,
        invoice_id=invoice_id,
        status="void" if credit.voided else "issued",
        currency=invoice.currency,
        tax_minor=tax,
        total_minor=total,
        total_excluding_tax_minor=total - tax,
        pre_payment_minor=total,
        issued_at=credit.issued.isoformat(),
        voided_at=credit.voided.isoformat() if credit.voided else None,
    )
    for number, (position, net) in enumerate(credit.parts):
        line_tax = tax_of(net, invoice.is_taxed)
        company.add(
            tables.credit_note_lines,
            credit_note_line_id=f"{credit_note_id}_{number}",
            credit_note_id=credit_note_id,
            invoice_line_id=None if position is None else f"{invoice_id}_{position}",
            amount_minor=net + (line_tax if invoice.is_inclusive else 0),
            tax_minor=line_tax,
        )


def _total(invoice: Invoice, credit: Credit) -> int:
    return sum(net + tax_of(net, invoice.is_taxed) for net in (*(n for _, n in credit.parts), credit.rest))


# --- strategies -------------------------------------------------------------------------------------------------------

DAYS = st.dates(date(2025, 12, 1), date(2026, 10, 31))
AMOUNTS = st.one_of(st.integers(-5_000, 90_000), st.sampled_from([0, 1, -1, 100_000]))


@st.composite
def lines(draw: st.DrawFn, near: date) -> Line:
    """A line for days around an invoice's: in arrears, in advance, a year, a day, or none."""
    shape = draw(st.sampled_from(["advance", "arrears", "year", "moment", "none", "long ago"]))
    length = draw(st.integers(1, 62))
    starts = {
        "advance": near,
        "arrears": near - timedelta(days=length),
        "year": near - timedelta(days=length),
        "moment": near - timedelta(days=length % 5),
        "long ago": near - timedelta(days=90 + length),
        "none": None,
    }[shape]
    days = {"year": 365, "moment": 0}.get(shape, length)
    amount = draw(AMOUNTS)
    return Line(
        amount=amount,
        discount=draw(st.sampled_from([0, 0, amount // 7])),
        starts=starts,
        ends=starts + timedelta(days=days) if starts else None,
        price=draw(st.sampled_from([None, *ROLES])),
        quantity=draw(st.integers(0, 40)),
        is_proration=draw(st.sampled_from([False, False, False, True])),
    )


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    """An invoice of one of two tenants, in one of two currencies, with what may happen to it afterwards."""
    finalized = draw(DAYS)
    parts = tuple(draw(st.lists(lines(finalized), max_size=4)))
    later = st.integers(0, 100).map(lambda n: finalized + timedelta(days=n))
    fate = draw(st.sampled_from(["open", "open", "open", "void", "written off"]))
    given = []
    for issued in draw(st.lists(later, max_size=2)):
        position = st.sampled_from([None, *range(len(parts))])
        chosen = draw(st.lists(st.tuples(position, st.integers(0, 9_000)), max_size=2))
        voided = draw(st.one_of(st.none(), st.integers(0, 40).map(lambda n, issued=issued: issued + timedelta(days=n))))
        given.append(Credit(issued, tuple(chosen), voided, draw(st.sampled_from([0, 0, 777]))))
    return Invoice(
        tenant=draw(st.sampled_from(["t1", "t2"])),
        currency=draw(st.sampled_from(["dkk", "eur"])),
        finalized=finalized,
        lines=parts,
        rest=draw(st.sampled_from([0, 0, 0, 1_234, -5])),
        voided=draw(later) if fate == "void" else None,
        written_off=draw(later) if fate == "written off" else None,
        is_taxed=draw(st.booleans()),
        credits=tuple(given),
        payments=tuple(draw(st.lists(st.tuples(later, st.integers(1, 5_000)), max_size=2))),
    )


BOOKS = st.lists(invoices(), max_size=7)
