"""Every query: its header is what comes out, its grain is unique, empty input is no error, currencies stay apart."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from billing_core.store import tables
from billing_core.warehouse import headers, versions

NAMED = {"invoice_id": "in_1"}


def two_currency_company(company: Any) -> None:
    """A little of everything, in kroner and euro."""
    for tenant, currency in (("t1", "dkk"), ("t2", "eur")):
        company.tenant(tenant, currency=currency)
        company.occupancy(tenant, "u1", "2026-01-10")
        company.occupancy(tenant, "u2", "2026-02-10", "2026-05-01")
        company.usage(tenant, "kWh", "2026-03-01", "1.5")
        company.subscription(tenant, currency=currency)
    company.tenant("t3")
    company.occupancy("t3", "u9", "2026-06-01")
    for i, currency in enumerate(("dkk", "eur", "dkk", "eur")):
        name, tenant = f"in_{i}", "t1" if currency == "dkk" else "t2"
        company.invoice(
            name, tenant, 1250, tax=250, finalized=f"2026-0{i + 1}-15", due=f"2026-0{i + 2}-15", currency=currency
        )
        company.charge(name, 1250, f"2026-0{i + 1}-16", currency=currency, failure_code="card_declined")
    company.invoice("in_paid", "t1", 500, status="paid", paid=500, paid_on="2026-02-01", finalized="2026-01-20")
    company.payment("in_paid", 500, "2026-02-01")
    company.refund("in_paid", 100, "2026-02-05")
    company.credit_note("in_paid", 100, "2026-02-05", tax=20)
    company.invoice("in_void", "t2", 700, status="void", finalized="2026-03-03", voided="2026-04-04", currency="eur")
    company.invoice("in_bad", "t1", 900, status="uncollectible", finalized="2026-05-03", written_off="2026-11-04")
    company.invoice("in_draft", "t1", 100, status="draft", finalized=None, created="2026-11-21")
    accounting(company)


def accounting(company: Any) -> None:
    """A line with a period, a payout with what it carries, and credit on a customer's balance, in both currencies."""
    for tenant, currency, invoice in (("t1", "dkk", "in_0"), ("t2", "eur", "in_1")):
        company.add(
            tables.customers, customer_id=f"cus_{tenant}", tenant_id=tenant, currency=currency, balance_minor=-5
        )
        company.add(
            tables.invoice_lines,
            invoice_line_id=f"il_{tenant}",
            invoice_id=invoice,
            position=0,
            amount_minor=800,
            currency=currency,
            period_start_at="2026-01-10",
            period_end_at="2026-03-10",
        )
        company.add(
            tables.payouts,
            payout_id=f"po_{tenant}",
            currency=currency,
            amount_minor=90,
            status="paid",
            created_at="2026-02-03",
        )
        company.add(
            tables.balance_transactions,
            balance_transaction_id=f"txn_{tenant}",
            type="charge",
            payout_id=f"po_{tenant}",
            currency=currency,
            amount_minor=100,
            fee_minor=10,
            net_minor=90,
            created_at="2026-02-01",
        )
        company.add(
            tables.customer_balance_transactions,
            customer_balance_transaction_id=f"cbtxn_{tenant}",
            customer_id=f"cus_{tenant}",
            type="adjustment",
            currency=currency,
            amount_minor=-5,
            ending_balance_minor=-5,
            created_at="2026-02-01",
        )


def described(company: Any, name: str) -> list[tuple[str, str]]:
    """Return DuckDB's own names and types of a query's columns."""
    header = headers.header(name)
    state = versions.read_state(company.directory)
    assert state is not None
    kinds = {"from_date": "date", "to_date": "date", "as_of": "date", "today": "date", "now": "timestamptz"}
    path, same = str(versions.file_of(company.directory, state.version)), {"enable_external_access": "false"}
    with duckdb.connect(path, read_only=True, config=same) as connection:
        values = dict.fromkeys(header.params)
        values |= {p: company.now if p == "now" else company.now.date() for p in header.params if kinds.get(p)}
        relation = connection.sql(header.sql, params=values | {p: "x" for p in header.params if p not in kinds})
        return [(c, str(t).lower()) for c, t in zip(relation.columns, relation.types, strict=True)]


@pytest.mark.parametrize("filled", [True, False], ids=["with data", "empty"])
def test_each_query_is_what_its_header_says(company: Any, filled: bool) -> None:
    """Names, order and types of the columns; the grain is unique; no rows are no error."""
    if filled:
        two_currency_company(company)
    company.publish()
    for name in headers.names():
        header = headers.header(name)
        assert described(company, name) == [(c.name, c.type) for c in header.columns], name
        rows = company.report(name, **{k: v for k, v in NAMED.items() if k in header.params})
        keys = [tuple(row[k] for k in header.grain) for row in rows]
        assert len(set(keys)) == len(keys), name
        if not filled:
            assert [r for r in rows if r.get("currency") or r.get("tenant_id")] == [], name


def test_each_filter_only_takes_rows_away_or_narrows_them(company: Any) -> None:
    """A currency or a tenant that does not exist leaves nothing of it; one that does leaves only itself."""
    two_currency_company(company)
    company.publish()
    for name in headers.names():
        header = headers.header(name)
        named = {k: v for k, v in NAMED.items() if k in header.params}
        if "currency" in header.params:
            assert {r["currency"] for r in company.report(name, currency="eur", **named) if "currency" in r} <= {
                "eur"
            }, name
            assert not [r for r in company.report(name, currency="usd", **named) if r.get("currency")], name
        if "tenant_id" in header.params:
            assert {r["tenant_id"] for r in company.report(name, tenant_id="t1", **named) if "tenant_id" in r} <= {
                "t1"
            }, name


def test_no_query_adds_currencies_up(company: Any) -> None:
    """Every query with an amount says in which currency, in its grain or beside the row it belongs to."""
    for name in headers.names():
        header = headers.header(name)
        if any(c.unit == "minor units" for c in header.columns):
            assert "currency" in [c.name for c in header.columns], name
