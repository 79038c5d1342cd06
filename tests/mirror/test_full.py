"""The full mirror: everything once, the same again when run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
import stripe

from billing_core.errors import ConflictError
from billing_core.services.mirror import LOCK, mirror, totals
from tests.mirror.conftest import JULY, Catalogue, Mirroring
from tests.sandbox.conftest import Server

Tenant = Callable[..., tuple[str, str]]
Advance = Callable[[str, int | datetime], None]


@pytest.fixture
def company(client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, advance: Advance) -> dict[str, str]:
    """Two tenants over two months: one with units in DKK and moms, one in EUR; a refund and a credit note."""
    v1 = client.v1
    dkk, clock = tenant("t_dkk")
    eur, eur_clock = tenant("t_eur", address={"country": "DE"})
    one = v1.subscriptions.create(
        {
            "customer": dkk,
            "items": [{"price": catalogue.flat}, {"price": catalogue.unit, "quantity": 3}],
            "default_tax_rates": [catalogue.tax_rate],
            "metadata": {"tenant_id": "t_dkk"},
        }
    )
    two = v1.subscriptions.create({"customer": eur, "items": [{"price": catalogue.flat_eur}]})
    for one_clock in (clock, eur_clock):
        advance(one_clock, JULY + timedelta(days=32))
    first = v1.invoices.list({"customer": dkk}).data[-1]
    payment = v1.invoice_payments.list({"invoice": first.id}).data[0].payment
    intent = payment.payment_intent if isinstance(payment.payment_intent, str) else ""
    v1.refunds.create({"payment_intent": intent, "amount": 1000})
    return {"dkk": dkk, "eur": eur, "one": one.id, "two": two.id, "clock": clock, "first": first.id, "intent": intent}


def test_everything_is_there_with_its_tenant_and_its_dates(company: dict[str, str], mirroring: Mirroring) -> None:
    """Typed columns of each table against what was made; 99 + 3 × 49 = 246 DKK, 25 % moms = 61.50."""
    result = mirroring.run()
    assert result.is_full
    assert not result.findings
    customer = mirroring.one("customers", customer_id=company["dkk"])
    assert (customer.tenant_id, customer.is_deleted, customer.raw["id"]) == ("t_dkk", False, company["dkk"])
    subscription = mirroring.one("subscriptions", subscription_id=company["one"])
    assert (subscription.status, subscription.tenant_id, subscription.currency) == ("active", "t_dkk", "dkk")
    assert subscription.started_at == JULY
    items = mirroring.rows("subscription_items", subscription_id=company["one"])
    assert sorted(int(i.quantity) for i in items) == [1, 3]
    assert all(i.current_period_start_at < i.current_period_end_at for i in items)
    invoice = mirroring.one("invoices", invoice_id=company["first"])
    assert (invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor) == (24600, 6150, 30750)
    assert (invoice.status, invoice.subscription_id, invoice.tenant_id) == ("paid", company["one"], "t_dkk")
    assert (invoice.finalized_on, invoice.paid_on) == (date(2026, 7, 1), date(2026, 7, 1))
    lines = mirroring.rows("invoice_lines", invoice_id=company["first"])
    assert Counter((line.amount_minor, line.tax_minor, line.usage_type) for line in lines) == Counter(
        [(9900, 2475, "licensed"), (14700, 3675, "licensed")]
    )
    assert {line.unit_amount_decimal for line in lines} == {Decimal(9900), Decimal(4900)}
    assert all(line.tenant_id == "t_dkk" and not line.is_proration for line in lines)
    payment = mirroring.one("payments", invoice_id=company["first"])
    assert (payment.amount_minor, payment.tax_minor, payment.is_outside_stripe) == (30750, 6150, False)
    charge = mirroring.one("charges", charge_id=payment.charge_id)
    assert (charge.invoice_id, charge.amount_minor, charge.amount_refunded_minor) == (company["first"], 30750, 1000)
    assert (charge.card_brand, charge.card_last4) == ("visa", "4242")
    refund = mirroring.one("refunds")
    assert (refund.amount_minor, refund.invoice_id, refund.tenant_id) == (1000, company["first"], "t_dkk")
    movement = mirroring.one("balance_transactions", balance_transaction_id=charge.balance_transaction_id)
    assert movement.amount_minor - movement.fee_minor == movement.net_minor > 0
    assert {(p.role, p.usage_type) for p in mirroring.rows("prices")} == {
        ("flat", "licensed"),
        ("unit", "licensed"),
        ("usage", "metered"),
    }
    assert mirroring.one("meters").formula == "last"
    assert mirroring.one("tax_rates").percentage == Decimal(25)
    eur = mirroring.rows("invoices", customer_id=company["eur"])
    assert [(i.currency, i.total_minor, i.tenant_id) for i in eur] == [("eur", 1200, "t_eur")] * len(eur)


def test_twice_changes_nothing(company: dict[str, str], mirroring: Mirroring) -> None:
    """By events and in full: nothing inserted, nothing updated, no row's `chg` moves."""
    mirroring.run()
    before = mirroring.state()
    again = mirroring.run()
    assert (again.is_full, again.changed_count, again.events_count) == (False, 0, 0)
    assert mirroring.difference(before) == []
    whole = mirroring.run(full=True)
    assert whole.is_full
    assert whole.changed_count == 0
    assert sum(c.unchanged for c in whole.tables.values()) > 20
    assert mirroring.difference(before) == []


def test_sums_of_every_month_equal_the_sandboxs_own(
    company: dict[str, str], mirroring: Mirroring, sandbox: Server
) -> None:
    """Invoices finalized per month and currency, to the minor unit, against sums made from the sandbox's state."""
    mirroring.run()
    theirs = {
        (m["month"], m["currency"]): (m["invoices_count"], m["total_minor"], m["amount_remaining_minor"])
        for m in sandbox.admin("GET", "/sums")["months"]
        if m["month"] != "draft"
    }
    ours = {
        (t.month.strftime("%Y-%m"), t.currency): (t.invoices_count, t.total_minor, t.open_minor)
        for t in totals(mirroring.database)
    }
    assert ours == theirs
    assert {currency for _, currency in ours} == {"dkk", "eur"}


def test_an_invoice_of_25_lines_has_them_all(
    client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, mirroring: Mirroring
) -> None:
    """Stripe embeds ten lines; the rest is paged."""
    customer, _ = tenant()
    invoice = client.v1.invoices.create({"customer": customer, "auto_advance": False, "currency": "dkk"})
    for i in range(25):
        client.v1.invoice_items.create(
            {"customer": customer, "invoice": invoice.id, "amount": 100 + i, "currency": "dkk", "description": f"L{i}"}
        )
    client.v1.invoices.finalize_invoice(invoice.id)
    mirroring.run()
    lines = mirroring.rows("invoice_lines", invoice_id=invoice.id)
    assert sorted(line.amount_minor for line in lines) == [100 + i for i in range(25)]
    assert sorted(line.position for line in lines) == list(range(25))
    assert mirroring.one("invoices").total_minor == sum(100 + i for i in range(25))


def test_money_from_outside_stripe_is_a_payment(
    client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, mirroring: Mirroring
) -> None:
    """An invoice marked as paid out of band: one payment, outside Stripe, with all of its tax."""
    customer, _ = tenant()
    subscription = client.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": catalogue.flat}],
            "collection_method": "send_invoice",
            "days_until_due": 14,
            "default_tax_rates": [catalogue.tax_rate],
        }
    )
    draft = client.v1.invoices.list({"subscription": subscription.id}).data[0]
    if draft.status == "draft":
        client.v1.invoices.finalize_invoice(draft.id)
    client.v1.invoices.update(draft.id, {"metadata": {"bank_reference": "FI71-1"}})
    client.v1.invoices.pay(draft.id, {"paid_out_of_band": True})
    mirroring.run()
    payment = mirroring.one("payments", invoice_id=draft.id)
    assert (payment.amount_minor, payment.tax_minor, payment.is_outside_stripe) == (12375, 2475, True)
    assert (payment.status, payment.tenant_id, payment.reference) == ("paid", "t_1", "FI71-1")
    before = mirroring.state()
    mirroring.run(full=True)
    assert mirroring.difference(before) == []


def test_a_customer_without_tenant_is_kept_with_none(
    client: stripe.StripeClient, catalogue: Catalogue, tenant: Tenant, mirroring: Mirroring
) -> None:
    """Its rows are there; that they belong to nobody is a finding of the reports, not an error here."""
    customer, _ = tenant(None)
    client.v1.subscriptions.create({"customer": customer, "items": [{"price": catalogue.flat}]})
    mirroring.run()
    assert mirroring.one("customers").tenant_id is None
    assert mirroring.one("invoices").tenant_id is None
    client.v1.customers.update(customer, {"metadata": {"tenant_id": "t_found"}})
    mirroring.run()
    for table in (
        "customers",
        "subscriptions",
        "subscription_items",
        "invoices",
        "invoice_lines",
        "payments",
        "charges",
    ):
        assert {row.tenant_id for row in mirroring.rows(table)} == {"t_found"}, table


def test_an_empty_account_is_mirrored_and_what_comes_after_is_found(
    client: stripe.StripeClient, mirroring: Mirroring
) -> None:
    """No event to start from: the first event ever is still read."""
    assert mirroring.run().changed_count == 0
    client.v1.customers.create({"name": "First", "metadata": {"tenant_id": "t_9"}})
    assert mirroring.run().events_count == 1
    assert mirroring.one("customers").tenant_id == "t_9"


def test_a_second_mirror_at_the_same_time_says_so(mirroring: Mirroring, sandbox: Server) -> None:
    """The lock is the session's: while it is held, another run is refused; when it ends, the next may go."""
    with psycopg.connect(mirroring.database.url, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(%s)", (LOCK,))
        with pytest.raises(ConflictError, match="already running"):
            mirroring.run()
    assert mirroring.run().is_full


def test_too_many_calls_slow_a_mirror_down_and_do_not_break_it(
    client: stripe.StripeClient, mirroring: Mirroring, sandbox: Server
) -> None:
    """One call in five is answered 429, some with 500: everything is there in the end."""
    for i in range(30):
        client.v1.customers.create({"name": f"C{i}"})
    sandbox.admin("POST", "/faults", kind="rate_limit", times=None, probability=0.2, seed=7, retry_after=1)
    sandbox.admin("POST", "/faults", kind="server_error", times=1, skip=4, method="GET")
    result = mirroring.run()
    assert result.tables["customers"].inserted == 30


def test_progress_tells_each_resource(client: stripe.StripeClient, mirroring: Mirroring) -> None:
    """The callback gets names and rising counts."""
    client.v1.customers.create({"name": "One"})
    told: list[tuple[str, int]] = []
    mirror(
        mirroring.database,
        mirroring.gateway,
        zone=mirroring.zone,
        now=datetime.now(UTC),
        progress=lambda resource, count: told.append((resource, count)),
    )
    assert ("customer", 1) in told
