"""Moms, payouts, invoice numbers, customers' balances and failed payments: by hand, and by their rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_core.store import tables

TAX = ("month", "tax_treatment", "tax_percent", "country", "tax_id", "currency", "base_minor", "tax_minor")


def invoice_line(company: Any, invoice_id: str, amount: int, tax: int, **more: Any) -> None:
    """A line of an invoice in kroner without a period."""
    values = {"position": 0, "currency": "dkk"} | more
    company.add(
        tables.invoice_lines,
        invoice_line_id=company.new_id("il"),
        invoice_id=invoice_id,
        amount_minor=amount,
        tax_minor=tax,
        **values,
    )


# --- moms and EU sales ------------------------------------------------------------------------------------------------


def test_moms_by_rate_and_eu_sales_by_vat_number(company: Any) -> None:
    """Two rates at home, a sale without tax, two customers in Sweden and Germany, one in Norway."""
    for rate, percent in (("txr_25", "25"), ("txr_6", "6.25")):
        company.add(tables.tax_rates, tax_rate_id=rate, percentage=Decimal(percent), is_inclusive=False)
    company.invoice("in_dk", "t1", 1250 + 106, tax=256, finalized="2026-02-10", customer_country="DK")
    invoice_line(company, "in_dk", 1000, 250, tax_rate_id="txr_25")
    invoice_line(company, "in_dk", 100, 6, tax_rate_id="txr_6", position=1)
    company.invoice("in_free", "t1", 70, finalized="2026-02-11", customer_country="DK", customer_tax_exempt="exempt")
    for country, number, total in (("SE", "SE556925908701", 300), ("DE", "DE801487420", 40), ("NO", "NO1", 5)):
        name = f"in_{country}"
        company.invoice(
            name,
            "t2",
            total,
            finalized="2026-02-12",
            currency="eur",
            customer_country=country,
            customer_tax_id=number,
            customer_tax_exempt="reverse",
        )
        invoice_line(company, name, total, 0, currency="eur", tax_rate_id="txr_25", taxability_reason="reverse_charge")
    month = "2026-02-01"
    assert company.cells("tax_report", *TAX) == [
        (month, "domestic", Decimal("6.25"), None, None, "dkk", 100, 6),
        (month, "domestic", 25, None, None, "dkk", 1000, 250),
        (month, "domestic_exempt", 0, None, None, "dkk", 70, 0),
        (month, "eu_reverse_charge", 0, "DE", "DE801487420", "eur", 40, 0),
        (month, "eu_reverse_charge", 0, "SE", "SE556925908701", "eur", 300, 0),
        (month, "export", 0, "NO", None, "eur", 5, 0),
    ]


def test_the_rate_of_an_amount_without_a_rate_is_what_the_tax_is_of_it(company: Any) -> None:
    """A file has no rates: 83 of 333 is 25 %, 1 of 3 is 33 %, 123 of 1000 is 12.3 %; of a negative amount too."""
    for name, net, tax in (("in_1", 333, 83), ("in_2", 3, 1), ("in_3", 10000, 1234), ("in_4", -333, -83)):
        company.invoice(name, "t1", net + tax, tax=tax, finalized="2026-02-10")
    found = company.cells("tax_report", "tax_percent", "base_minor", "tax_minor")
    assert found == [(Decimal("12.34"), 10000, 1234), (25, 0, 0), (33, 3, 1)]


def test_a_small_line_keeps_its_rate_when_the_tax_rounds_to_nothing(company: Any) -> None:
    """One øre at 25 % is no tax and still a sale at 25 %."""
    company.add(tables.tax_rates, tax_rate_id="txr_25", percentage=Decimal(25), is_inclusive=False)
    company.invoice("in_1", "t1", 1, finalized="2026-02-10")
    invoice_line(company, "in_1", 1, 0, tax_rate_id="txr_25")
    assert company.cells("tax_report", "tax_treatment", "tax_percent", "base_minor") == [("domestic", 25, 1)]


def test_voidings_and_credit_notes_count_in_their_own_month(company: Any) -> None:
    """Negative, at the rate of the invoice; as of an earlier day they have not happened."""
    company.invoice("in_1", "t1", 1250, tax=250, status="void", finalized="2026-02-10", voided="2026-03-10")
    company.invoice("in_2", "t1", 625, tax=125, finalized="2026-02-10")
    company.credit_note("in_2", 125, "2026-04-01", tax=25)
    found = company.cells("tax_report", "month", "tax_percent", "base_minor", "tax_minor", "documents_count")
    assert found == [
        ("2026-02-01", 25, 1500, 375, 2),
        ("2026-03-01", 25, -1000, -250, 1),
        ("2026-04-01", 25, -100, -25, 1),
    ]
    assert company.cells("tax_report", "base_minor", as_of="2026-03-09") == [(1500,)]
    sums: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in company.report("tax_report_rows"):
        for position, figure in enumerate((row["base_minor"], row["tax_minor"], 1)):
            sums[row["month"]][position] += figure
    assert {
        r["month"]: [r["base_minor"], r["tax_minor"], r["documents_count"]] for r in company.report("tax_report")
    } == sums


def test_the_seller_may_live_elsewhere(company: Any) -> None:
    """For a Swedish company Sweden is at home and Denmark is abroad."""
    company.add(tables.settings, key="accounts", value={"country": "SE"})
    for country in ("SE", "DK"):
        company.invoice(f"in_{country}", "t1", 100, finalized="2026-02-10", customer_country=country)
    assert company.cells("tax_report", "tax_treatment", "country") == [
        ("domestic_exempt", None),
        ("eu_reverse_charge", "DK"),
    ]


# --- payouts ----------------------------------------------------------------------------------------------------------


def balance_transaction(
    company: Any, type: str, amount: int, fee: int = 0, payout: str | None = None, **more: Any
) -> None:
    """A movement of the Stripe balance on 2 February."""
    values = {"source_id": "src", "reporting_category": type, "currency": "dkk", "created_at": "2026-02-02"} | more
    company.add(
        tables.balance_transactions,
        balance_transaction_id=company.new_id("txn"),
        type=type,
        amount_minor=amount,
        fee_minor=fee,
        net_minor=amount - fee,
        payout_id=payout,
        **values,
    )


def payout(company: Any, payout_id: str, amount: int, on: str = "2026-02-03", **more: Any) -> None:
    """A payout in kroner."""
    values = {"currency": "dkk", "status": "paid"} | more
    company.add(tables.payouts, payout_id=payout_id, amount_minor=amount, created_at=on, **values)


def test_a_payout_is_what_it_carries_less_fees(company: Any) -> None:
    """Payments, a refund, a dispute with its fee and another movement; its own movement is none of them."""
    balance_transaction(company, "charge", 1000, 30, "po_1")
    balance_transaction(company, "refund", -200, 0, "po_1")
    balance_transaction(company, "adjustment", -100, 50, "po_1", reporting_category="dispute")
    balance_transaction(company, "stripe_fee", -7, 0, "po_1")
    balance_transaction(company, "payout", -613, 0, "po_1", source_id="po_1", created_at="2026-02-03")
    balance_transaction(company, "charge", 5, 1)
    payout(company, "po_1", 613)
    [row] = company.report("payouts")
    assert [row[f"{n}_minor"] for n in ("payments", "refunds", "disputes", "other", "fees", "transactions")] == [
        1000,
        -200,
        -100,
        -7,
        -80,
        613,
    ]
    assert (row["difference_minor"], row["difference"], row["transactions_count"]) == (0, "none", 4)
    rows = company.report("payout_rows")
    assert sum(r["net_minor"] for r in rows if r["payout_id"] == "po_1") == 613
    assert sum(r["net_minor"] for r in rows if r["payout_id"] is None) == 4 - 613


def test_a_difference_has_a_name(company: Any) -> None:
    """A payout on request lists nothing; one that carries something else than it is, is unexplained."""
    balance_transaction(company, "charge", 1000, 0, "po_1")
    payout(company, "po_1", 900)
    payout(company, "po_2", 77)
    found = company.cells("payouts", "payout_id", "difference_minor", "difference", "transactions_count")
    assert found == [("po_1", -100, "unexplained", 1), ("po_2", 77, "no list of movements", 0)]


def test_as_of_a_day_before_a_payout_its_payments_are_still_in_the_balance(company: Any) -> None:
    """And the payout does not exist."""
    balance_transaction(company, "charge", 1000, 0, "po_1")
    payout(company, "po_1", 1000)
    assert company.report("payouts", as_of="2026-02-02") == []
    assert company.cells("payout_rows", "payout_id", as_of="2026-02-02") == [(None,)]
    assert company.cells("payout_rows", "payout_id", as_of="2026-02-03") == [("po_1",)]


# --- invoice numbers --------------------------------------------------------------------------------------------------

NUMBERS = ("prefix", "kind", "first_number", "last_number", "numbers_count")


def number(company: Any, text: str | None, on: str = "2026-02-10", status: str = "open") -> None:
    """A finalized invoice with a number."""
    company.add(
        tables.invoices,
        invoice_id=company.new_id("in"),
        number=text,
        status=status,
        currency="dkk",
        created_at=on,
        finalized_at=on,
        voided_at=on if status == "void" else None,
    )


def test_runs_gaps_duplicates_and_invoices_without_a_number(company: Any) -> None:
    """Two series; voided invoices keep their number, a gap at the beginning of a series is one too."""
    for text in ("A-0001", "A-0002", "A-0005", "A-0005", "B2-10", "B2-11", "draft-like", None, "7"):
        number(company, text, status="void" if text == "A-0002" else "open")
    assert company.cells("invoice_numbers", *NUMBERS) == [
        ("", "issued", 7, 7, 1),
        ("A-", "issued", 1, 2, 2),
        ("A-", "gap", 3, 4, 2),
        ("A-", "duplicate", 5, 5, 2),
        ("A-", "issued", 5, 5, 1),
        ("B2-", "gap", 1, 9, 9),
        ("B2-", "issued", 10, 11, 2),
        (None, "unnumbered", None, None, 2),
    ]


def test_a_gap_says_between_which_days_it_came_and_ends_when_it_is_filled(company: Any) -> None:
    """As of the day before number 2 is finalized there is a hole; number 2 then is out of order."""
    number(company, "A-1", "2026-02-01")
    number(company, "A-3", "2026-02-05")
    number(company, "A-2", "2026-02-07")
    hole = company.cells("invoice_numbers", "kind", "first_number", "first_on", "last_on", as_of="2026-02-06")[1]
    assert hole == ("gap", 2, "2026-02-01", "2026-02-05")
    assert company.cells("invoice_numbers", *NUMBERS[1:]) == [("issued", 1, 3, 3)]
    found = company.cells("invoice_number_rows", "sequence_number", "is_out_of_order")
    assert found == [(1, False), (2, False), (3, True)]


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.sampled_from(["", "A-", "9A"]), st.integers(0, 12)), max_size=25))
def test_generated_series_are_covered_exactly(company: Any, given_numbers: list[tuple[str, int]]) -> None:
    """Runs and gaps cover each series without overlapping; every number is in a run, none is in a gap."""
    company.clear()
    for prefix, digits in given_numbers:
        number(company, f"{prefix}{digits:03}")
    rows = company.report("invoice_numbers")
    covered: dict[str, Counter[int]] = defaultdict(Counter)
    for row in rows:
        span = range(row["first_number"], row["last_number"] + 1)
        if row["kind"] in ("issued", "gap"):
            covered[row["prefix"]].update(span)
            assert row["numbers_count"] == len(span)
            assert all(((row["prefix"], n) in given_numbers) == (row["kind"] == "issued") for n in span)
        else:
            assert row["numbers_count"] == given_numbers.count((row["prefix"], row["first_number"])) > 1
    for prefix, counts in covered.items():
        assert set(counts.values()) == {1}
        assert sorted(counts) == list(range(min(counts), max(n for p, n in given_numbers if p == prefix) + 1))
    assert set(given_numbers) <= {(p, n) for p, counts in covered.items() for n in counts}


# --- balances of customers --------------------------------------------------------------------------------------------


def test_a_balance_is_the_sum_of_its_movements_at_any_day(company: Any) -> None:
    """Given 100, used 60: 40 are owed, as Stripe says too; another customer's balance nobody explains."""
    company.tenant("t1")
    for customer, tenant, balance in (("cus_1", "t1", -40), ("cus_2", None, 9), ("cus_3", None, 0)):
        company.add(
            tables.customers,
            customer_id=customer,
            tenant_id=tenant,
            name=customer,
            currency="dkk",
            balance_minor=balance,
        )
    for amount, on in ((-100, "2026-02-01"), (60, "2026-03-01")):
        company.add(
            tables.customer_balance_transactions,
            customer_balance_transaction_id=company.new_id("cbtxn"),
            customer_id="cus_1",
            type="adjustment",
            currency="dkk",
            amount_minor=amount,
            ending_balance_minor=0,
            created_at=on,
        )
    figures = ("balance", "credit", "debit", "given", "used", "stripe_balance", "difference")
    columns = ("customer_id", "tenant_id", "customer_name", *(f"{f}_minor" for f in figures))
    assert company.cells("customer_balances", *columns) == [
        ("cus_1", "t1", "T1", -40, 40, 0, 100, 60, -40, 0),
        ("cus_2", None, "cus_2", 0, 0, 0, 0, 0, 9, 9),
    ]
    assert company.cells("customer_balances", *columns, as_of="2026-02-28") == [
        ("cus_1", "t1", "T1", -100, 100, 0, 100, 0, None, None)
    ]
    assert sum(r["amount_minor"] for r in company.report("customer_balance_rows")) == -40


# --- failed payments --------------------------------------------------------------------------------------------------

FAILED = ("invoice_id", "amount_at_risk_minor", "attempts_count", "past_due_since_on", "days_past_due", "failure_code")


def test_failed_attempts_on_an_open_invoice_are_at_risk(company: Any) -> None:
    """Two attempts on an automatic one, one on one that is due later, none on a third, one on one paid after all."""
    later = "2026-11-25T08:00:00+00:00"
    automatic = {"collection_method": "charge_automatically", "next_payment_attempt_at": later}
    company.invoice("in_1", "t1", 1250, tax=250, finalized="2026-11-02", paid=250, **automatic)
    company.payment("in_1", 250, "2026-11-03")
    company.charge("in_1", 1250, "2026-11-02", failure_code="card_declined", decline_code="insufficient_funds")
    company.charge(
        "in_1", 1000, "2026-11-12", failure_code="card_declined", decline_code="lost_card", card_last4="0341"
    )
    company.invoice("in_2", "t1", 500, finalized="2026-11-02", due="2026-12-01", currency="eur")
    company.charge("in_2", 500, "2026-11-20", failure_code="expired_card", currency="eur")
    company.invoice("in_3", "t1", 500, finalized="2026-11-02")
    company.invoice("in_4", "t1", 70, status="paid", finalized="2026-11-02", paid=70, paid_on="2026-11-09")
    company.charge("in_4", 70, "2026-11-05", failure_code="card_declined")
    company.payment("in_4", 70, "2026-11-09")
    assert company.cells("payments_failed", *FAILED) == [
        ("in_1", 1000, 2, "2026-11-02", 20, "lost_card"),
        ("in_2", 500, 1, None, 0, "expired_card"),
    ]
    [row] = company.report("payments_failed", currency="dkk")
    assert row["next_attempt_at"].isoformat().startswith("2026-11-25T08:00")
    assert (row["method"], row["is_automatic"], row["last_failed_on"]) == ("…0341", True, date(2026, 11, 12))
    counts = Counter(r["invoice_id"] for r in company.report("payments_failed_rows"))
    assert counts == {"in_1": 2, "in_2": 1, "in_4": 1}


def test_as_of_a_day_only_what_had_failed_and_was_open_counts(company: Any) -> None:
    """The invoice that was paid on the 9th was at risk on the 6th; what is tried next is not known for the past."""
    company.invoice(
        "in_4",
        "t1",
        70,
        status="paid",
        finalized="2026-11-02",
        due="2026-11-04",
        paid=70,
        paid_on="2026-11-09",
        next_payment_attempt_at="2026-11-25T08:00:00+00:00",
    )
    company.charge("in_4", 70, "2026-11-05", failure_code="card_declined")
    company.charge("in_4", 70, "2026-11-08", failure_code="card_declined")
    company.payment("in_4", 70, "2026-11-09")
    assert company.cells("payments_failed", *FAILED[1:5], "next_attempt_at", as_of="2026-11-06") == [
        (70, 1, "2026-11-05", 2, None)
    ]
    assert company.report("payments_failed", as_of="2026-11-04") == []
    assert company.report("payments_failed", as_of="2026-11-09") == []
