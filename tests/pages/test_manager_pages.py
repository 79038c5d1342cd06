"""Tenants and usage of a company whose figures are known: listed, moved, compared, and where they are heading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from streamlit.testing.v1 import AppTest

from billing_core.periods import add_months, month_of
from tests import company
from tests.pages.test_pages import said

Open = Callable[..., AppTest]
TODAY = datetime.now(UTC).astimezone(ZoneInfo("Europe/Copenhagen")).date()
LAST = add_months(month_of(TODAY), -1)


def peak(tenant: int, month: int) -> int:
    """Units of the n-th tenant in the n-th month; the company's last whole month is 13."""
    return company.unit_count(tenant, month)


def test_the_list_shows_units_and_their_last_twelve_months(company_app: Open) -> None:
    """The largest tenant is the last one; its small bars are the peaks of months 2 to 13."""
    app = company_app("tenants")
    table = app.dataframe[0].value
    assert table["name"].tolist()[0] == f"{company.NAMES[11]} ›"
    first = table.iloc[0]
    assert list(first["units_trend"]) == [peak(11, month) for month in range(2, 14)]
    assert len(table) == 12


def test_the_list_is_searched_by_words_and_narrowed_by_state(company_app: Open) -> None:
    """Two words that are both in the name; an e-mail; those that owe."""
    assert len(company_app("tenants", q="kollegium vester").dataframe[0].value) == 1
    assert len(company_app("tenants", q="T_05@EXAMPLE").dataframe[0].value) == 1
    owing = company_app("tenants", state="owing").dataframe[0].value
    assert company.NAMES[0] + " ›" in owing["name"].tolist()
    assert "No tenant matches" in said(company_app("tenants", state="deleted"))


def test_amounts_of_tenants_in_two_currencies_stand_beside_their_currency(company_app: Open) -> None:
    """All together each row says its own; one currency alone is in the headings."""
    both = company_app("tenants").dataframe[0].value
    assert set(both["currency_code"]) == {"DKK", "EUR"}
    alone = company_app("tenants", currency="eur").dataframe[0].value
    assert "currency_code" not in alone.columns
    assert len(alone) == 3


def test_movers_say_how_many_and_lead_to_days_that_add_up(company_app: Open) -> None:
    """From month 11 to month 12 everybody got a unit more; the days of one tenant add up to it."""
    later, earlier = add_months(LAST, -1), add_months(LAST, -2)
    link = {"view": "movers", "to": later.isoformat(), "from": earlier.isoformat()}
    assert peak(4, 12) - peak(4, 11) == 1
    assert "**12 tenants** up by 12" in said(company_app("tenants", **link))
    drilled = company_app("tenants", tenant="t_05", **link)
    sentence = f"**+1**, from {peak(4, 11)} to {peak(4, 12)}. The days below add up to 1."
    assert sentence in said(drilled)
    counted = [float(v) for v in drilled.dataframe[0].value["signed_quantity"]]
    assert sum(counted) == 1


def test_movers_against_a_month_a_year_before_add_up_too(company_app: Open) -> None:
    """Any two months can be held against each other."""
    earlier = add_months(LAST, -12)
    app = company_app("tenants", view="movers", to=LAST.isoformat(), tenant="t_05", **{"from": earlier.isoformat()})
    change = peak(4, 13) - peak(4, 1)
    assert f"The days below add up to {change}." in said(app)


def test_comparing_keeps_currencies_apart(company_app: Open) -> None:
    """Units of all are drawn; of money only those in the currency of most, and the other one is named."""
    units = company_app("tenants", view="compare", **{"with": ["t_01", "t_02", "t_04"]})
    assert len(units.dataframe[0].value) == 3
    net = company_app("tenants", view="compare", measure="net", **{"with": ["t_01", "t_02", "t_04"]})
    assert len(net.dataframe[0].value) == 2
    assert f"only DKK, without {company.NAMES[3]}" in said(net)
    value = net.dataframe[0].value.iloc[0][LAST.isoformat()]
    assert int(value * 100) == company.invoice_for(0, 12, "dkk")[0]


def test_a_link_that_compares_strangers_or_too_many_is_cut_with_a_remark(company_app: Open) -> None:
    """Six at most, and only tenants there are."""
    app = company_app("tenants", view="compare", **{"with": [f"t_{n:02}" for n in range(1, 12)]})
    assert len(app.dataframe[0].value) == 6
    assert "too many" in said(app)
    assert "Choose tenants to compare" in said(company_app("tenants", view="compare", **{"with": ["nobody"]}))


def test_where_nothing_is_unusual_the_page_says_so_and_by_which_rule(company_app: Open) -> None:
    """Units that grow by one a quarter are not unusual."""
    app = company_app("tenants", view="unusual", measure="units_peak")
    assert "**0 unusual months**" in said(app)
    assert "Nothing unusual" in said(app)


def test_the_forecast_of_a_tenant_is_drilled_to_days_that_add_up_to_it(company_app: Open) -> None:
    """Units of a tenant without a price per unit: the peak so far, and with what is expected the whole."""
    app = company_app("usage", view="forecast", forecast="units~units_peak~t_05")
    units = peak(4, 13)
    text = said(app)
    assert f"**{units}** so far" in text
    assert f"The days below add up to {units}, with what is expected besides to" in text
