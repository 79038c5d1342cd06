"""Why revenue changed from one month to the next: the bridge as a waterfall, by tenant, down to the lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.periods import add_months, month_of
from billing_core.services import reports, sums
from billing_core.services.formatting import change_ratio
from billing_core.services.language import N_, _
from pages import _bars, _behind, _charts, _filters, _print, _tables, _words
from pages._frame import Page
from pages._revenue_rows import ROW_KIND
from pages._tables import Column

PARTS = {
    "units_minor": N_("Units"),
    "price_minor": N_("Price"),
    "flat_minor": N_("Flat fees"),
    "discount_minor": N_("Discounts"),
    "other_minor": N_("Other"),
}
MEANINGS = {
    "units_minor": N_("More or fewer units or usage, at the average price of the month before."),
    "price_minor": N_("The same units at another price."),
    "flat_minor": N_("Flat fees that came, went or changed."),
    "discount_minor": N_("Discounts on these lines; less discount is positive."),
    "other_minor": N_("Prorations, lines without a recurring price, credit notes and voided invoices."),
}
NONE = "none"


def choose(page: Page, months: Sequence[date]) -> date:
    """Draw the choice of the month that is compared with the one before; the last one that is over unless told.

    Args:
        page: the frame's.
        months: to choose from, in order, at least one.
    """
    reader = page.reader
    over = [m for m in months if m < month_of(page.today)] or list(months)
    by_key = {m.isoformat(): m for m in months}
    chosen = _filters.choice(
        _("Month"),
        "month",
        [m.isoformat() for m in reversed(months)],
        default=over[-1].isoformat(),
        name=lambda m: reader.month(by_key[m]),
        help=_("Compared with the month before it. The running month is not over, so it has less."),
    )
    return by_key[chosen]


def show(page: Page, month: date, currency: str) -> None:
    """Draw the bridge into one month, the tenants behind it, and the lines of the tenant that was clicked."""
    report = page.report("revenue_bridge", currency=currency, from_date=month, to_date=add_months(month, 1))
    part = _filters.identifier("part")
    part = part if part in PARTS else None
    _waterfall(page, report.table, month, part, currency)
    asked = _filters.identifier("tenant")
    mine = report.table.filter(
        pc.is_null(report.table["tenant_id"]) if asked == NONE else pc.equal(report.table["tenant_id"], asked)
    )
    if asked is not None and mine.num_rows == 1:
        _lines(page, report, mine, month, part, currency)
        return
    _tenants(page, report, month, part, currency)


def _waterfall(page: Page, table: pa.Table, month: date, part: str | None, currency: str) -> None:
    reader, before = page.reader, add_months(month, -1)
    amounts = {field: sums.total(table, field) for field in ("before_minor", *PARTS, "net_minor", "total_change_minor")}
    change = change_ratio(amounts["before_minor"], amounts["net_minor"])
    said = _(
        "{month} brought **{now}** net ex tax, {before_month} {before}: {change}",
        month=reader.month(month),
        now=reader.money(amounts["net_minor"], currency, whole=True),
        before_month=reader.month_name(before),
        before=reader.money(amounts["before_minor"], currency, whole=True),
        change=reader.money(amounts["total_change_minor"], currency, whole=True),
    )
    if change is not None:
        said += f" ({reader.change(change)})"
    _print.answer(said + ".")

    def bar(key: str, label: str, colour: str, sign: str = "") -> _bars.Bar:
        amount = amounts[key]
        [height] = _charts.drawn([amount], currency)
        text = f"{sign if amount > 0 else ''}{reader.amount(amount, currency, whole=True)}"
        return _bars.Bar(key, label, height or 0.0, text, f"{label}: {reader.money(amount, currency)}", colour)

    steps = [bar(f, _(name), _bars.GAIN if amounts[f] >= 0 else _bars.LOSS, "+") for f, name in PARTS.items()]
    _charts.heading(
        _("What changed net invoiced revenue"),
        _(
            "{currency} ex tax, {before} to {month}. Click a step for the tenants behind it.",
            currency=currency.upper(),
            before=reader.month(before),
            month=reader.month(month),
        ),
    )
    opening = bar("before_minor", reader.month(before), _charts.INVOICED)
    closing = bar("net_minor", reader.month(month), _charts.INVOICED)
    net = bar("total_change_minor", _("Change"), _charts.INVOICED, "+")

    def clicked(data: list[object]) -> None:
        _filters.put("part", str(data[0]) if data and data[0] in PARTS else None)

    _charts.chart(
        _bars.waterfall(opening, steps, closing, net, reader, chosen=part),
        key=f"bridge_{currency}",
        alt=_(
            "Net invoiced from {before} to {month}: {parts}.",
            before=reader.month(before),
            month=reader.month(month),
            parts=", ".join(step.hover for step in (opening, *steps, closing)),
        ),
        on_click=clicked,
    )


def _tenants(page: Page, report: reports.Report, month: date, part: str | None, currency: str) -> None:
    """The tenants whose revenue changed, by the part that was clicked, largest change first."""
    field = part or "total_change_minor"
    label = _(PARTS[part]) if part else _("Change")
    if part is not None:
        _behind.heading(label, back=_("All parts"), closes=("part",), key="part")
    rows = report.table.filter(pc.not_equal(report.table[field], 0))
    _print.answer(_behind.sentence(page, label, sums.total(report.table, field), rows, field, currency))
    order = rows.append_column("size", pc.abs(rows[field])).sort_by([("size", "descending")])
    fields = {field: label, **{f: _(n) for f, n in PARTS.items() if f != field}}
    if part:
        fields["total_change_minor"] = _("Change")
    _behind.table(
        page,
        report,
        _behind.named(order),
        [
            Column("tenant_name", _("Tenant"), "open", _("Show the lines behind it"), 230),
            *(
                Column(
                    f,
                    f"{name}, {currency.upper()}" if f == field else name,
                    "money",
                    _(MEANINGS[f]) if f in MEANINGS else None,
                    is_zero_nothing=True,
                )
                for f, name in fields.items()
            ),
            Column("before_minor", page.reader.month_name(add_months(month, -1)), "money", is_zero_nothing=True),
            Column("net_minor", page.reader.month_name(month), "money", is_zero_nothing=True),
        ],
        key=f"bridge_tenants_{field}",
        currency=currency,
        alt=_("Change of net invoiced revenue by tenant, largest first"),
        on_open={"tenant_name": lambda row: _filters.put("tenant", row["tenant_id"] or NONE)},
        what=f"revenue_bridge_{month.isoformat()[:7]}_{currency}",
    )


def _lines(page: Page, of: reports.Report, mine: pa.Table, month: date, part: str | None, currency: str) -> None:
    """The lines of one tenant, those of the month before with the opposite sign."""
    tenant = mine.to_pylist()[0]
    field = part or "total_change_minor"
    label = _(PARTS[part]) if part else _("Change")
    name = _words.inert(tenant["tenant_name"]) or _("No tenant")
    _behind.heading(f"{name}, {page.reader.month(month)}", back=_("All tenants"), closes=("tenant",), key="bridge")
    report = page.report("revenue_bridge_rows", currency=currency, from_date=month, to_date=add_months(month, 1))
    column = report.table["tenant_id"]
    rows = report.table.filter(
        pc.is_null(column) if tenant["tenant_id"] is None else pc.equal(column, tenant["tenant_id"])
    )
    rows = rows.filter(pc.not_equal(rows[field], 0))
    _print.answer(_behind.sentence(page, label, tenant[field], rows, field, currency))
    rows = _tables.with_labels(rows, "kind", {kind: _(text) for kind, text in ROW_KIND.items()})
    _behind.table(
        page,
        report,
        rows.sort_by([("booked_month", "descending")]),
        [
            Column("invoice_number", _("Invoice"), "open", _("Open the invoice"), 150),
            Column("description", _("Line"), width=280),
            Column("booked_month", _("Month"), "month", _("Lines of the month before count negative."), 100),
            Column("quantity", _("Quantity"), "quantity"),
            Column(field, f"{label}, {currency.upper()}", "money"),
            *(Column(f, _(n), "money", _(MEANINGS[f]), is_zero_nothing=True) for f, n in PARTS.items() if f != field),
            Column("kind", _("What"), width=130),
        ],
        key="bridge_rows",
        currency=currency,
        alt=_("Lines behind the change"),
        on_open={"invoice_number": _behind.open_invoice},
        what=f"revenue_bridge_rows_{month.isoformat()[:7]}_{currency}",
        also=[of],
    )
