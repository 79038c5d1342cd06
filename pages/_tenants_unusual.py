"""Unusual months: what a tenant used against what its own months before suggest, and the days behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core.periods import add_months, month_of, months_between
from billing_core.services import reports, tenants
from billing_core.services.language import N_, _, n_
from pages import _behind, _charts, _filters, _frame, _measures, _print, _tables, _words
from pages._frame import Page
from pages._tables import Column

SPANS = {"3": N_("Last 3 months"), "12": N_("Last 12 months"), "24": N_("Last 24 months")}
DIRECTIONS = {"above": N_("More than expected"), "below": N_("Less than expected")}
ALL = "all"
MONTHS_SHOWN = 24


def show(page: Page) -> None:
    """Draw the unusual months, or one of them with the months around it and its days."""
    reader = page.reader
    metrics = _measures.ordered(page.report("usage_by_tenant_month").table["metric"].to_pylist())
    with _filters.row():
        span = _filters.choice(_("Period"), "period", list(SPANS), default="3", name=lambda s: _(SPANS[s]))
        metric = _filters.choice(
            _("Measure"),
            "measure",
            [ALL, *metrics],
            default=ALL,
            name=lambda m: _("All measures") if m == ALL else _measures.said(m),
        )
    first = add_months(month_of(page.today), 1 - int(span))
    report = page.report("usage_anomalies", from_date=first, metric="" if metric == ALL else metric)
    rows = report.table.to_pylist()
    count = len({r["tenant_id"] for r in rows})
    _print.answer(
        n_(
            "**{count} unusual month** at {tenants} since {month}. ",
            "**{count} unusual months** at {tenants} since {month}. ",
            len(rows),
            count=reader.number(len(rows)),
            tenants=n_("{count} tenant", "{count} tenants", count, count=reader.number(count)),
            month=reader.month(first),
        )
        + _("Each tenant is measured by its own past; the range it was expected in stands beside what it was.")
    )
    if not rows:
        _frame.empty(
            _("Nothing unusual"),
            _("Every month lies in the range its tenant's past suggests, or the past is too short to judge."),
        )
        _tables.beside(report, reader, key="unusual", what="usage_anomalies")
        return
    chosen = _chosen(rows)
    if chosen is None:
        _table(page, report)
    else:
        _one(page, chosen)


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['month'].isoformat()}~{row['metric']}~{row['tenant_id']}"


def _chosen(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    asked = _filters.identifier("finding")
    return next((row for row in rows if _key(row) == asked), None) if asked else None


def _table(page: Page, report: reports.Report) -> None:
    reader = page.reader
    table = report.table
    lows, highs = table["low_quantity"].to_pylist(), table["high_quantity"].to_pylist()
    ranges = [f"{reader.number(low)} – {reader.number(high)}" for low, high in zip(lows, highs, strict=True)]
    table = _tables.with_texts(table, "range", ranges)
    table = _tables.with_texts(table, "measure", [_measures.said(m) for m in table["metric"].to_pylist()])
    table = _tables.with_labels(table, "direction", {k: _(v) for k, v in DIRECTIONS.items()})
    table = _tables.with_codes(table).sort_by([("month", "descending"), ("score_ratio", "descending")])
    columns = [
        Column("tenant_name", _("Tenant"), "open", _("The months and days behind it"), 230),
        Column("month", _("Month"), "month", width=95),
        Column("measure", _("Measure"), width=110),
        Column("direction", _("Finding"), "status", width=165),
        Column("observed_quantity", _("Was"), "quantity", width=80),
        Column("range", _("Expected"), width=105),
        Column("beyond_quantity", _("Outside by"), "quantity", _("How far outside the expected range"), 95),
    ]
    if table["difference_minor"].null_count < table.num_rows:
        columns += [
            Column(
                "difference_minor",
                _("Worth a month"),
                "money",
                _("The difference to what was expected, at the price per unit, ex tax"),
                120,
            ),
            Column("currency_code", _("Currency"), width=80),
        ]
    _tables.show(
        _behind.named(table),
        columns,
        key="unusual",
        reader=reader,
        alt=_("Unusual months, the latest first"),
        on_open={
            "tenant_name": lambda row: _filters.put("finding", f"{row['month']}~{row['metric']}~{row['tenant_id']}")
        },
        rows=16,
    )
    _tables.beside(report, reader, key="unusual", what="usage_anomalies")


def _one(page: Page, row: Mapping[str, Any]) -> None:
    """One finding: the sentence that explains it, the months around it, and the days it is made of."""
    reader, metric = page.reader, row["metric"]
    name = row["tenant_name"] or row["tenant_id"]
    _behind.heading(
        f"{_words.inert(name)}, {reader.month(row['month'])}",
        back=_("All unusual months"),
        closes=("finding",),
        key="one",
    )
    said = _(
        "{measure}: **{observed}**, where {low} to {high} was expected: {beyond} outside.",
        measure=_measures.said(metric),
        observed=reader.number(row["observed_quantity"]),
        low=reader.number(row["low_quantity"]),
        high=reader.number(row["high_quantity"]),
        beyond=reader.number(abs(row["beyond_quantity"])),
    )
    if row["difference_minor"]:
        said += " " + _(
            "The difference to the {expected} expected is worth {amount} a month.",
            expected=reader.number(row["expected_quantity"]),
            amount=reader.money(row["difference_minor"], row["currency"]),
        )
    said += " " + n_(
        "The range was made from {count} month.",
        "The range was made from {count} months.",
        row["history_count"],
        count=reader.number(row["history_count"]),
    )
    _print.answer(said)
    trend = page.report("usage_trends", tenant_id=row["tenant_id"], kind=row["kind"], metric=metric)
    _months(page, trend, row)
    report = page.report(
        "usage_rows",
        tenant_id=row["tenant_id"],
        from_date=row["month"],
        to_date=add_months(row["month"], 1),
        kind=row["kind"],
        metric=metric,
    )
    days = report.table.filter(
        pc.and_(pc.equal(report.table["part"], "this"), pc.not_equal(report.table["counted_quantity"], 0))
    )
    _print.answer(
        _("The days below add up to {total}.", total=reader.number(tenants.added(days, "counted_quantity")))
        if days.num_rows
        else _("No day of the month has any.")
    )
    if days.num_rows:
        _tables.show(
            days.sort_by([("day", "ascending")]),
            [
                Column("day", _("Day"), "date", width=130),
                Column("day_quantity", _("On the day"), "quantity", width=120),
                Column("counted_quantity", _("Counts as"), "quantity", width=120),
            ],
            key="unusual_days",
            reader=reader,
            alt=_("Days behind the month"),
        )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        _tables.beside(report, reader, key="unusual_days", what=f"usage_rows_{row['tenant_id']}", also=(trend,))
        if st.button(_("Open the tenant"), type="tertiary", icon=":material/apartment:", key="unusual_tenant"):
            _behind.open_tenant(row)


def _months(page: Page, trend: reports.Report, row: Mapping[str, Any]) -> None:
    """The months around the finding as bars; the finding stays strong."""
    reader = page.reader
    values: dict[date, Any] = dict(
        zip(trend.table["month"].to_pylist(), trend.table["quantity"].to_pylist(), strict=True)
    )
    first = max(min(values), add_months(month_of(page.today), 1 - MONTHS_SHOWN))
    months = months_between(min(first, row["month"]), page.today)
    shown = tenants.over(months, values, missing=None)
    axis = _charts.month_axis(months, reader, page.today)
    label = _measures.said(row["metric"])
    colour = _charts.UNITS if row["kind"] == "units" else _charts.USAGE
    series = _charts.Series(label, colour, _charts.drawn_numbers(shown), [reader.number(v) for v in shown])
    _charts.chart(
        _charts.bars(axis, [series], reader, chosen=row["month"].isoformat(), height=240),
        key="unusual_months",
        alt=_charts.alt_text(_("{measure} per month", measure=label), axis, [series]),
    )
