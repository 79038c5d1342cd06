"""The journal: what is posted for what, by hand; generated books balance, and say what revenue and receivables say."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_core.store import tables
from billing_core.warehouse.shared import QUERIES
from tests.queries.generated import BOOKS, Credit, Invoice, Line, lay

DEBTORS, REVENUE, DEFERRED, ACCRUED, VAT = "5600", "1010", "6650", "5650", "6902"
STRIPE, BANK, FEES, LOSSES, REFUNDS, CREDIT = "5810", "5820", "3940", "3910", "5620", "6610"


def d(day: str) -> date:
    """A date."""
    return date.fromisoformat(day)


def postings(company: Any, kind: str, **params: Any) -> list[tuple[Any, ...]]:
    """Day, account, VAT code and signed amount of the postings of a kind."""
    rows = [r for r in company.report("journal_rows", **params) if r["kind"] == kind]
    return [
        (r["entry_on"].isoformat(), r["account"], r["vat_code"], r["debit_minor"] - r["credit_minor"]) for r in rows
    ]


def balances(company: Any, **params: Any) -> dict[str, int]:
    """Closing balance by account in the last month, where not 0; one currency."""
    rows = company.report("journal", **params)
    found: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["month"] == max(r["month"] for r in rows):
            found[row["account"]] += row["closing_minor"]
    return {account: amount for account, amount in found.items() if amount}


def movement(company: Any, source: str, type: str, amount: int, on: str, fee: int = 0, category: str = "") -> None:
    """A balance transaction."""
    company.add(
        tables.balance_transactions,
        balance_transaction_id=company.new_id("txn"),
        source_id=source,
        type=type,
        reporting_category=category or type,
        currency="dkk",
        amount_minor=amount,
        fee_minor=fee,
        net_minor=amount - fee,
        created_at=on,
    )


def test_an_invoice_is_debtors_revenue_and_vat_and_its_payment_settles_it(company: Any) -> None:
    """1000 and 250 tax, paid through Stripe with a fee of 20, paid out."""
    lay(company, [Invoice("t1", "dkk", d("2026-02-10"), (Line(1000),))])
    company.charge("in_000", 1250, "2026-02-11", status="succeeded", charge_id="ch_1")
    company.payment("in_000", 1250, "2026-02-11", charge_id="ch_1")
    movement(company, "ch_1", "charge", 1250, "2026-02-11", fee=20)
    movement(company, "po_1", "payout", -1230, "2026-02-13")
    assert postings(company, "invoice") == [
        ("2026-02-10", REVENUE, "U25", -1000),
        ("2026-02-10", DEBTORS, None, 1250),
        ("2026-02-10", VAT, None, -250),
    ]
    assert postings(company, "payment") == [("2026-02-11", DEBTORS, None, -1250), ("2026-02-11", STRIPE, None, 1250)]
    assert postings(company, "fee") == [("2026-02-11", FEES, "IEU", 20), ("2026-02-11", STRIPE, None, -20)]
    assert postings(company, "payout") == [("2026-02-13", STRIPE, None, -1230), ("2026-02-13", BANK, None, 1230)]
    assert balances(company) == {REVENUE: -1000, VAT: -250, FEES: 20, BANK: 1230}


def test_money_outside_stripe_goes_to_the_bank(company: Any) -> None:
    """Without any movement of the Stripe balance."""
    lay(company, [Invoice("t1", "dkk", d("2026-02-10"), (Line(1000),))])
    company.payment("in_000", 1250, "2026-02-20", is_outside_stripe=True)
    assert balances(company)[BANK] == 1250


def test_months_end_with_what_is_deferred_and_accrued(company: Any) -> None:
    """A fee of 280 for February in advance and usage of 310 for January in arrears, invoiced on 2 February."""
    line = Line(280, 0, d("2026-02-01"), d("2026-03-01"))
    usage = Line(310, 0, d("2026-01-01"), d("2026-02-01"))
    lay(
        company,
        [
            Invoice("t1", "dkk", d("2026-01-20"), (line,), is_taxed=False),
            Invoice("t1", "dkk", d("2026-02-02"), (usage,), is_taxed=False),
        ],
    )
    assert postings(company, "deferral") == [
        ("2026-01-31", "1020", None, 280),
        ("2026-01-31", DEFERRED, None, -280),
        ("2026-02-28", "1020", None, -280),
        ("2026-02-28", DEFERRED, None, 280),
    ]
    assert postings(company, "accrual") == [
        ("2026-01-31", "1020", None, -310),
        ("2026-01-31", ACCRUED, None, 310),
        ("2026-02-28", "1020", None, 310),
        ("2026-02-28", ACCRUED, None, -310),
    ]
    assert postings(company, "deferral", as_of="2026-02-14")[2:] == [
        ("2026-02-14", "1020", None, -140),
        ("2026-02-14", DEFERRED, None, 140),
    ]
    january = {"1020": -310, DEFERRED: -280, ACCRUED: 310, DEBTORS: 280}
    assert balances(company, to_date="2026-02-01") == january


def test_a_write_off_is_a_loss_and_money_that_comes_after_all_is_less_of_one(company: Any) -> None:
    """1250 with tax lost on 1 March, 250 of it come in April."""
    lay(company, [Invoice("t1", "dkk", d("2026-02-10"), (Line(1000),), written_off=d("2026-03-01"))])
    assert balances(company) == {REVENUE: -1000, VAT: -250, LOSSES: 1250}
    company.payment("in_000", 250, "2026-04-01", is_outside_stripe=True)
    assert balances(company) == {REVENUE: -1000, VAT: -250, LOSSES: 1000, BANK: 250}
    assert balances(company, as_of="2026-02-28")[DEBTORS] == 1250


def test_credit_notes_and_voidings_are_the_other_way_round(company: Any) -> None:
    """A voiding leaves nothing; a credit note of 100 with 25 tax leaves the rest."""
    lay(
        company,
        [
            Invoice("t1", "dkk", d("2026-02-10"), (Line(1000),), voided=d("2026-02-12")),
            Invoice("t1", "dkk", d("2026-02-10"), (Line(400),), credits=(Credit(d("2026-02-20"), ((0, 100),)),)),
        ],
    )
    assert balances(company) == {REVENUE: -300, VAT: -75, DEBTORS: 375}


def test_a_refund_needs_a_credit_note(company: Any) -> None:
    """One with leaves nothing open; one without stands on an account of its own until somebody explains it."""
    lay(company, [Invoice("t1", "dkk", d("2026-02-10"), (Line(1000),))])
    company.payment("in_000", 1250, "2026-02-11")
    company.credit_note("in_000", 125, "2026-02-20", tax=25)
    company.refund("in_000", 125, "2026-02-20")
    assert balances(company) == {REVENUE: -900, VAT: -225, STRIPE: 1125}
    company.refund("in_000", 50, "2026-02-21")
    assert balances(company) == {REVENUE: -900, VAT: -225, STRIPE: 1075, REFUNDS: 50}


def test_credit_to_the_customers_balance_is_owed_until_an_invoice_takes_it(company: Any) -> None:
    """A credit note of 125 after payment, kept as balance, of which 100 pay the next invoice."""
    lay(
        company,
        [
            Invoice("t1", "dkk", d("2026-02-10"), (Line(1000),), payments=((d("2026-02-11"), 1250),)),
            Invoice("t1", "dkk", d("2026-03-10"), (Line(80),)),
        ],
    )
    company.credit_note("in_000", 125, "2026-02-20", tax=25)
    [note] = [r["subject_id"] for r in company.report("revenue_rows") if r["kind"] == "credit_note"]
    for type, amount, invoice, note_id, on in (
        ("credit_note", -125, "in_000", note, "2026-02-20"),
        ("applied_to_invoice", 100, "in_001", None, "2026-03-10"),
        ("adjustment", -7, None, None, "2026-03-11"),
    ):
        company.add(
            tables.customer_balance_transactions,
            customer_balance_transaction_id=company.new_id("cbtxn"),
            customer_id="cus_1",
            tenant_id="t1",
            type=type,
            invoice_id=invoice,
            credit_note_id=note_id,
            currency="dkk",
            amount_minor=amount,
            ending_balance_minor=0,
            created_at=on,
        )
    assert balances(company) == {REVENUE: -980, VAT: -245, STRIPE: 1250, CREDIT: -32, "3930": 7}


def test_disputes_and_charges_that_pay_no_invoice_have_accounts(company: Any) -> None:
    """So that the Stripe account is Stripe's balance: 1250 and 300 in, 40 and fees of 15 out."""
    company.add(
        tables.charges, charge_id="ch_9", currency="dkk", amount_minor=300, status="succeeded", created_at="2026-02-01"
    )
    movement(company, "ch_9", "charge", 300, "2026-02-01")
    movement(company, "dp_1", "adjustment", -40, "2026-02-02", fee=15, category="dispute")
    assert balances(company) == {"6620": -300, STRIPE: 245, "3920": 40, FEES: 15}


def test_accounts_and_vat_codes_are_what_the_setting_says(company: Any) -> None:
    """Number, name and code of any role; two roles may share an account; the rest stays as it is by default."""
    lay(company, [Invoice("t1", "dkk", d("2026-02-10"), (Line(1000, 0, d("2026-02-10"), d("2026-02-20")),))])
    given = {
        "revenue_domestic": {"account": "4000", "name": "Omsætning", "vat_code": "S1"},
        "vat": {"account": "4000"},
        "debtors": {"account": "7000"},
    }
    company.add(tables.settings, key="accounts", value=given)
    assert postings(company, "invoice") == [
        ("2026-02-10", "4000", "S1", -1000),
        ("2026-02-10", "4000", None, -250),
        ("2026-02-10", "7000", None, 1250),
    ]


def test_an_account_has_a_row_in_each_month_from_its_first_posting(company: Any) -> None:
    """With the balance carried on, in each currency apart."""
    lay(
        company,
        [
            Invoice("t1", "dkk", d("2026-08-10"), (Line(100),)),
            Invoice("t2", "eur", d("2026-10-10"), (Line(80),), is_taxed=False),
        ],
    )
    found = company.cells(
        "journal", "month", "currency", "opening_minor", "debit_minor", "credit_minor", "closing_minor"
    )
    debtors = [
        row for row, account in zip(found, company.cells("journal", "account"), strict=True) if account == (DEBTORS,)
    ]
    assert debtors == [
        ("2026-08-01", "dkk", 0, 125, 0, 125),
        ("2026-09-01", "dkk", 125, 0, 0, 125),
        ("2026-10-01", "dkk", 125, 0, 0, 125),
        ("2026-10-01", "eur", 0, 80, 0, 80),
        ("2026-11-01", "dkk", 125, 0, 0, 125),
        ("2026-11-01", "eur", 80, 0, 0, 80),
    ]


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(BOOKS, st.sampled_from([None, date(2026, 6, 30), date(2026, 2, 14)]))
def test_generated_books_balance_and_agree_with_the_other_reports(
    company: Any, books: list[Invoice], as_of: date | None
) -> None:
    """Each voucher, each month; rows add up; the accounts of revenue, deferrals and accruals say what revenue says."""
    company.clear()
    lay(company, books)
    day = as_of.isoformat() if as_of else None
    rows, months = company.report("journal_rows", as_of=day), company.report("journal", as_of=day)
    vouchers: dict[tuple[Any, ...], int] = defaultdict(int)
    turnover: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        vouchers[row["kind"], row["subject_id"], row["entry_on"], row["currency"]] += (
            row["debit_minor"] - row["credit_minor"]
        )
        cell = turnover[row["month"], row["currency"], row["account"], row["vat_code"]]
        cell[0] += row["debit_minor"]
        cell[1] += row["credit_minor"]
        cell[2] += 1
    assert set(vouchers.values()) <= {0}
    found = {
        (r["month"], r["currency"], r["account"], r["vat_code"]): [
            r["debit_minor"],
            r["credit_minor"],
            r["postings_count"],
        ]
        for r in months
    }
    assert {k: v for k, v in found.items() if v[2]} == dict(turnover)
    closing: dict[tuple[Any, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in months:
        assert row["opening_minor"] + row["debit_minor"] - row["credit_minor"] == row["closing_minor"]
        closing[row["month"], row["currency"]][row["account"]] += row["closing_minor"]
    assert all(sum(accounts.values()) == 0 for accounts in closing.values())
    to_date: dict[str, int] = defaultdict(int)
    for row in company.report("revenue_monthly", as_of=day):
        to_date[row["currency"]] += row["recognised_minor"]
        accounts = closing[row["month"], row["currency"]]
        assert sum(accounts[a] for a in ("1010", "1020", "1030", "1040")) == -to_date[row["currency"]]
        assert (-accounts[DEFERRED], accounts[ACCRUED]) == (row["deferred_minor"], row["accrued_minor"])


def test_the_decision_lists_the_accounts_that_nobody_set(company: Any) -> None:
    """Role, number and VAT code, in the order of the numbers."""
    text = (QUERIES.parent / "docs/decisions/0051-accounts-of-the-journal.md").read_text(encoding="utf-8")
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:4]] for line in text.splitlines() if "| `" in line]
    listed = [(role, account, None if code == "–" else code) for role, account, code in rows]
    assert company.cells("accounts", "role", "account", "vat_code") == listed
