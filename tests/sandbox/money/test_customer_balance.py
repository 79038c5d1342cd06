"""The customer's balance: credit and debt per currency, and how they meet invoices."""

from __future__ import annotations

import pytest
import stripe


def invoice_of(
    client: stripe.StripeClient, customer: str, amount: int, currency: str = "dkk", **params
) -> stripe.Invoice:
    """Finalize an invoice with one line."""
    draft = client.v1.invoices.create({"customer": customer, "currency": currency, **params})
    client.v1.invoice_items.create(
        {"customer": customer, "invoice": draft.id, "amount": amount, "currency": currency, "description": "Leje"}
    )
    return client.v1.invoices.finalize_invoice(draft.id)


def test_credit_pays_the_next_invoice(client: stripe.StripeClient, gaps) -> None:
    """Credit of 30.00 lowers an invoice of 100.00 to 70.00 and is used up; what is too much stays credit."""
    customer = client.v1.customers.create({}).id
    given = client.v1.customers.balance_transactions.create(customer, {"amount": -3000, "currency": "dkk"})
    assert gaps(given) == []
    assert (given.type, given.ending_balance) == ("adjustment", -3000)
    first = invoice_of(client, customer, 10000)
    assert (first.starting_balance, first.ending_balance, first.amount_due) == (-3000, 0, 7000)
    assert client.v1.customers.retrieve(customer).balance == 0
    client.v1.customers.balance_transactions.create(customer, {"amount": -30000, "currency": "dkk"})
    second = invoice_of(client, customer, 10000)
    assert (second.status, second.amount_due, second.ending_balance) == ("paid", 0, -20000)
    entries = client.v1.customers.balance_transactions.list(customer).data
    assert [(e.type, e.amount, e.ending_balance) for e in entries] == [
        ("applied_to_invoice", 10000, -20000),
        ("adjustment", -30000, -30000),
        ("applied_to_invoice", 3000, 0),
        ("adjustment", -3000, -3000),
    ]
    assert entries[0].invoice == second.id


def test_debt_is_added_and_a_negative_invoice_becomes_credit(client: stripe.StripeClient) -> None:
    """A debt of 25.00 makes 100.00 due 125.00; an invoice of -40.00 is paid and leaves 40.00 credit."""
    customer = client.v1.customers.create({"balance": 2500}).id
    owed = invoice_of(client, customer, 10000)
    assert (owed.amount_due, owed.starting_balance, owed.ending_balance) == (12500, 2500, 0)
    back = invoice_of(client, customer, -4000)
    assert (back.status, back.total, back.amount_due, back.ending_balance) == ("paid", -4000, 0, -4000)
    assert client.v1.customers.retrieve(customer).balance == -4000


def test_voiding_gives_the_balance_back(client: stripe.StripeClient) -> None:
    """What an invoice took from the balance returns when it is voided."""
    customer = client.v1.customers.create({"balance": -3000}).id
    invoice = invoice_of(client, customer, 10000)
    client.v1.invoices.void_invoice(invoice.id)
    assert client.v1.customers.retrieve(customer).balance == -3000
    entry = client.v1.customers.balance_transactions.list(customer).data[0]
    assert (entry.type, entry.amount) == ("unapplied_from_invoice", -3000)


def test_too_little_to_charge_waits_for_the_next_invoice(client: stripe.StripeClient) -> None:
    """2.49 cannot be charged: the invoice is paid, and the next one is 2.49 more."""
    customer = client.v1.customers.create({}).id
    small = invoice_of(client, customer, 249)
    assert (small.status, small.amount_due, small.ending_balance) == ("paid", 0, 249)
    assert client.v1.customers.balance_transactions.list(customer).data[0].type == "invoice_too_small"
    assert invoice_of(client, customer, 10000).amount_due == 10249
    sent = invoice_of(client, customer, 100, collection_method="send_invoice", days_until_due=14)
    assert (sent.status, sent.amount_due) == ("open", 100)


def test_balances_are_kept_per_currency(client: stripe.StripeClient) -> None:
    """Credit in one currency does not pay in another."""
    customer = client.v1.customers.create({}).id
    client.v1.customers.balance_transactions.create(customer, {"amount": -3000, "currency": "dkk"})
    client.v1.customers.balance_transactions.create(customer, {"amount": -500, "currency": "eur"})
    found = client.v1.customers.retrieve(customer, {"expand": ["invoice_credit_balance"]})
    assert found.balance == -3000
    assert found.invoice_credit_balance.to_dict() == {"dkk": -3000, "eur": -500}
    assert invoice_of(client, customer, 10000, "eur").amount_due == 9500
    assert client.v1.customers.retrieve(customer).balance == -3000


def test_a_balance_transaction_keeps_its_amount(client: stripe.StripeClient) -> None:
    """Only description and metadata change; another customer's is not found; the cash balance is empty."""
    customer = client.v1.customers.create({}).id
    other = client.v1.customers.create({}).id
    entry = client.v1.customers.balance_transactions.create(
        customer, {"amount": -100, "currency": "dkk", "description": "Velkommen", "metadata": {"a": "1"}}
    )
    changed = client.v1.customers.balance_transactions.update(customer, entry.id, {"metadata": {"a": "", "b": "2"}})
    assert (changed.amount, changed.description, changed.metadata.to_dict()) == (-100, "Velkommen", {"b": "2"})
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.customers.balance_transactions.retrieve(other, entry.id)
    assert missing.value.http_status == 404
    assert client.v1.customers.cash_balance.retrieve(customer).available is None
