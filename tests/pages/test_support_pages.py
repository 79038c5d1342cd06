"""Search and the page of one tenant: found by anything known of it, and every figure led to what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from billing_core.language import spoken
from billing_core.periods import add_months, month_of
from pages._tenant import PARTS
from tests import company
from tests.pages.test_pages import LAST, said

Open = Callable[..., AppTest]
TODAY = datetime.now(UTC).astimezone(ZoneInfo("Europe/Copenhagen")).date()


def money(minor: int) -> str:
    """An amount as an Englishman reads it."""
    return f"{minor // 100:,}.{minor % 100:02}"


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("birkehaven", "Birkehaven"),
        ("T_07@example.com", "Birkehaven"),
        ("cus_t_07", "Birkehaven"),
        ("sub_t_07", "sub_t_07"),
        ("bd-0168", "BD-0168"),
    ],
)
def test_anything_known_of_it_finds_it(company_app: Open, words: str, first: str) -> None:
    """Name, e-mail, customer, subscription, invoice number; capitals do not matter."""
    table = company_app("search", q=words).dataframe[0].value
    assert table["title"].tolist()[0] == f"{first} ›"


@pytest.mark.parametrize("words", ["%", "' or 1=1 --", "\x00", "a" * 500, "*", "<script>"])
def test_whatever_is_typed_is_a_text_to_look_for(company_app: Open, words: str) -> None:
    """Signs of other languages mean nothing here; there is an answer and no error."""
    app = company_app("search", q=words)
    assert not app.exception
    assert not app.error


def test_without_words_the_tenants_are_there_to_choose_from(company_app: Open) -> None:
    """By name, as support looks for them."""
    names = company_app("search").dataframe[0].value["name"].tolist()
    assert names == [f"{name} ›" for name in sorted(company.NAMES)]


def test_a_tenant_says_what_it_occupies_and_owes(company_app: Open) -> None:
    """The second tenant's card was refused; its last invoice is open and past due."""
    total = company.invoice_for(1, LAST, "dkk")[2]
    app = company_app("tenant", tenant="t_02")
    text = said(app)
    assert f"Occupies **{company.unit_count(1, 13)} units** today; **{money(total)} DKK** is open" in text
    assert "Your card has insufficient funds" in text
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Units today"] == str(company.unit_count(1, 13))
    assert values["Open, DKK"] == money(total)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_a_tenant_is_a_link(company_app: Open, part: str) -> None:
    """Drawn without an error, also in Danish (the test's own reading of the widgets has to speak it too)."""
    for locale in ("en-GB", "da-DK"):
        with spoken(locale[:2]):
            app = company_app("tenant", locale=locale, tenant="t_03", part=part)
        assert not app.exception
        assert not app.error


def test_the_units_of_a_day_are_the_rows_behind_its_number(company_app: Open) -> None:
    """As many rows as units, each a unit of its own."""
    day = add_months(month_of(TODAY), -1) + timedelta(days=9)
    app = company_app("tenant", tenant="t_05", day=day.isoformat())
    units = company.unit_count(4, 13)
    assert f"**{units}** units. The {units} rows below are they." in said(app)
    assert app.dataframe[0].value["unit_id"].nunique() == units


def test_payments_of_a_tenant_add_up_to_what_was_collected(company_app: Open) -> None:
    """Thirteen paid invoices of the third tenant less the refund of 50 kroner; a failed attempt has its reason."""
    paid = sum(company.invoice_for(2, month, "dkk")[2] for month in range(13))
    app = company_app("tenant", tenant="t_03", part="payments")
    assert f"Collected less refunded: **{money(paid - 5000)} DKK**" in said(app)
    assert sum(int(v * 100) for v in app.dataframe[0].value["signed_minor"]) == paid - 5000
    failed = company_app("tenant", tenant="t_02", part="payments").dataframe[0].value
    assert "Your card has insufficient funds." in failed["reason"].tolist()


def test_a_months_usage_of_a_tenant_is_drilled_to_its_days(company_app: Open) -> None:
    """The days add up to the month."""
    month = add_months(month_of(TODAY), -1)
    app = company_app("tenant", tenant="t_05", part="usage", metric="heat_kwh", month=month.isoformat())
    days = app.dataframe[0].value["counted_quantity"]
    total = sum(days)
    assert f"The days below add up to {float(total):,.2f}".rstrip("0").rstrip(".") in said(app)


def test_a_note_is_there_once_it_is_written(company_app: Open) -> None:
    """With who wrote it; an empty one is refused; what it says is shown as plain text."""
    app = company_app("tenant", tenant="t_09", part="notes", **{"as": "sara@demo.example"})
    app.text_area[0].input("Called: **asks** for <b>a</b> copy.\nWill call back.")
    app.button("FormSubmitter:note_t_09-Add note").click()
    app.run()
    assert [text.value for text in app.text if "Called" in text.value] == [
        "Called: **asks** for <b>a</b> copy.\nWill call back."
    ]
    assert any(caption.value.startswith("Sara Holm, ") for caption in app.caption)
    app.button("FormSubmitter:note_t_09-Add note").click()
    app.run()
    assert "A note needs some text." in [warning.value for warning in app.warning]


def test_a_tenant_that_is_not_there_is_said_and_others_offered(company_app: Open) -> None:
    """A wrong id in the link leads to the list."""
    app = company_app("tenant", tenant="t_99")
    assert "which is not there" in said(app)
    assert len(app.dataframe[0].value) == 12
