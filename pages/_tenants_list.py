"""The list of tenants: what each occupies, brings and owes, with the last twelve months in small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.periods import add_months, month_of, months_between
from billing_core.services import tenants
from billing_core.services.language import N_, _, n_, p_
from pages import _charts, _currency, _filters, _frame, _tables
from pages._frame import Page
from pages._tables import Column

MONTHS = 12
STATES = {
    "current": N_("Current"),
    "with_units": N_("With units"),
    "without_units": N_("Without units"),
    "owing": N_("Past due"),
    "deleted": N_("Deleted"),
    "all": N_("All tenants"),
}
FOUND_IN = ("name", "email", "tenant_id", "cvr_number")


def open_tenant(row: Mapping[str, Any]) -> None:
    """Go to a row's tenant."""
    _frame.open_page("tenant", tenant=row["tenant_id"])


def in_state(table: pa.Table, state: str) -> pa.Table:
    """Return the tenants of `tenants_list` that are in one of `STATES`."""
    is_here = pc.is_null(table["deleted_on"])
    match state:
        case "current":
            return table.filter(is_here)
        case "with_units":
            return table.filter(pc.greater(table["units_count"], 0))
        case "without_units":
            return table.filter(pc.and_(is_here, pc.equal(table["units_count"], 0)))
        case "owing":
            return table.filter(pc.greater(table["past_due_minor"], 0))
        case "deleted":
            return table.filter(pc.invert(is_here))
        case _:
            return table


def found(table: pa.Table, words: str) -> pa.Table:
    """Return the tenants that the words typed are found in."""
    if not words:
        return table
    return table.filter(pa.array(tenants.matching(table.to_pylist(), words, FOUND_IN), pa.bool_()))


def show(page: Page) -> None:
    """Draw the filters and the table."""
    report = page.report("tenants_list")
    with _filters.row():
        words = _filters.words(_("Find"), "q", placeholder=_("Name, e-mail, id or CVR number"))
        state = _filters.choice(_("Show"), "state", list(STATES), default="current", name=lambda s: _(STATES[s]))
        codes = _currency.known(report.table["currency"].to_pylist())
        currency = codes[0]
        if len(codes) > 1:
            currency = _filters.choice(
                _("Currency"),
                "currency",
                [_currency.EVERY, *codes],
                default=_currency.EVERY,
                name=lambda c: _("All currencies") if c == _currency.EVERY else c.upper(),
            )
    table = found(in_state(report.table, state), words)
    if currency != _currency.EVERY:
        table = table.filter(pc.equal(table["currency"], currency))
    if table.num_rows == 0:
        _frame.empty(_("No tenant matches"), _("Every tenant is left out by the filters above. Take one back."))
        return
    _rows(page, report, table, None if currency == _currency.EVERY else currency)


def _rows(page: Page, report: Any, table: pa.Table, currency: str | None) -> None:
    reader, last = page.reader, add_months(month_of(page.today), -1)
    months = months_between(add_months(last, 1 - MONTHS), last)
    first, end = months[0], add_months(last, 1)
    units_report = page.report("units_monthly", from_date=first, to_date=end)
    revenue_report = page.report("revenue_by_tenant", from_date=first, to_date=end)
    people = table["tenant_id"].to_pylist()
    own = dict(zip(people, table["currency"].to_pylist(), strict=True))
    units = tenants.by_month(units_report.table, "peak_units_count")
    net = tenants.by_month(tenants.own_currency(revenue_report.table, own), "net_minor")
    table = _tables.with_trends(
        table, "units_trend", [_charts.drawn_numbers(tenants.over(months, units.get(t), missing=0)) for t in people]
    )
    table = _tables.with_trends(
        table, "net_trend", [_charts.drawn(tenants.over(months, net.get(t), missing=0), own[t]) for t in people]
    )
    table = table.append_column("net_minor", pa.array([net.get(t, {}).get(last, 0) for t in people], pa.int64()))
    table = _tables.with_codes(table).sort_by([("units_count", "descending"), ("name", "ascending")])
    of = f", {currency.upper()}" if currency else ""
    period = f"{reader.short_month(first)} – {reader.short_month(last)}"
    _charts.heading(
        n_("{count} tenant", "{count} tenants", len(people), count=reader.number(len(people))),
        _(
            "Small bars are the {count} months {period}, each row by its own highest. Click a name for the tenant.",
            count=reader.number(MONTHS),
            period=period,
        ),
    )
    _tables.show(
        table,
        [
            Column("name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column("units_count", _("Units"), "count", _("Distinct units occupied today"), 75),
            Column(
                "units_trend", _("Peak units"), "trend", _("Highest daily count of each month"), 120, colour="violet"
            ),
            Column(
                "net_minor",
                _("Net, {month}", month=reader.short_month(last)) + of,
                "money",
                _("Invoiced less credited in the month, ex tax"),
                120,
                is_zero_nothing=True,
            ),
            Column("net_trend", _("Net invoiced"), "trend", _("Of each month, ex tax"), 120, colour="blue"),
            *([] if currency else [Column("currency_code", _("Currency"), width=80)]),
            Column(
                "open_minor",
                p_("amount", "Open") + of,
                "money",
                _("Still to be paid, incl. tax"),
                115,
                is_zero_nothing=True,
            ),
            Column(
                "past_due_minor", p_("amount", "Past due") + of, "money", _("Of it past due"), 110, is_zero_nothing=True
            ),
            Column("created_on", _("Tenant since"), "date", width=110),
        ],
        key=f"tenants_{currency}",
        reader=reader,
        currency=currency,
        alt=_("Tenants with units, net invoiced and what they owe"),
        on_open={"name": open_tenant},
        rows=16,
    )
    _tables.beside(report, reader, key="tenants_list", what="tenants", also=(units_report, revenue_report))
