"""Several tenants side by side over time, on one measure at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from billing_core.periods import add_months, month_of, months_between
from billing_core.services import reports, tenants
from billing_core.services.language import N_, _, n_
from pages import _charts, _filters, _frame, _tables, _words
from pages._frame import Page
from pages._tables import Column

MOST = 6
COLOURS = tuple(f"#00000{i}" for i in (1, 3, 2, 4, 5, 8))
# Each measure of money: the report it is from and its column.
MONEY = {
    "net": ("revenue_by_tenant", "net_minor"),
    "mrr": ("mrr_by_tenant", "committed_minor"),
    "collected": ("revenue_by_tenant", "collected_minor"),
}
MEASURES = {
    "units": N_("Units (peak)"),
    "net": N_("Net invoiced"),
    "mrr": N_("Recurring revenue"),
    "collected": N_("Collected"),
}
SPANS = {"6": N_("Last 6 months"), "12": N_("Last 12 months"), "24": N_("Last 24 months")}
RULES = {
    "units": N_("The highest number of units occupied on one day of the month."),
    "net": N_("Invoiced less credited in the month, ex tax."),
    "mrr": N_("Committed recurring revenue at the end of the month, ex tax."),
    "collected": N_("Payments of the month, incl. tax."),
}


def show(page: Page, names: Mapping[str, str], currencies: Mapping[str, str]) -> None:
    """Draw the choice of tenants and measure, their lines and the figures as a table.

    Args:
        page: the frame's.
        names: of all tenants.
        currencies: each tenant's own.
    """
    metrics = sorted(set(page.report("usage_by_tenant_month").table["metric"].to_pylist()))
    ordered = sorted(names, key=lambda t: (names[t].casefold(), t))
    chosen = _filters.several(
        _("Tenants to compare"),
        "with",
        ordered,
        most=MOST,
        name=names.__getitem__,
        placeholder=_("Choose up to {most}", most=page.reader.number(MOST)),
    )
    with _filters.row():
        measure = _filters.choice(
            _("Measure"),
            "measure",
            [*MEASURES, *metrics],
            default="units",
            name=lambda m: _(MEASURES[m]) if m in MEASURES else m,
        )
        span = _filters.choice(_("Period"), "period", list(SPANS), default="12", name=lambda s: _(SPANS[s]))
    if not chosen:
        _frame.empty(
            _("Choose tenants to compare"),
            _("Type some letters of a name above. The link of this page then shows the same tenants to everybody."),
        )
        return
    months = months_between(add_months(month_of(page.today), 1 - int(span)), page.today)
    currency = _shared_currency(chosen, currencies) if measure in MONEY else None
    shown = chosen
    if measure in MONEY:
        shown = [t for t in chosen if currencies[t] == currency]
        left = [names[t] for t in chosen if currencies[t] != currency]
        if left:
            st.caption(
                _(
                    "Amounts of different currencies are not put side by side: only {currency}, without {names}.",
                    names=_words.inert(", ".join(left)),
                    currency=str(currency).upper(),
                )
            )
    report, values = _values(page, measure, months[0], shown, currency)
    _draw(page, report, measure, months, shown, values, names, currency)


def _shared_currency(chosen: Sequence[str], currencies: Mapping[str, str]) -> str:
    """The currency of most of them; of the first one when there are as many of another."""
    codes = [currencies[t] for t in chosen]
    return max(codes, key=lambda code: (codes.count(code), -codes.index(code)))


def _values(
    page: Page, measure: str, first: date, shown: Sequence[str], currency: str | None
) -> tuple[reports.Report, dict[str, dict[date, int | Decimal]]]:
    """Return the report with the rows of these tenants, and tenant → month → value."""
    if measure == "units":
        report, field = page.report("units_monthly", from_date=first), "peak_units_count"
        table = report.table
    elif measure in MONEY:
        name, field = MONEY[measure]
        report = page.report(name, from_date=first, currency=currency)
        table = report.table
    else:
        report, field = page.report("usage_by_tenant_month", from_date=first), "quantity"
        table = report.table.filter(pc.equal(report.table["metric"], measure))
    table = table.filter(pc.is_in(table["tenant_id"], pa.array(list(shown), pa.string())))
    return replace(report, table=table), tenants.by_month(table, field)


def _draw(
    page: Page,
    report: reports.Report,
    measure: str,
    months: Sequence[date],
    shown: Sequence[str],
    values: Mapping[str, Mapping[date, Any]],
    names: Mapping[str, str],
    currency: str | None,
) -> None:
    reader = page.reader
    label = _(MEASURES[measure]) if measure in MEASURES else measure
    # A month without money is an amount of nothing; a month without a measurement is a gap.
    missing = 0 if measure in MEASURES else None
    axis = _charts.month_axis(months, reader, page.today)

    def text(value: Any) -> str:
        return reader.money(value, currency) if currency else reader.number(value)

    series, rows = [], {}
    for tenant, colour in zip(shown, COLOURS, strict=False):
        row = tenants.over(months, values.get(tenant), missing=missing)
        heights = _charts.drawn(row, currency) if currency else _charts.drawn_numbers(row)
        series.append(_charts.Series(_words.on_chart(names[tenant], 36), colour, heights, [text(v) for v in row]))
        rows[tenant] = row
    rule = _(RULES[measure]) if measure in RULES else _("What was recorded in the month.")
    unit = f"{currency.upper()}. " if currency else ""
    _charts.heading(
        _(
            "{measure} of {tenants}",
            measure=label,
            tenants=n_("{count} tenant", "{count} tenants", len(shown), count=reader.number(len(shown))),
        ),
        unit + rule + " " + _("Months of {zone}; the last one is not over.", zone=reader.zone.key),
    )
    _charts.chart(
        _charts.time_series(axis, series, reader, height=340),
        key=f"compare_{measure}",
        alt=_charts.alt_text(_("{measure} per month", measure=label), axis, series),
    )
    _table(page, measure, months, shown, rows, names, currency)
    _tables.beside(report, reader, key="compare", what=f"{report.name}_compared")


def _table(
    page: Page,
    measure: str,
    months: Sequence[date],
    shown: Sequence[str],
    rows: Mapping[str, Sequence[Any]],
    names: Mapping[str, str],
    currency: str | None,
) -> None:
    """One row per tenant, one column per month, the latest first."""
    columns: dict[str, Any] = {
        "tenant_id": _tables.strings(list(shown)),
        "name": _tables.strings([names[t] for t in shown]),
    }
    kind: Any = "money" if currency else "count" if measure == "units" else "quantity"
    for i in reversed(range(len(months))):
        cells = [rows[t][i] for t in shown]
        columns[months[i].isoformat()] = pa.array(cells, pa.decimal128(38, 6) if kind == "quantity" else pa.int64())
    _tables.show(
        pa.table(columns),
        [
            Column("name", _("Tenant"), "open", _("Open the tenant"), 220),
            *(
                Column(m.isoformat(), page.reader.short_month(m), kind, width=95, is_zero_nothing=True)
                for m in reversed(months)
            ),
        ],
        key=f"compare_table_{measure}",
        reader=page.reader,
        currency=currency,
        alt=_("The compared figures, one row per tenant, latest month first"),
        on_open={"name": lambda row: _frame.open_page("tenant", tenant=row["tenant_id"])},
    )
