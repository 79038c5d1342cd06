"""Invoices by status, now and on any past day, and the lists behind them."""

from __future__ import annotations

from typing import Any

STATUS = ("month", "currency", "status", "invoices_count", "total_minor", "open_minor")


def status_on(company: Any, day: str | None) -> tuple[str, int]:
    [(status, open_minor)] = company.cells("invoices_list", "status", "open_minor", as_of=day)
    return status, open_minor


def test_the_table_counts_by_month_currency_and_status(company: Any) -> None:
    """Finalized invoices by their month, drafts by the month they were made."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 1000, finalized="2026-01-10")
    company.invoice("in_2", "t1", 500, finalized="2026-01-11", paid=200)
    company.payment("in_2", 200, "2026-01-12")
    company.invoice("in_3", "t1", 300, status="paid", finalized="2026-01-11", paid=300, paid_on="2026-02-01")
    company.payment("in_3", 300, "2026-02-01")
    company.invoice("in_4", "t1", 50, status="draft", finalized=None, created="2026-02-01")
    company.invoice("in_5", "t1", 70, finalized="2026-02-01", currency="eur")
    assert company.cells("invoice_status", *STATUS) == [
        ("2026-01-01", "dkk", "open", 2, 1500, 1300),
        ("2026-01-01", "dkk", "paid", 1, 300, 0),
        ("2026-02-01", "dkk", "draft", 1, 50, 0),
        ("2026-02-01", "eur", "open", 1, 70, 70),
    ]


def test_the_status_of_a_past_day_is_rebuilt_from_the_dates(company: Any) -> None:
    """Draft, open, partly paid, paid: each from its own day on."""
    company.tenant("t1")
    company.invoice(
        "in_1", "t1", 1000, status="paid", created="2026-01-10", finalized="2026-01-12", paid=1000, paid_on="2026-03-01"
    )
    company.payment("in_1", 400, "2026-02-01")
    company.payment("in_1", 600, "2026-03-01")
    assert company.report("invoices_list", as_of="2026-01-09") == []
    days = ("2026-01-10", "2026-01-12", "2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01", None)
    expected = [("draft", 0), ("open", 1000), ("open", 1000), ("open", 600), ("open", 600), ("paid", 0), ("paid", 0)]
    assert [status_on(company, day) for day in days] == expected


def test_a_void_and_a_write_off_end_what_is_open_on_their_day(company: Any) -> None:
    """The day before they are still receivables."""
    company.tenant("t1")
    company.invoice("in_v", "t1", 1000, status="void", finalized="2026-01-12", voided="2026-02-10")
    company.invoice(
        "in_u", "t1", 500, status="uncollectible", finalized="2026-01-12", written_off="2026-03-10", paid=100
    )
    company.payment("in_u", 100, "2026-02-01")

    def on(day: str) -> list[tuple[Any, ...]]:
        return company.cells("invoice_status", "status", "open_minor", as_of=day)

    assert on("2026-02-09") == [("open", 1400)]
    assert on("2026-02-10") == [("open", 400), ("void", 0)]
    assert on("2026-03-10") == [("uncollectible", 0), ("void", 0)]


def test_a_void_or_write_off_without_a_date_never_was_a_receivable(company: Any) -> None:
    """A CSV has no column for the day of a void."""
    company.tenant("t1")
    company.invoice("in_v", "t1", 1000, status="void", finalized="2026-01-12")
    company.invoice("in_u", "t1", 500, status="uncollectible", finalized="2026-01-12")
    rows = company.cells("invoice_status", "status", "open_minor", as_of="2026-01-12")
    assert rows == [("uncollectible", 0), ("void", 0)]


def test_a_credit_note_before_payment_reduces_what_is_open_and_its_voiding_brings_it_back(company: Any) -> None:
    """One after payment does not touch it."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 1000, finalized="2026-01-12")
    company.credit_note("in_1", 300, "2026-02-01", before_payment=300, voided="2026-03-01")
    assert [status_on(company, d)[1] for d in ("2026-01-31", "2026-02-01", "2026-03-01")] == [1000, 700, 1000]
    company.invoice("in_2", "t1", 800, finalized="2026-05-12", credited=300, currency="eur")
    company.credit_note("in_2", 300, "2026-06-01", before_payment=300, currency="eur")
    company.credit_note("in_2", 100, "2026-06-01", before_payment=0, currency="eur")
    assert company.cells("invoice_status", "open_minor", as_of="2026-06-30", currency="eur") == [(500,)]


def test_what_is_open_now_is_what_stripe_says_remains(company: Any) -> None:
    """Rebuilt from payments and credit notes, it equals amount_remaining."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 1000, finalized="2026-01-12", paid=250, credited=100)
    company.payment("in_1", 250, "2026-02-01")
    company.credit_note("in_1", 100, "2026-02-02", before_payment=100)
    assert status_on(company, None) == ("open", 650)


def test_days_past_due_count_whole_days_from_the_due_day(company: Any) -> None:
    """Due today is not late; without a due day the day of finalization counts, and the list says so."""
    company.tenant("t1")
    company.invoice("in_1", "t1", 100, finalized="2026-10-01", due="2026-11-22")
    company.invoice("in_2", "t1", 100, finalized="2026-10-01", due="2026-11-20")
    company.invoice("in_3", "t1", 100, finalized="2026-11-12", due=None)
    company.invoice(
        "in_4", "t1", 100, status="paid", finalized="2026-10-01", due="2026-10-02", paid=100, paid_on="2026-11-01"
    )
    rows = {r["invoice_id"]: (r["days_past_due"], r["is_due_stated"]) for r in company.report("invoices_list")}
    assert rows == {"in_1": (0, True), "in_2": (2, True), "in_3": (10, False), "in_4": (None, True)}
    late = {r["invoice_id"]: r["days_past_due"] for r in company.report("invoices_list", as_of="2026-10-12")}
    assert late == {"in_1": 0, "in_2": 0, "in_4": 10}


def test_lines_and_payments_of_one_invoice_are_only_its_own(company: Any) -> None:
    """In order, failed attempts with their reason."""
    from billing_core.store import tables

    company.tenant("t1")
    company.invoice("in_1", "t1", 1000, status="paid", finalized="2026-01-12", paid=1000, paid_on="2026-01-20")
    company.invoice("in_2", "t1", 1)
    for i, invoice in enumerate(("in_1", "in_1", "in_2")):
        company.add(
            tables.invoice_lines,
            invoice_line_id=f"il_{i}",
            invoice_id=invoice,
            position=1 - i % 2,
            amount_minor=400 + 200 * i,
            currency="dkk",
            description=f"line {i}",
        )
    company.charge(
        "in_1",
        1000,
        "2026-01-13",
        failure_message="Your card has insufficient funds.",
        card_brand="visa",
        card_last4="0341",
    )
    company.payment("in_1", 1000, "2026-01-20")
    company.credit_note("in_1", 100, "2026-01-25")
    company.refund("in_1", 100, "2026-01-25")
    lines = company.cells("invoice_lines_list", "invoice_line_id", "amount_minor", invoice_id="in_1")
    assert lines == [("il_1", 600), ("il_0", 400)]
    money = company.cells("invoice_payments_list", "kind", "on_date", "amount_minor", "reason", invoice_id="in_1")
    assert [m[:3] for m in money] == [
        ("failed_attempt", "2026-01-13", 1000),
        ("payment", "2026-01-20", 1000),
        ("credit_note", "2026-01-25", 100),
        ("refund", "2026-01-25", 100),
    ]
    assert money[0][3] == "Your card has insufficient funds."


def test_attention_finds_each_kind_once(company: Any) -> None:
    """Late, failed, finalizing, unbilled, written off, and a customer of nobody."""
    from billing_core.store import tables

    company.tenant("t1")
    company.tenant("t2")
    company.subscription("t1")
    company.occupancy("t1", "u1", "2026-01-01")
    company.occupancy("t2", "u2", "2026-03-01")
    company.invoice("in_late", "t1", 100, finalized="2026-10-01", due="2026-11-20")
    company.invoice("in_fine", "t1", 100, finalized="2026-11-01", due="2026-11-22")
    company.invoice("in_fail", "t1", 200, finalized="2026-11-02")
    company.charge("in_fail", 200, "2026-11-03", failure_code="card_declined")
    company.charge("in_fail", 200, "2026-11-06", failure_message="Insufficient funds.")
    company.invoice(
        "in_soon",
        "t1",
        300,
        status="draft",
        finalized=None,
        created="2026-11-22",
        automatically_finalizes_at="2026-11-23T11:00:00+00:00",
    )
    company.invoice(
        "in_then",
        "t1",
        300,
        status="draft",
        finalized=None,
        created="2026-11-22",
        automatically_finalizes_at="2026-11-23T13:00:00+00:00",
    )
    company.invoice("in_bad", "t1", 400, status="uncollectible", finalized="2026-01-02", written_off="2026-11-02")
    company.invoice("in_old", "t1", 400, status="uncollectible", finalized="2026-01-02", written_off="2026-08-01")
    company.add(tables.customers, customer_id="cus_1", name="Nobody's", created_at="2026-05-05")
    company.invoice("in_orphan", None, 500, customer_id="cus_1", finalized="2026-11-20", due="2026-12-20")
    company.add(
        tables.disputes,
        dispute_id="dp_1",
        tenant_id="t1",
        currency="dkk",
        amount_minor=50,
        status="needs_response",
        reason="fraudulent",
        created_at="2026-11-11",
    )
    found = company.cells("attention", "kind", "subject_id", "amount_minor", "since_on")
    assert found == [
        ("draft_finalizing", "in_soon", 300, "2026-11-23"),
        ("payment_failed", "in_fail", 200, "2026-11-03"),
        ("past_due", "in_late", 100, "2026-11-20"),
        ("dispute", "dp_1", 50, "2026-11-11"),
        ("no_subscription", "t2", None, "2026-03-01"),
        ("no_tenant", "cus_1", 500, "2026-05-05"),
        ("uncollectible", "in_bad", 400, "2026-11-02"),
    ]
    details = {r["kind"]: r["detail"] for r in company.report("attention")}
    assert details["payment_failed"] == "IN_FAIL: Insufficient funds. (2 attempts)"
    assert details["past_due"] == "IN_LATE was due 2 days ago"


def test_the_list_of_tenants_sums_what_the_invoices_list_shows(company: Any) -> None:
    """Units of today, running subscriptions, open and past due in the tenant's currency."""
    company.tenant("t1")
    company.tenant("t2", currency="eur", deleted="2026-06-01")
    company.occupancy("t1", "u1", "2026-01-01")
    company.subscription("t1")
    company.subscription("t1", status="canceled")
    company.invoice("in_1", "t1", 100, finalized="2026-10-01", due="2026-11-20")
    company.invoice("in_2", "t1", 30, finalized="2026-11-01", due="2026-12-20")
    company.invoice("in_3", "t1", 7, finalized="2026-11-01", currency="eur")
    columns = ("tenant_id", "deleted_on", "units_count", "subscriptions_count", "open_minor", "past_due_minor")
    assert company.cells("tenants_list", *columns) == [("t1", None, 1, 1, 130, 100), ("t2", "2026-06-01", 0, 0, 0, 0)]
