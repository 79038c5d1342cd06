"""Search: what is found under which text, in which order, and that any text is only a text."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_core.store import tables


def small_world(company: Any) -> None:
    """Two tenants with a customer, an invoice, its payment, a failed charge, a refund, a credit note and a unit."""
    for number, name in (("1", "Møllehøj Boliger"), ("2", "Boligforeningen Åen & Søn")):
        company.add(
            tables.tenants,
            tenant_id=f"t_{number}",
            name=name,
            email=f"kontor@{number}.example",
            currency="dkk",
            created_at="2026-01-01",
        )
        company.add(
            tables.customers, customer_id=f"cus_{number}", tenant_id=f"t_{number}", name=name, created_at="2026-01-01"
        )
    company.add(tables.tenant_details, tenant_id="t_1", cvr_number="37284726", ean_number="5798005030928")
    company.occupancy("t_1", "st-tv-100%", "2026-01-01")
    company.subscription("t_1")
    company.invoice("in_1", "t_1", 100, finalized="2026-02-01")
    company.invoice("in_11", "t_2", 100, finalized="2026-02-01")
    company.payment("in_1", 100, "2026-02-05", payment_id="pay_1", reference="Bank 4711")
    company.charge("in_1", 100, "2026-02-03", charge_id="ch_1", payment_intent_id="pi_1")
    company.add(
        tables.refunds,
        refund_id="re_1",
        charge_id="ch_1",
        tenant_id="t_1",
        invoice_id="in_1",
        amount_minor=1,
        currency="dkk",
        status="succeeded",
        created_at="2026-02-06",
    )
    company.credit_note("in_1", 10, "2026-02-07")


def find(company: Any, text: str, **params: Any) -> list[tuple[str, str]]:
    return company.cells("search", "kind", "subject_id", text=text, **params)


def test_everything_is_found_by_each_of_its_names(company: Any) -> None:
    """Name, e-mail, ids, numbers and references, from any part of them."""
    small_world(company)
    expected = {
        "møllehøj": ("tenant", "t_1"),
        "kontor@2.example": ("tenant", "t_2"),
        "T_2": ("tenant", "t_2"),
        "37284726": ("tenant", "t_1"),
        "798005030": ("tenant", "t_1"),
        "cus_2": ("customer", "cus_2"),
        "IN_11": ("invoice", "in_11"),
        "4711": ("payment", "pay_1"),
        "pi_1": ("charge", "ch_1"),
        "re_1": ("refund", "re_1"),
        "100%": ("unit", "t_1 st-tv-100%"),
    }
    assert {text: find(company, text)[0] for text in expected} == expected


def test_what_equals_comes_before_what_begins_before_what_contains(company: Any) -> None:
    """in_1 before in_11; a name that begins with the word before one that has it later; tenants before customers."""
    small_world(company)
    assert find(company, "in_1")[:2] == [("invoice", "in_1"), ("invoice", "in_11")]
    assert find(company, "bolig") == [
        ("tenant", "t_2"),
        ("customer", "cus_2"),
        ("tenant", "t_1"),
        ("customer", "cus_1"),
    ]


def test_capitals_accents_spaces_and_the_order_of_words_do_not_matter(company: Any) -> None:
    """Danish letters may be written out; all words have to be there."""
    small_world(company)
    for text in ("MØLLEHØJ", "moellehoej", "  boliger   møllehøj ", "llehøj"):
        assert ("tenant", "t_1") in find(company, text), text
    for text in ("aaen soen", "ÅEN", "A\u030aen"):
        assert ("tenant", "t_2") in find(company, text), text
    assert find(company, "møllehøj åen") == []


def test_a_tenant_narrows_it_and_an_invoice_is_named_for_what_belongs_to_one(company: Any) -> None:
    """Charge, payment, refund and credit note lead to in_1."""
    small_world(company)
    assert {tenant for _, tenant in company.cells("search", "kind", "tenant_id", text="bolig", tenant_id="t_2")} == {
        "t_2"
    }
    led = {text: company.cells("search", "invoice_id", text=text)[0] for text in ("ch_1", "pay_1", "re_1", "cn_0")}
    assert set(led.values()) == {("in_1",)}


def test_nothing_is_found_under_nothing_or_signs_alone(company: Any) -> None:
    """Empty, spaces, wildcards and quotes are no letters."""
    small_world(company)
    for text in ("", "   ", "%", "_", "'", "*", "\\", "%%'--"):
        assert find(company, text) == [], text


def test_at_most_fifty_are_shown(company: Any) -> None:
    """Sixty invoices begin alike."""
    company.tenant("t1")
    for number in range(60):
        company.invoice(f"in_{number:03}", "t1", 100)
    places = [p for (p,) in company.cells("search", "place", text="in_0")]
    assert places == list(range(1, 51))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_is_only_a_text(company: Any, text: str) -> None:
    """Whatever is typed has an answer, and never an error."""
    if not company._is_published:
        small_world(company)
    for row in company.report("search", text=text):
        assert row["found"]


def test_a_deleted_unit_and_an_empty_field_are_not_found(company: Any) -> None:
    """An occupancy entered in error is no unit to look for."""
    company.tenant("t1")
    company.occupancy("t1", "wrong-unit", "2026-01-01", deleted="2026-01-02")
    assert find(company, "wrong") == []
