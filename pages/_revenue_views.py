"""The three views of revenue: what each shows by month, product and tenant, and where a click leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_core.periods import add_months
from billing_core.services import reports, revenue, sums
from billing_core.services.language import N_, _
from pages import _behind, _charts, _filters, _print, _revenue_rows, _tables, _words
from pages._frame import Page
from pages._tables import Column

BREAKDOWNS = {"month": N_("Month"), "product": N_("Product"), "tenant": N_("Tenant")}
# The place of what has no product or tenant in a link.
NONE = "none"
# So many products have a colour of their own; the others are one.
MOST_PRODUCTS = 6
PALETTE = tuple(f"#{i:06}" for i in range(1, 11))


@dataclass(frozen=True, slots=True)
class View:
    """One view of revenue.

    Attributes:
        name: how it is called.
        what: what the sum of `main` is, in a sentence.
        main: the figure the page opens with.
        measures: the figures of a month that can be drilled, and how they read.
        balances: those of them that are balances at a month's end and are not summed over months.
        breakdowns: of `BREAKDOWNS`.
        rows: the report of the rows behind, when no product is chosen.
        unit: said below the chart's title.
    """

    name: str
    what: str
    main: str
    measures: Mapping[str, str]
    breakdowns: Sequence[str]
    rows: str
    unit: str
    balances: frozenset[str] = frozenset()

    def said(self) -> str:
        """What the sum of the main figure is."""
        return _(self.what)

    def flows(self) -> list[str]:
        """The figures that are summed over months."""
        return [field for field in self.measures if field not in self.balances]


VIEWS = {
    "invoiced": View(
        N_("Invoiced"),
        N_("net invoiced, ex tax"),
        "net_minor",
        {
            "net_minor": N_("Net invoiced"),
            "invoiced_minor": N_("Invoiced"),
            "credited_minor": N_("Credited"),
            "tax_minor": N_("Tax"),
        },
        ("month", "product", "tenant"),
        "revenue_rows",
        N_("{currency} per month ({zone}), ex tax: invoices finalized above zero, credit notes below."),
    ),
    "collected": View(
        N_("Collected"),
        N_("collected, incl. tax"),
        "collected_minor",
        {"collected_minor": N_("Collected"), "refunded_minor": N_("Refunded")},
        ("month", "tenant"),
        "revenue_rows",
        N_("{currency} per month ({zone}), incl. tax: payments by the day they were paid above zero, refunds below."),
    ),
    "recognised": View(
        N_("Recognised"),
        N_("recognised, ex tax"),
        "recognised_minor",
        {
            "recognised_minor": N_("Recognised"),
            "deferred_minor": N_("Deferred"),
            "accrued_minor": N_("Accrued"),
        },
        ("month", "product", "tenant"),
        "recognition_rows",
        N_("{currency} per month ({zone}), ex tax, by the days of service."),
        frozenset({"deferred_minor", "accrued_minor"}),
    ),
}
COLOURS = {
    "invoiced_minor": _charts.INVOICED,
    "net_minor": _charts.INVOICED,
    "credited_minor": _charts.CREDITED,
    "collected_minor": _charts.COLLECTED,
    "refunded_minor": _charts.REFUNDED,
    "recognised_minor": _charts.RECOGNISED,
}


def chart(page: Page, view: View, by: str, rows: list[dict[str, Any]], currency: str, chosen: date | None) -> None:
    """Draw the months; a click chooses one. By product the bars are made of the products.

    Args:
        page: the frame's.
        view: what to show.
        by: of `BREAKDOWNS`.
        rows: of `revenue_monthly` with net, of one currency, in order.
        currency: of all amounts.
        chosen: the month that stays strong.
    """
    reader = page.reader
    axis = _charts.month_axis([r["month"] for r in rows], reader, page.today)

    def series(name: str, field: str, sign: int = 1) -> _charts.Series:
        amounts = [r[field] for r in rows]
        heights = _charts.drawn([sign * a for a in amounts], currency)
        return _charts.Series(name, COLOURS[field], heights, [reader.money(a, currency) for a in amounts])

    line = None
    if by == "product":
        bars = _products(page, view, rows, currency)
    elif view is VIEWS["invoiced"]:
        bars = [series(_("Invoiced"), "invoiced_minor"), series(_("Credited"), "credited_minor", -1)]
    elif view is VIEWS["collected"]:
        bars = [series(_("Collected"), "collected_minor"), series(_("Refunded"), "refunded_minor", -1)]
    else:
        bars = [series(_("Recognised"), "recognised_minor")]
        line = series(_("Net invoiced"), "net_minor")
    unit = _(view.unit, currency=currency.upper(), zone=reader.zone.key)
    if line is not None:
        unit += " " + _("The line is what was invoiced, net.")
    _charts.heading(
        _("{view} by month", view=_(view.name)),
        f"{unit} {_('The hatched month is not over. Click a bar for the rows behind it.')}",
    )
    _charts.chart(
        _charts.bars(
            axis, bars, reader, line=line, is_stacked=True, chosen=chosen.isoformat() if chosen else None, height=320
        ),
        key=f"revenue_{view.main}_{by}_{currency}",
        alt=_charts.alt_text(_("{view} by month", view=_(view.name)), axis, [*bars, *([line] if line else [])]),
        on_click=lambda data: _filters.put("month", str(data[0]) if data else None),
    )


def _products(page: Page, view: View, rows: list[dict[str, Any]], currency: str) -> list[_charts.Series]:
    """One series per product, those that brought most first, the rest as one."""
    reader, months = page.reader, [r["month"] for r in rows]
    report = page.report(
        "revenue_by_product", currency=currency, from_date=months[0], to_date=add_months(months[-1], 1)
    )
    totals = sums.sum_by(report.table, ["product_id", "product_name"], [view.main]).sort_by([(view.main, "descending")])
    kept = totals.slice(0, MOST_PRODUCTS)["product_id"].to_pylist()
    names = dict(zip(totals["product_id"].to_pylist(), totals["product_name"].to_pylist(), strict=True))
    cells: dict[tuple[Any, date], int] = {}
    for product, month, amount in zip(
        *(report.table[c].to_pylist() for c in ("product_id", "month", view.main)), strict=True
    ):
        key = (product if product in kept else ..., month)
        cells[key] = cells.get(key, 0) + amount
    found = []
    for place, product in enumerate([*kept, *([...] if totals.num_rows > len(kept) else [])]):
        amounts = [cells.get((product, month), 0) for month in months]
        name = _("Others") if product is ... else _words.on_chart(names[product] or _("No product"))
        texts = [reader.money(a, currency) for a in amounts]
        found.append(_charts.Series(name, PALETTE[place], _charts.drawn(amounts, currency), texts))
    return found


def below(
    page: Page, view: View, by: str, report: reports.Report, table: pa.Table, chosen: date | None, currency: str
) -> None:
    """Draw what stands below the chart: the months, the products or tenants, or the rows behind what was clicked.

    Args:
        page: the frame's.
        view: what to show.
        by: of `BREAKDOWNS`.
        report: `revenue_monthly`.
        table: its rows of this currency in the period with net, in order.
        chosen: a month of the link.
        currency: of all amounts.
    """
    shown = table if chosen is None else table.filter(pc.equal(table["month"], chosen))
    months = shown["month"].to_pylist()
    first, last = months[0], months[-1]
    when = page.reader.month(first) if first == last else f"{page.reader.month(first)} – {page.reader.month(last)}"
    if by == "month":
        if chosen is None:
            _months(page, view, report, table, currency)
            return
        window = _revenue_rows.Window(first, last, when, currency)
        _behind.heading(f"{when}, {currency.upper()}", back=_("All months"), closes=("month",), key="month")
        _revenue_rows.show(page, view, report, shown, window)
        return
    parts = _parts(page, by, first, last, currency)
    asked = _filters.identifier(by)
    key_field = f"{by}_id"
    place = None if asked == NONE else asked
    mine = parts.table.filter(
        pc.is_null(parts.table[key_field]) if asked == NONE else pc.equal(parts.table[key_field], place)
    )
    if asked is not None and mine.num_rows == 0:
        _filters.note(_("The link asks for a {what} that has nothing in this period; showing all.", what=by))
        asked = None
    if asked is not None:
        name = mine[f"{by}_name"].to_pylist()[0] or _nameless(by)
        window = _revenue_rows.Window(first, last, when, currency, by, place)
        title = f"{_words.inert(name)}, {when}, {currency.upper()}"
        _behind.heading(title, back=_("All"), closes=(by,), key=by)
        _revenue_rows.show(page, view, parts, mine, window)
        return
    if chosen is not None:
        _behind.heading(f"{when}, {currency.upper()}", back=_("All months"), closes=("month",), key="month")
    else:
        _print.heading(f"{when}, {currency.upper()}")
    _broken_down(page, view, by, parts, last, currency)


def _nameless(by: str) -> str:
    return _("No product") if by == "product" else _("No tenant")


def _parts(page: Page, by: str, first: date, last: date, currency: str) -> reports.Report:
    return page.report(f"revenue_by_{by}", currency=currency, from_date=first, to_date=add_months(last, 1))


def _months(page: Page, view: View, report: reports.Report, table: pa.Table, currency: str) -> None:
    reader = page.reader
    meanings = {c.name: _(c.meaning) for c in report.columns}
    table = _tables.with_texts(table, "month_name", [reader.month(m) for m in table["month"].to_pylist()])
    fields = dict(view.measures)
    if view is VIEWS["recognised"]:
        fields["net_minor"] = VIEWS["invoiced"].measures["net_minor"]
        _print.answer(_to_date(page, report.table, currency))
    _tables.show(
        table.sort_by([("month", "descending")]),
        [
            Column("month_name", _("Month"), "open", _("Show the rows behind this month"), 150),
            *_amounts(fields, currency, meanings),
        ],
        key=f"months_{view.main}_{currency}",
        reader=reader,
        currency=currency,
        alt=_("{view} by month, newest first", view=_(view.name)),
        on_open={"month_name": lambda row: _filters.put("month", row["month"].isoformat())},
        rows=13,
    )
    _tables.beside(report, reader, key="revenue_monthly", what=f"revenue_monthly_{currency}")


def _amounts(fields: Mapping[str, str], currency: str, meanings: Mapping[str, str]) -> list[Column]:
    """Money columns, of which the first says the currency."""
    return [
        Column(
            field,
            f"{_(label)}, {currency.upper()}" if place == 0 else _(label),
            "money",
            meanings.get(field),
            is_zero_nothing=place > 0,
        )
        for place, (field, label) in enumerate(fields.items())
    ]


def _to_date(page: Page, months: pa.Table, currency: str) -> str:
    """Say how recognised and invoiced hang together, over all months up to now."""
    reader = page.reader
    mine = revenue.with_net(months.filter(pc.equal(months["currency"], currency))).sort_by("month")
    last = mine.slice(mine.num_rows - 1).to_pylist()[0]
    return _(
        "Over all months: recognised {recognised} = net invoiced {net} − deferred {deferred} + accrued {accrued}.",
        recognised=reader.money(sums.total(mine, "recognised_minor"), currency),
        net=reader.money(sums.total(mine, "net_minor"), currency),
        deferred=reader.money(last["deferred_minor"], currency),
        accrued=reader.money(last["accrued_minor"], currency),
    )


def _broken_down(page: Page, view: View, by: str, parts: reports.Report, last: date, currency: str) -> None:
    """The products or tenants of the period; balances are those at its end."""
    meanings = {c.name: _(c.meaning) for c in parts.columns}
    known = [f for f in view.measures if f in parts.table.column_names]
    table = revenue.over_months(parts.table, [f"{by}_id", f"{by}_name"], known, view.balances, last)
    table = table.sort_by([(view.main, "descending")])
    names = [name or _nameless(by) for name in table[f"{by}_name"].to_pylist()]
    table = _tables.with_texts(table, "name", names)
    _behind.table(
        page,
        parts,
        table,
        [
            Column("name", _(BREAKDOWNS[by]), "open", _("Show the rows behind it"), 250),
            *_amounts({f: view.measures[f] for f in known}, currency, meanings),
        ],
        key=f"by_{by}_{view.main}",
        currency=currency,
        alt=_("{view} by {what}, most first", view=_(view.name), what=_(BREAKDOWNS[by]).lower()),
        on_open={"name": lambda row: _filters.put(by, row[f"{by}_id"] or NONE)},
        what=f"revenue_by_{by}_{currency}",
    )
