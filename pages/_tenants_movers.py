"""Movers: whose use changed most between two months, up and down, and the days behind each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow.compute as pc
import streamlit as st

from billing_core import money
from billing_core.periods import add_months, month_of
from billing_core.services import tenants
from billing_core.services.language import _, n_
from pages import _bars, _behind, _charts, _filters, _measures, _print, _ranked, _tables, _words
from pages._frame import Page
from pages._tables import Column

EACH_WAY = 8
MONTHS_BACK = 24
ONE_DAY = timedelta(days=1)


def show(page: Page) -> None:
    """Draw the two months, the largest changes as bars, and either all changes or the days behind one."""
    reader, this_month = page.reader, month_of(page.today)
    months = [add_months(this_month, -i) for i in range(MONTHS_BACK + 1)]
    keys = [m.isoformat() for m in months]
    metrics = _measures.ordered(page.report("usage_by_tenant_month").table["metric"].to_pylist())
    with _filters.row():
        metric = _filters.choice(
            _("Measure"), "measure", [*metrics, _measures.DAYS], default=_measures.PEAK, name=_measures.said
        )
        later = _filters.choice(_("Month"), "to", keys[:-1], default=keys[1], name=lambda k: _month(page, k))
        before = [k for k in keys if k < later]
        earlier = _filters.choice(_("Against"), "from", before, default=before[0], name=lambda k: _month(page, k))
    report = page.report(
        "usage_movers",
        from_date=date.fromisoformat(earlier),
        to_date=add_months(date.fromisoformat(later), 1),
        kind="units" if metric in _measures.NAMES else "usage",
        metric=metric,
    )
    rows = report.table.to_pylist()
    if not rows:
        _print.answer(
            _(
                "Nobody's {measure} differ between {earlier} and {later}.",
                measure=_measures.said(metric),
                earlier=_month(page, earlier),
                later=_month(page, later),
            )
        )
        _tables.beside(report, reader, key="movers", what="usage_movers")
        return
    chosen = _filters.identifier("tenant")
    chosen = chosen if any(r["tenant_id"] == chosen for r in rows) else None
    _answer(page, rows)
    _bars_of(page, rows, metric, chosen)
    if chosen is None:
        _table(page, report, metric)
    else:
        _drill(page, next(r for r in rows if r["tenant_id"] == chosen), metric)


def _month(page: Page, key: str) -> str:
    return page.reader.month(date.fromisoformat(key))


def _quantity(page: Page, row: Mapping[str, Any], *, is_signed: bool = True) -> str:
    said = page.reader.number(row["change_quantity"])
    return f"+{said}" if is_signed and row["change_quantity"] > 0 else said


def _answer(page: Page, rows: Sequence[Mapping[str, Any]]) -> None:
    """Say how many went up and down, by how much, and what that is worth per currency."""
    reader, first = page.reader, rows[0]
    parts = []
    for direction in ("up", "down"):
        some = [r for r in rows if r["direction"] == direction]
        if not some:
            continue
        added = tenants.change(some)
        amounts = money.total((r["change_minor"], r["currency"]) for r in some if r["change_minor"] is not None)
        worth = ", ".join(reader.money(a, c, whole=True) for c, a in sorted(amounts.items()) if a)
        count, quantity = reader.number(len(some)), reader.number(abs(added))
        text = (
            n_(
                "**{count} tenant** up by {quantity}",
                "**{count} tenants** up by {quantity}",
                len(some),
                count=count,
                quantity=quantity,
            )
            if direction == "up"
            else n_(
                "**{count} tenant** down by {quantity}",
                "**{count} tenants** down by {quantity}",
                len(some),
                count=count,
                quantity=quantity,
            )
        )
        parts.append(text + (" (" + _("{amount} a month", amount=worth) + ")" if worth else ""))
    said = "; ".join(parts) + "."
    if month_of(first["until_on"] + ONE_DAY) == first["later_month"]:
        said += " " + _(
            "Compared are the days to {later} and to {earlier}.",
            later=reader.day(first["until_on"]),
            earlier=reader.day(first["earlier_until_on"]),
        )
    _print.answer(said)


def _bars_of(page: Page, rows: Sequence[Mapping[str, Any]], metric: str, chosen: str | None) -> None:
    reader = page.reader
    up = [r for r in rows if r["direction"] == "up" and r["place"] <= EACH_WAY]
    down = [r for r in rows if r["direction"] == "down" and r["place"] <= EACH_WAY]
    # The largest gain on top, the largest loss at the bottom.
    shown = sorted(up, key=lambda r: r["place"]) + sorted(down, key=lambda r: -r["place"])
    marks = []
    for row in shown:
        name = _words.on_chart(row["tenant_name"] or row["tenant_id"], 34)
        [height] = _charts.drawn_numbers([row["change_quantity"]])
        hover = _(
            "{name}<br>{earlier} → {later}",
            name=name,
            earlier=reader.number(row["earlier_quantity"]),
            later=reader.number(row["later_quantity"]),
        )
        if row["change_minor"] is not None:
            hover += "<br>" + _("{amount} a month", amount=reader.money(row["change_minor"], row["currency"]))
        colour = _bars.GAIN if row["direction"] == "up" else _bars.LOSS
        marks.append(_bars.Bar(row["tenant_id"], name, height or 0.0, _quantity(page, row), hover, colour))
    first = shown[0]
    _charts.heading(
        _("Largest changes: {measure}", measure=_measures.said(metric)),
        _(
            "{later} against {earlier}{unit}. At most {count} each way. Click a bar for the days behind it.",
            later=reader.month(first["later_month"]),
            earlier=reader.month(first["earlier_month"]),
            unit=f", {first['unit']}" if first["unit"] and metric not in _measures.NAMES else "",
            count=reader.number(EACH_WAY),
        ),
    )
    _charts.chart(
        _ranked.ranked(marks, reader, chosen=chosen),
        key=f"movers_{metric}",
        alt=_("Largest changes: {parts}.", parts="; ".join(f"{m.label} {m.text}" for m in marks)),
        on_click=lambda data: _filters.put("tenant", str(data[0]) if data else None),
    )


def _table(page: Page, report: Any, metric: str) -> None:
    reader, table = page.reader, report.table
    first = table.slice(0, 1).to_pylist()[0]
    is_priced = table["change_minor"].null_count < table.num_rows
    order = pc.negate(pc.abs(table["change_quantity"]))
    table = _tables.with_codes(table.append_column("order", order).sort_by([("order", "ascending")]))
    columns = [
        Column("tenant_name", _("Tenant"), "open", _("The days behind the change"), 250),
        Column("change_quantity", _("Change"), "quantity", width=90),
        Column("earlier_quantity", reader.month(first["earlier_month"]), "quantity"),
        Column("later_quantity", reader.month(first["later_month"]), "quantity"),
        Column("change_ratio", _("In percent"), "ratio"),
    ]
    if is_priced:
        columns += [
            Column("change_minor", _("Worth a month"), "money", _("At the tenant's price per unit, ex tax")),
            Column("currency_code", _("Currency"), width=80),
        ]
    _tables.show(
        _behind.named(table),
        columns,
        key=f"movers_table_{metric}",
        reader=reader,
        alt=_("All changes, the largest first"),
        on_open={"tenant_name": lambda row: _filters.put("tenant", row["tenant_id"])},
    )
    _tables.beside(report, reader, key="movers", what=f"usage_movers_{metric}")


def _drill(page: Page, row: Mapping[str, Any], metric: str) -> None:
    """The days of both months that the change is made of; the earlier ones count negative."""
    reader = page.reader
    name = row["tenant_name"] or row["tenant_id"]
    kind = "units" if metric in _measures.NAMES else "usage"
    later = page.report(
        "usage_rows",
        tenant_id=row["tenant_id"],
        from_date=row["later_month"],
        to_date=add_months(row["later_month"], 1),
        kind=kind,
        metric=metric,
    )
    earlier = page.report(
        "usage_rows",
        tenant_id=row["tenant_id"],
        from_date=row["earlier_month"],
        to_date=add_months(row["earlier_month"], 1),
        as_of=row["earlier_until_on"],
        kind=kind,
        metric=metric,
    )
    rows = tenants.days_behind(later.table, earlier.table)
    _behind.heading(_words.inert(name), back=_("All movers"), closes=("tenant",), key="mover")
    _print.answer(
        _(
            "{measure}: **{change}**, from {earlier} to {later}. The days below add up to {total}.",
            measure=_measures.said(metric),
            change=_quantity(page, row),
            earlier=reader.number(row["earlier_quantity"]),
            later=reader.number(row["later_quantity"]),
            total=reader.number(tenants.added(rows, "signed_quantity")),
        )
    )
    counted = rows.filter(pc.not_equal(rows["signed_quantity"], 0))
    if counted.num_rows:
        _tables.show(
            counted.sort_by([("day", "ascending")]),
            [
                Column("day", _("Day"), "date", width=130),
                Column("day_quantity", _("On the day"), "quantity", width=120),
                Column("signed_quantity", _("Counts as"), "quantity", _("The earlier month counts negative"), 120),
            ],
            key="mover_days",
            reader=reader,
            alt=_("Days behind the change"),
        )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        _tables.beside(later, reader, key="mover_days", what=f"usage_rows_{row['tenant_id']}", also=(earlier,))
        if st.button(_("Open the tenant"), type="tertiary", icon=":material/apartment:", key="mover_tenant"):
            _behind.open_tenant(row)
