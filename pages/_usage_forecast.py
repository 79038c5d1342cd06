"""Where the running periods are heading: in money for all tenants together, in units and money for each, down to the
days a forecast is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core.services import forecast, tenants
from billing_core.services.language import N_, _, n_
from pages import _behind, _charts, _currency, _filters, _frame, _print, _ranked, _tables, _tenant_use, _words
from pages._frame import Page
from pages._tables import Column

MOST = 12
PARTS = {
    "day": N_("Day"),
    "ahead": N_("Known ahead"),
    "expected": N_("Expected besides"),
}


def show(page: Page) -> None:
    """Draw the total, the largest tenants and all forecasts, or the days behind one of them."""
    reader = page.reader
    everything = page.report("usage_forecast")
    if everything.table.num_rows == 0:
        _frame.empty(
            _("Nothing is running"),
            _("No subscription is in a period, no unit is occupied and no usage is recorded this month."),
        )
        return
    codes = [c for c in everything.table["currency"].to_pylist() if c]
    with _filters.row():
        currency = _currency.choose(codes)
    report = page.report("usage_forecast", currency=currency)
    rows = report.table.to_pylist()
    asked = _filters.identifier("forecast")
    chosen = next((row for row in rows if _key(row) == asked), None) if asked else None
    _answer(page, rows, currency)
    if chosen is not None:
        _drill(page, chosen, currency)
        return
    _largest(page, rows, currency)
    table = _tenant_use.forecast_rows(page, report.table)
    table = table.sort_by([("expected_minor", "descending"), ("tenant_name", "ascending")])
    columns = [c for c in _tenant_use.forecast_columns(has_tenant=True) if c.field != "currency_code"]
    _tables.show(
        table,
        columns,
        key=f"forecast_{currency}",
        reader=reader,
        currency=currency,
        alt=_("Forecast of every running period"),
        on_open={"tenant_name": lambda row: _filters.put("forecast", _key(row))},
        rows=16,
    )
    _tables.beside(report, reader, key="forecast", what=f"usage_forecast_{currency}")


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['kind']}~{row['subject_id']}~{row['tenant_id']}"


def _answer(page: Page, rows: Sequence[Mapping[str, Any]], currency: str) -> None:
    """Say what all of it is likely to come to, and between what."""
    if all(row["expected_minor"] is None for row in rows):
        return
    reader, whole = page.reader, forecast.together(rows)
    said = _(
        "The running periods are heading for **{expected}**; as things are now they cost {so_far}.",
        expected=reader.money(whole.expected_minor, currency, whole=True),
        so_far=reader.money(whole.so_far_minor, currency, whole=True),
    )
    if whole.high_minor != whole.low_minor:
        said += " " + _(
            "With every tenant at the lower end of its range it is {low}, at the upper end {high}.",
            low=reader.money(whole.low_minor, currency, whole=True),
            high=reader.money(whole.high_minor, currency, whole=True),
        )
    if whole.unranged_count:
        said += " " + n_(
            "{count} item has too short a past for a range and counts as expected.",
            "{count} items have too short a past for a range and count as expected.",
            whole.unranged_count,
            count=reader.number(whole.unranged_count),
        )
    _print.answer(said)


def _largest(page: Page, rows: Sequence[Mapping[str, Any]], currency: str) -> None:
    reader = page.reader
    names = {row["tenant_id"]: row["tenant_name"] or row["tenant_id"] for row in rows}
    shown = forecast.by_tenant(rows)[:MOST]
    if not shown:
        return
    marks = []
    for tenant, outlook in shown:
        amounts = (outlook.so_far_minor, outlook.expected_minor, outlook.low_minor, outlook.high_minor)
        heights = [height or 0.0 for height in _charts.drawn(amounts, currency)]
        name = _words.on_chart(names[tenant], 34)
        hover = _(
            "{name}<br>Now {so_far}, expected {expected}<br>Range {low} – {high}",
            name=name,
            so_far=reader.money(outlook.so_far_minor, currency),
            expected=reader.money(outlook.expected_minor, currency),
            low=reader.amount(outlook.low_minor, currency),
            high=reader.money(outlook.high_minor, currency),
        )
        text = reader.amount(outlook.expected_minor, currency, whole=True)
        marks.append(_ranked.Outlook(tenant, name, *heights, text, hover))
    _charts.heading(
        _("Largest tenants"),
        _(
            "{currency} per running period, ex tax. The line is the range in which eight of ten earlier periods would "
            "have ended. Click a bar for the tenant.",
            currency=currency.upper(),
        ),
    )
    _charts.chart(
        _ranked.outlooks(marks, reader, names=(_("As it is now"), _("Expected besides")), colour=_charts.INVOICED),
        key=f"outlooks_{currency}",
        alt=_("Expected per tenant: {parts}.", parts="; ".join(f"{m.label} {m.text}" for m in marks)),
        on_click=lambda data: _frame.open_page("tenant", tenant=str(data[0]), part="usage") if data else None,
    )


def _drill(page: Page, row: Mapping[str, Any], currency: str) -> None:
    """The days that one forecast is made from: they add up to what there is, and with what is expected to the end."""
    reader = page.reader
    report = page.report("usage_forecast_rows", tenant_id=row["tenant_id"], kind=row["kind"])
    rows = report.table.filter(pc.equal(report.table["subject_id"], row["subject_id"]))
    what = _tenant_use.forecast_name(row)
    name = _words.inert(row["tenant_name"] or row["tenant_id"])
    _behind.heading(f"{name}, {_words.inert(what)}", back=_("All forecasts"), closes=("forecast",), key="forecast")
    days = rows.filter(pc.equal(rows["part"], "day"))
    said = _(
        "From {first} to {last}: **{so_far}** so far, **{expected}** expected.",
        first=reader.day(row["period_start_on"]),
        last=reader.day(row["period_end_on"]),
        so_far=reader.number(row["so_far_quantity"]),
        expected=reader.number(row["expected_quantity"]),
    )
    if rows.num_rows:
        said += " " + _(
            "The days below add up to {days}, with what is expected besides to {all}.",
            days=reader.number(tenants.added(days, "counted_quantity")),
            all=reader.number(tenants.added(rows, "counted_quantity")),
        )
    if row["expected_minor"] is not None:
        said += " " + _("It is likely to cost {amount}.", amount=reader.money(row["expected_minor"], currency))
    _print.answer(said)
    if rows.num_rows:
        _tables.show(
            _tables.with_labels(rows.sort_by([("day", "descending")]), "part", {k: _(v) for k, v in PARTS.items()}),
            [
                Column("day", _("Day"), "date", width=130),
                Column("part", _("What"), width=150),
                Column("day_quantity", _("On the day"), "quantity", width=120),
                Column("counted_quantity", _("Counts as"), "quantity", width=120),
            ],
            key="forecast_days",
            reader=reader,
            alt=_("Days behind the forecast"),
        )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        _tables.beside(report, reader, key="forecast_days", what=f"usage_forecast_rows_{row['tenant_id']}")
        if st.button(_("Open the tenant"), type="tertiary", icon=":material/apartment:", key="forecast_tenant"):
            _behind.open_tenant(row)
