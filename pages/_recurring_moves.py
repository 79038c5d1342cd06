"""Recurring revenue month by month: the movements as a waterfall, and the tenants it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.periods import add_months
from billing_core.services import recurring, reports, sums
from billing_core.services.language import N_, _
from pages import _bars, _behind, _charts, _filters, _print, _tables
from pages._frame import Page
from pages._tables import Column

KINDS = {
    "opening": N_("At the start"),
    "new": N_("New"),
    "reactivation": N_("Came back"),
    "expansion": N_("Expansion"),
    "contraction": N_("Contraction"),
    "churn": N_("Lost"),
    "closing": N_("At the end"),
    "net": N_("Net change"),
    "none": N_("Unchanged"),
}
MOVED = (*recurring.GAINS, *recurring.LOSSES)


def show(
    page: Page,
    report: reports.Report,
    months: list[dict[str, Any]],
    chosen: date | None,
    currency: str,
    basis: str,
) -> None:
    """Draw the waterfall of the period or of the month chosen, and below it the months, or the rows behind a bar.

    Args:
        page: the frame's.
        report: `mrr_movements` on this basis.
        months: its rows of this currency in the period, in order.
        chosen: a month of the link.
        currency: of all amounts.
        basis: of `mrr_movements`.
    """
    window = [m for m in months if chosen in (None, m["month"])] or months
    move = _filters.identifier("move")
    move = move if move in KINDS and move != "none" else None
    _waterfall(page, window, move, currency)
    if move is not None:
        _drill(page, report, window, move, currency, basis)
        return
    if chosen is not None:
        _behind.heading(
            page.reader.month(chosen), back=_("All months"), closes=("month", "move"), key="recurring_month"
        )
        _drill(page, report, window, "net", currency, basis)
        return
    _tables.beside(report, page.reader, key="mrr_movements", what=f"mrr_movements_{currency}")
    _by_month(page, months, currency)
    _months(page, months, report, currency)


def _waterfall(page: Page, window: list[dict[str, Any]], move: str | None, currency: str) -> None:
    reader, moved = page.reader, recurring.over(window)
    first, last = window[0]["month"], window[-1]["month"]
    amounts = {
        "opening": moved.opening_minor,
        **moved.gains,
        **{kind: -lost for kind, lost in moved.losses.items()},
        "closing": moved.closing_minor,
        "net": moved.closing_minor - moved.opening_minor,
    }

    def bar(kind: str, colour: str) -> _bars.Bar:
        amount = amounts[kind]
        [height] = _charts.drawn([amount], currency)
        text = reader.amount(amount, currency, whole=True)
        signed = f"+{text}" if kind in recurring.GAINS and amount > 0 else text
        hover = f"{_(KINDS[kind])}: {reader.money(amount, currency)}"
        return _bars.Bar(kind, _(KINDS[kind]), height or 0.0, signed, hover, colour)

    changes = [bar(k, _bars.GAIN) for k in recurring.GAINS] + [bar(k, _bars.LOSS) for k in recurring.LOSSES]
    when = reader.month(first) if first == last else f"{reader.month(first)} – {reader.month(last)}"
    _charts.heading(
        _("What moved recurring revenue"),
        _(
            "{currency}, {when}: from {opening} to {closing}. Click a bar for the tenants behind it.",
            currency=currency.upper(),
            when=when,
            opening=reader.amount(moved.opening_minor, currency, whole=True),
            closing=reader.amount(moved.closing_minor, currency, whole=True),
        ),
    )
    figure = _bars.waterfall(
        bar("opening", _charts.RECURRING),
        changes,
        bar("closing", _charts.RECURRING),
        bar("net", _charts.RECURRING),
        reader,
        chosen=move,
    )
    _charts.chart(
        figure,
        key=f"moves_{currency}",
        alt=_("Movements of recurring revenue, {when}: {parts}.", when=when, parts=_parts(page, amounts, currency)),
        on_click=lambda data: _filters.put("move", str(data[0]) if data else None),
    )


def _parts(page: Page, amounts: Mapping[str, int], currency: str) -> str:
    return ", ".join(f"{_(KINDS[k])} {page.reader.money(amounts[k], currency)}" for k in KINDS if k in amounts)


def _by_month(page: Page, months: list[dict[str, Any]], currency: str) -> None:
    """Gains above zero, losses below, month by month."""
    reader = page.reader
    axis = _charts.month_axis([m["month"] for m in months], reader, page.today)
    colours = dict(zip(MOVED, (_bars.GAIN, "#000002", _charts.INVOICED, _charts.CREDITED, _bars.LOSS), strict=True))
    series = []
    for kind in MOVED:
        sign = 1 if kind in recurring.GAINS else -1
        amounts = [sign * m[f"{kind}_minor"] for m in months]
        texts = [reader.money(a, currency) for a in amounts]
        series.append(_charts.Series(_(KINDS[kind]), colours[kind], _charts.drawn(amounts, currency), texts))
    _charts.heading(
        _("Month by month"),
        _("{currency} gained and lost per month. Click a month to look at it alone.", currency=currency.upper()),
    )
    _charts.chart(
        _charts.bars(axis, series, reader, is_stacked=True, height=260),
        key=f"moves_monthly_{currency}",
        alt=_charts.alt_text(_("Movements per month"), axis, series),
        on_click=lambda data: _filters.put("month", str(data[0]) if data else None),
    )


def _months(page: Page, months: list[dict[str, Any]], report: reports.Report, currency: str) -> None:
    reader, meanings = page.reader, {c.name: c.meaning for c in report.columns}
    table = pa.Table.from_pylist(months, schema=report.table.schema).sort_by([("month", "descending")])
    found = table["month"].to_pylist()
    table = _tables.with_texts(table, "month_name", [reader.month(m) for m in found])
    fields = ("closing", *MOVED, "opening")
    _tables.show(
        table,
        [
            Column("month_name", _("Month"), "open", _("Look at this month alone"), 150),
            *(
                Column(
                    f"{kind}_minor",
                    f"{_(KINDS[kind])}, {currency.upper()}" if kind == "closing" else _(KINDS[kind]),
                    "money",
                    _(meanings[f"{kind}_minor"]),
                    is_zero_nothing=True,
                )
                for kind in fields
            ),
            Column("tenants_count", _("Tenants"), "count", _(meanings["tenants_count"])),
        ],
        key=f"moves_table_{currency}",
        reader=reader,
        currency=currency,
        alt=_("Movements of recurring revenue by month, newest first"),
        on_open={"month_name": lambda row: _filters.put("month", row["month"].isoformat())},
    )


def _drill(page: Page, of: reports.Report, window: list[dict[str, Any]], move: str, currency: str, basis: str) -> None:
    """The tenants behind one bar; what they add up to is said beside the bar's amount."""
    moved = recurring.over(window)
    first, last = window[0]["month"], window[-1]["month"]
    kinds, field, amount = _asked(moved, move)
    if move in ("opening", "closing"):
        # A balance is that of one month, whatever the period: the tenants at its beginning or at its end.
        first = last = first if move == "opening" else last
    report = page.report(
        "mrr_movement_rows", from_date=first, to_date=add_months(last, 1), currency=currency, basis=basis
    )
    rows = report.table.filter(pc.not_equal(report.table[field], 0))
    if kinds:
        rows = rows.filter(reduce(pc.or_, [pc.equal(rows["kind"], kind) for kind in kinds]))
    if move != "net":
        _behind.heading(_(KINDS[move]), back=_("All movements"), closes=("move",), key="move")
    _print.answer(_behind.sentence(page, _(KINDS[move]), amount, rows, field, currency))
    rows = _behind.named(rows.sort_by([(field, "ascending" if move in recurring.LOSSES else "descending")]))
    rows = _tables.with_labels(rows, "kind", {k: _(v) for k, v in KINDS.items()})
    _behind.table(
        page,
        report,
        rows,
        [
            Column("tenant_name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column("month", _("Month"), "month", width=110),
            Column("kind", _("What"), width=130),
            Column("change_minor", _("Change, {currency}", currency=currency.upper()), "money"),
            Column("opening_minor", _(KINDS["opening"]), "money", is_zero_nothing=True),
            Column("closing_minor", _(KINDS["closing"]), "money", is_zero_nothing=True),
        ],
        key=f"move_rows_{move}",
        currency=currency,
        alt=_("Tenants behind: {what}", what=_(KINDS[move])),
        on_open={"tenant_name": _behind.open_tenant},
        what=f"mrr_movement_rows_{currency}",
        also=[of],
    )


def _asked(moved: recurring.Movements, move: str) -> tuple[tuple[str, ...], str, int]:
    """Return the kinds of rows behind a bar, the column they add up in, and the bar's amount."""
    match move:
        case "opening":
            return (), "opening_minor", moved.opening_minor
        case "closing":
            return (), "closing_minor", moved.closing_minor
        case "net":
            return (), "change_minor", moved.closing_minor - moved.opening_minor
        case kind if kind in recurring.GAINS:
            return (kind,), "change_minor", moved.gains[kind]
        case kind:
            return (kind,), "change_minor", -moved.losses[kind]


def show_tenants(page: Page, month: date, currency: str) -> None:
    """Draw whose recurring revenue it is at the end of a month, with what is in no total beside it."""
    reader = page.reader
    report = page.report("mrr_by_tenant", from_date=month, to_date=add_months(month, 1), currency=currency)
    rows = recurring.with_total(report.table).sort_by([("total_minor", "descending")])
    meanings = {c.name: _(c.meaning) for c in report.columns}
    _charts.heading(
        _("Recurring revenue per tenant"),
        _(
            "{currency} a month at the end of {month}: {committed} committed and {usage} of usage.",
            currency=currency.upper(),
            month=reader.month(month),
            committed=reader.amount(sums.total(rows, "committed_minor"), currency),
            usage=reader.amount(sums.total(rows, "usage_minor"), currency),
        ),
    )
    _behind.table(
        page,
        report,
        _behind.named(rows),
        [
            Column("tenant_name", _("Tenant"), "open", _("Open the tenant"), 230),
            Column("total_minor", _("Together, {currency}", currency=currency.upper()), "money"),
            Column("committed_minor", _("Committed"), "money", meanings["committed_minor"], is_zero_nothing=True),
            Column("usage_minor", _("Usage"), "money", meanings["usage_minor"], is_zero_nothing=True),
            Column("trial_minor", _("On trial"), "money", meanings["trial_minor"], is_zero_nothing=True),
            Column("paused_minor", _("Paused"), "money", meanings["paused_minor"], is_zero_nothing=True),
            Column("left_out_minor", _("Unpaid"), "money", meanings["left_out_minor"], is_zero_nothing=True),
        ],
        key=f"mrr_tenants_{currency}",
        currency=currency,
        alt=_("Recurring revenue per tenant"),
        on_open={"tenant_name": _behind.open_tenant},
        what=f"mrr_by_tenant_{month.isoformat()[:7]}_{currency}",
    )
