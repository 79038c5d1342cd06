"""What Stripe may answer and the sandbox never does: older shapes, unknown ones, a cursor that is too old.

The server answers what the test has written; the mirror and Postgres are real.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing_core.gateway.kinds import KINDS
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.store.writes import upsert
from tests.gateway.conftest import Canned, canned
from tests.mirror.conftest import Mirroring

__all__ = ["canned"]

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = int(datetime(2026, 10, 31, 23, 30, tzinfo=UTC).timestamp())  # 1 November in Copenhagen
MISSING = {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such event: 'evt_1'"}}


def _list(*rows: Any, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(rows), "has_more": has_more, "url": "/v1/x"}


def _event(number: int, about: dict[str, Any], type: str = "invoice.paid") -> dict[str, Any]:
    return {
        "id": f"evt_{number}", "object": "event", "type": type, "created": AT + number, "api_version": "2019-02-19",
        "data": {"object": about}, "livemode": False,
    }  # fmt: skip


def _old_invoice(**more: Any) -> dict[str, Any]:
    """An invoice as Stripe sent it in 2022."""
    line = {
        "id": "il_1", "object": "line_item", "amount": 9900, "currency": "dkk", "description": "1 × Metered",
        "discount_amounts": [], "period": {"start": AT, "end": AT + 2592000}, "proration": True, "quantity": 1,
        "price": {"id": "price_1", "object": "price", "product": "prod_1", "unit_amount_decimal": "9900"},
        "subscription": "sub_1", "subscription_item": "si_1", "tax_amounts": [{"amount": 2475, "inclusive": False}],
    }  # fmt: skip
    invoice = {
        "id": "in_1", "object": "invoice", "customer": "cus_1", "subscription": "sub_1", "number": "A-1",
        "status": "paid", "currency": "dkk", "subtotal": 9900, "tax": 2475, "total": 12375, "amount_due": 12375,
        "amount_paid": 12375, "amount_remaining": 0, "total_tax_amounts": [{"amount": 2475, "inclusive": False}],
        "created": AT, "total_discount_amounts": [], "lines": {**_list(line), "url": "/v1/invoices/in_1/lines"},
        "status_transitions": {"finalized_at": AT, "paid_at": AT, "voided_at": None, "marked_uncollectible_at": None},
    }  # fmt: skip
    return {**invoice, **more}


@pytest.fixture
def mirroring(canned: Canned, database: Database, zone: ZoneInfo) -> Mirroring:
    """A mirror of an account in which every list is empty until a test says otherwise."""
    for kind in KINDS.values():
        canned.say(kind.path, _list())
    return Mirroring(database, canned.gateway(), zone, NOW)


def _lists(canned: Canned, path: str, *rows: Any) -> None:
    canned.answers[path] = [(200, {}, _list(*rows))]


def test_an_invoice_of_an_older_shape_is_read_all_the_same(canned: Canned, mirroring: Mirroring) -> None:
    """Subscription, price, proration and tax stood elsewhere before 2025-03-31; 23:30 UTC is the next day here."""
    _lists(canned, "/v1/invoices", _old_invoice())
    mirroring.run()
    invoice = mirroring.one("invoices")
    assert (invoice.subscription_id, invoice.tax_minor, invoice.total_excluding_tax_minor) == ("sub_1", 2475, 9900)
    assert (str(invoice.finalized_on), str(invoice.paid_on)) == ("2026-11-01", "2026-11-01")
    line = mirroring.one("invoice_lines")
    assert (line.price_id, line.product_id, line.subscription_item_id) == ("price_1", "prod_1", "si_1")
    assert (line.tax_minor, line.is_proration, int(line.unit_amount_decimal)) == (2475, True, 9900)
    payment = mirroring.one("payments")
    assert (payment.payment_id, payment.amount_minor, payment.tax_minor) == ("in_1:outside", 12375, 2475)


def test_an_old_events_payload_is_not_believed_but_fetched_again(canned: Canned, mirroring: Mirroring) -> None:
    """An event in the inbox from a webhook of another version: what counts is what Stripe answers now."""
    mirroring.run()
    stale = _event(1, {"id": "in_1", "object": "invoice", "total": 1, "paid": True})
    row = {
        "event_id": "evt_1", "type": "invoice.paid", "object_type": "invoice", "object_id": "in_1", "created_at": NOW,
        "received_at": NOW, "state": "received", "raw": stale,
    }  # fmt: skip
    with mirroring.database.begin() as connection:
        upsert(connection, tables.stripe_events, [row])
    canned.say("/v1/invoices/in_1", _old_invoice(payments=_list()))
    canned.say("/v1/customers/cus_1", {"id": "cus_1", "object": "customer", "metadata": {"tenant_id": "t_1"}})
    result = mirroring.run()
    assert result.events_count == 1
    assert (mirroring.one("invoices").total_minor, mirroring.one("invoices").tenant_id) == (12375, "t_1")
    assert mirroring.one("stripe_events").state == "processed"


def test_an_event_whose_object_cannot_be_read_is_kept_as_failed_and_tried_again(
    canned: Canned, mirroring: Mirroring
) -> None:
    """The others go on; once Stripe answers in a known shape, the event is processed."""
    mirroring.run()
    _lists(
        canned,
        "/v1/events",
        _event(3, {"id": "prod_1", "object": "product"}, "product.created"),
        _event(2, {"id": "in_1", "object": "invoice"}),
        _event(1, {"id": "in_none", "object": "gift_card"}, "gift_card.created"),
    )
    canned.say("/v1/invoices/in_1", {"id": "in_1", "object": "invoice", "sum": 4})
    canned.say("/v1/products/prod_1", {"id": "prod_1", "object": "product", "name": "P", "active": True})
    canned.say("/v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
    result = mirroring.run()
    assert (result.events_count, result.failed_count) == (3, 1)
    assert "in_1" in result.findings[0]
    assert [(e.event_id, e.state) for e in mirroring.rows("stripe_events")] == [
        ("evt_1", "ignored"),
        ("evt_2", "failed"),
        ("evt_3", "processed"),
    ]
    assert "cannot read" in mirroring.one("stripe_events", event_id="evt_2").error
    assert mirroring.one("products").name == "P"
    canned.answers["/v1/invoices/in_1"] = [(200, {}, _old_invoice())]
    assert mirroring.run().failed_count == 0
    healed = mirroring.one("stripe_events", event_id="evt_2")
    assert (healed.state, healed.error, healed.attempts_count) == ("processed", None, 2)
    assert mirroring.one("customers").is_deleted


def test_an_object_in_a_list_that_cannot_be_read_is_a_finding_and_the_rest_is_mirrored(
    canned: Canned, mirroring: Mirroring
) -> None:
    """One broken invoice of two; the customer, which no list holds, is asked for and known to be deleted."""
    canned.say("/v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
    _lists(canned, "/v1/invoices", {"id": "in_2", "object": "invoice"}, _old_invoice())
    result = mirroring.run()
    assert [i.invoice_id for i in mirroring.rows("invoices")] == ["in_1"]
    assert any("in_2" in finding for finding in result.findings)
    assert mirroring.one("customers").is_deleted


def test_a_cursor_that_stripe_no_longer_knows_leads_to_a_full_mirror(canned: Canned, mirroring: Mirroring) -> None:
    """Events are kept for 30 days; after a longer gap everything is read again, and what vanished is noticed."""
    _lists(canned, "/v1/events", _event(1, {"id": "cus_1", "object": "customer"}, "customer.created"))
    canned.say("/v1/events/evt_1", _event(1, {"id": "cus_1", "object": "customer"}, "customer.created"))
    _lists(canned, "/v1/customers", {"id": "cus_1", "object": "customer"}, {"id": "cus_2", "object": "customer"})
    mirroring.run()
    _lists(canned, "/v1/customers", {"id": "cus_2", "object": "customer"})
    canned.say("/v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
    newer = _event(2, {"id": "cus_1", "object": "customer"}, "customer.deleted")
    canned.answers["/v1/events"] = [(404, {}, MISSING), (200, {}, _list(newer)), (200, {}, _list())]
    canned.say("/v1/events/evt_2", newer)
    assert mirroring.run().is_full
    assert {c.customer_id: c.is_deleted for c in mirroring.rows("customers")} == {"cus_1": True, "cus_2": False}


def test_after_a_month_of_silence_everything_is_read_again(canned: Canned, mirroring: Mirroring) -> None:
    """Whatever the server says about the cursor."""
    mirroring.run()
    assert not mirroring.run(at=NOW + timedelta(days=20)).is_full
    assert mirroring.run(at=NOW + timedelta(days=50)).is_full
