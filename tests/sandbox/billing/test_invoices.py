"""Invoices made by hand, their lines and items, and how they end."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
import stripe


def draft(shop: Any, customer: str, *amounts: int, **more: Any) -> Any:
    """Make a draft with items of some amounts."""
    made = shop.client.v1.invoices.create({"customer": customer, "currency": "dkk", **more})
    for amount in amounts:
        shop.client.v1.invoice_items.create(
            {"customer": customer, "invoice": made.id, "amount": amount, "currency": "dkk", "description": f"A{amount}"}
        )
    return shop.client.v1.invoices.retrieve(made.id)


def test_a_manual_invoice_goes_from_draft_to_paid(shop: Any, gaps: Any) -> None:
    """Draft without a number, open with one, paid on request."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = draft(shop, customer, 1000, 250)
    assert (made.status, made.total, made.auto_advance, made.number) == ("draft", 1250, False, None)
    opened = shop.client.v1.invoices.finalize_invoice(made.id)
    assert (opened.status, opened.amount_remaining) == ("open", 1250)
    assert opened.number.endswith("-0001")
    paid = shop.client.v1.invoices.pay(made.id)
    assert (paid.status, paid.amount_paid, paid.status_transitions.paid_at) == ("paid", 1250, shop.at(2026, 4, 1))
    assert gaps(paid) == []
    assert gaps(paid.lines.data[0]) == []
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        shop.client.v1.invoices.pay(made.id)
    with pytest.raises(stripe.InvalidRequestError, match="already finalized"):
        shop.client.v1.invoices.finalize_invoice(made.id)


def test_loose_items_wait_for_the_next_invoice(shop: Any, gaps: Any) -> None:
    """A manual invoice leaves them unless asked; the subscription's next invoice takes them."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    item = shop.client.v1.invoice_items.create({"customer": customer, "amount": 77, "currency": "dkk"})
    assert gaps(item) == []
    assert draft(shop, customer).total == 0
    taken = draft(shop, customer, pending_invoice_items_behavior="include")
    assert taken.total == 77
    assert shop.client.v1.invoice_items.retrieve(item.id).invoice == taken.id
    shop.client.v1.invoices.delete(taken.id)
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoice_items.retrieve(item.id)
    shop.client.v1.invoice_items.create({"customer": customer, "amount": 78, "currency": "dkk"})
    shop.move(clock, shop.at(2026, 5, 1, 1))
    assert shop.invoices(subscription=made.id)[-1].total == 1078


def test_items_take_prices_unit_amounts_and_periods(shop: Any) -> None:
    """A one-time price × 3; 12.345 øre × 10 = 123.45 → 123; both change while the invoice is a draft."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    once = shop.client.v1.prices.create({"product": shop.product("Setup"), "currency": "dkk", "unit_amount": 500}).id
    made = draft(shop, customer)
    one = shop.client.v1.invoice_items.create(
        {"customer": customer, "invoice": made.id, "pricing": {"price": once}, "quantity": 3}
    )
    two = shop.client.v1.invoice_items.create(
        {
            "customer": customer,
            "invoice": made.id,
            "unit_amount_decimal": "12.345",
            "quantity": 10,
            "currency": "dkk",
            "period": {"start": shop.at(2026, 3, 1), "end": shop.at(2026, 4, 1)},
        }
    )
    assert (one.amount, two.amount) == (1500, 123)
    assert one.pricing.price_details.price == once
    assert shop.client.v1.invoice_items.update(one.id, {"quantity": 4}).amount == 2000
    shop.client.v1.invoice_items.update(two.id, {"amount": 100, "description": "Changed"})
    now = shop.client.v1.invoices.retrieve(made.id)
    assert now.total == 2100
    assert now.lines.data[1].description == "Changed"
    shop.client.v1.invoice_items.delete(one.id)
    assert shop.client.v1.invoices.retrieve(made.id).total == 100


def test_lines_of_a_draft_are_added_changed_and_removed(shop: Any) -> None:
    """add_lines, update_lines, remove_lines, and one line by itself."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = draft(shop, customer, 100)
    lines = shop.client.v1.invoices.add_lines(
        made.id, {"lines": [{"amount": 50, "description": "Fee"}, {"amount": 25, "description": "Post"}]}
    ).lines.data
    assert [line.amount for line in lines] == [100, 50, 25]
    shop.client.v1.invoices.update_lines(made.id, {"lines": [{"id": lines[1].id, "amount": 60}]})
    shop.client.v1.invoices.line_items.update(made.id, lines[2].id, {"description": "Postage"})
    after = shop.client.v1.invoices.remove_lines(made.id, {"lines": [{"id": lines[0].id, "behavior": "unassign"}]})
    assert shop.lines(after) == [("Fee", 60), ("Postage", 25)]
    assert after.total == 85
    waiting = shop.client.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert [i.amount for i in waiting] == [100]


def test_a_draft_finalizes_when_it_says(shop: Any) -> None:
    """auto_advance gives an hour; automatically_finalizes_at another time; off again means never."""
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    hour = draft(shop, customer, 1000, auto_advance=True)
    assert hour.automatically_finalizes_at == shop.at(2026, 4, 1, 1)
    noon = draft(shop, customer, 1000, auto_advance=True)
    shop.client.v1.invoices.update(noon.id, {"automatically_finalizes_at": shop.at(2026, 4, 3, 12)})
    never = draft(shop, customer, 1000, auto_advance=True)
    assert shop.client.v1.invoices.update(never.id, {"auto_advance": False}).automatically_finalizes_at is None
    shop.move(clock, shop.at(2026, 4, 3, 11))
    statuses = [shop.client.v1.invoices.retrieve(i.id).status for i in (hour, noon, never)]
    assert statuses == ["paid", "draft", "draft"]
    shop.move(clock, shop.at(2026, 4, 3, 12))
    assert shop.client.v1.invoices.retrieve(noon.id).status == "paid"


def test_an_empty_invoice_is_paid_at_once(shop: Any) -> None:
    """Nothing is due, so finalizing pays it."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    assert shop.client.v1.invoices.finalize_invoice(draft(shop, customer).id).status == "paid"


def test_void_and_uncollectible_end_an_open_invoice(shop: Any) -> None:
    """A draft cannot be voided; a written-off invoice can still be paid or voided; a paid one is neither."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    invoices = shop.client.v1.invoices
    made = draft(shop, customer, 1000)
    with pytest.raises(stripe.InvalidRequestError):
        invoices.void_invoice(made.id)
    invoices.finalize_invoice(made.id)
    written_off = invoices.mark_uncollectible(made.id)
    assert (written_off.status, written_off.amount_remaining) == ("uncollectible", 1000)
    assert invoices.pay(made.id).status == "paid"
    with pytest.raises(stripe.InvalidRequestError):
        invoices.void_invoice(made.id)
    other = draft(shop, customer, 1000)
    invoices.finalize_invoice(other.id)
    voided = invoices.void_invoice(other.id)
    assert (voided.status, voided.status_transitions.voided_at) == ("void", shop.at(2026, 4, 1))
    with pytest.raises(stripe.InvalidRequestError):
        invoices.pay(other.id)


def test_sending_needs_terms_and_finalizes(shop: Any) -> None:
    """Due in 14 days, an event for the mail."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = draft(shop, customer, 1000, collection_method="send_invoice", days_until_due=14)
    sent = shop.client.v1.invoices.send_invoice(made.id)
    assert (sent.status, sent.due_date) == ("open", shop.at(2026, 4, 15))
    assert len(shop.events("invoice.sent")) == 1
    with pytest.raises(stripe.InvalidRequestError, match="send_invoice"):
        shop.client.v1.invoices.send_invoice(draft(shop, customer, 1000).id)


def test_a_finalized_invoice_does_not_change(shop: Any) -> None:
    """Items, lines and discounts are refused; metadata is not."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = draft(shop, customer, 1000)
    shop.client.v1.invoices.finalize_invoice(made.id)
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoice_items.create({"customer": customer, "invoice": made.id, "amount": 1, "currency": "dkk"})
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoices.update(made.id, {"collection_method": "send_invoice", "days_until_due": 3})
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.invoices.delete(made.id)
    assert shop.client.v1.invoices.update(made.id, {"metadata": {"a": "b"}}).metadata["a"] == "b"


def test_numbers_run_per_customer_or_for_the_account(shop: Any, sandbox: Any) -> None:
    """Each customer has a prefix; with the account's scheme all share one sequence."""
    customers = [shop.make_customer(shop.at(2026, 4, 1))[0] for _ in range(2)]
    finalize = shop.client.v1.invoices.finalize_invoice
    first = [finalize(draft(shop, c, 1000).id).number for c in customers for _ in range(2)]
    assert [n.rsplit("-", 1)[1] for n in first] == ["0001", "0002", "0001", "0002"]
    assert first[0].rsplit("-", 1)[0] != first[2].rsplit("-", 1)[0]
    sandbox.admin("POST", "/settings", invoice_numbering="account", invoice_prefix="BD")
    assert [finalize(draft(shop, c, 1000).id).number for c in customers] == ["BD-0001", "BD-0002"]


def test_the_hosted_page_and_the_pdf_are_served(shop: Any) -> None:
    """At the addresses that the invoice gives, on this machine."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = draft(shop, customer, 1000)
    assert made.hosted_invoice_url is None
    opened = shop.client.v1.invoices.finalize_invoice(made.id)
    with urllib.request.urlopen(opened.hosted_invoice_url) as page:
        assert opened.number in page.read().decode()
    with urllib.request.urlopen(opened.invoice_pdf) as pdf:
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.read().startswith(b"%PDF-")


def test_invoices_are_listed_by_what_they_are(shop: Any) -> None:
    """status, customer, subscription, collection method, due date."""
    customer, _ = shop.make_customer(shop.at(2026, 4, 1))
    other, _ = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    due = draft(shop, other, 1000, collection_method="send_invoice", days_until_due=10)
    shop.client.v1.invoices.finalize_invoice(due.id)
    assert [i.id for i in shop.invoices(customer=other)] == [due.id]
    assert [i.id for i in shop.invoices(subscription=made.id)] == [made.latest_invoice]
    assert [i.id for i in shop.invoices(status="open")] == [due.id]
    assert [i.id for i in shop.invoices(collection_method="send_invoice")] == [due.id]
    assert [i.id for i in shop.invoices(due_date={"gte": shop.at(2026, 4, 11)})] == [due.id]
    assert shop.invoices(due_date={"gt": shop.at(2026, 4, 11)}) == []


def test_draft_hours_of_the_account_hold_a_renewal_longer(shop: Any, sandbox: Any) -> None:
    """72 hours, as Stripe allows."""
    sandbox.admin("POST", "/settings", draft_hours=72)
    customer, clock = shop.make_customer(shop.at(2026, 4, 1))
    made = shop.subscribe(customer, {"price": shop.price(1000)})
    shop.move(clock, shop.at(2026, 5, 3, 23))
    assert shop.invoices(subscription=made.id)[-1].status == "draft"
    shop.move(clock, shop.at(2026, 5, 4))
    assert shop.invoices(subscription=made.id)[-1].status == "paid"
