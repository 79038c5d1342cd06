"""Tables: typed columns in the reader's locale, links into the product, export and explanation beside each.

Money arrives as integer minor units and is shown as an exact decimal with the currency's own number of decimals;
sorting in the browser therefore sorts by value. The header says the currency, cells do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from billing_core.money import exponent
from billing_core.services import reports
from billing_core.services.exports import unit_name
from billing_core.services.formatting import NOTHING, Reader
from billing_core.services.language import N_, _
from pages import _files, _print

Kind = Literal[
    "text", "money", "ratio", "count", "quantity", "date", "month", "status", "open", "time", "trend", "link"
]

Colour = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray", "primary"]

STATUS_COLOURS: Mapping[str, Colour] = {
    N_("Paid"): "green",
    N_("Succeeded"): "green",
    N_("Open"): "blue",
    N_("Draft"): "gray",
    N_("Void"): "gray",
    N_("Past due"): "orange",
    N_("Uncollectible"): "red",
    N_("Failed"): "red",
    N_("Failed attempt"): "red",
    N_("Payment failed"): "red",
    N_("Draft about to finalize"): "blue",
    N_("Occupied, not billed"): "violet",
    N_("Disputed"): "red",
    N_("Customer without a tenant"): "violet",
    N_("Payment"): "green",
    N_("Refund"): "orange",
    N_("Credit note"): "orange",
    N_("Stands out"): "orange",
    N_("Planned"): "gray",
    N_("Waiting for approval"): "orange",
    N_("Running"): "blue",
    N_("Being read back"): "blue",
    N_("Done"): "green",
    N_("Partly done"): "orange",
    N_("Unknown"): "violet",
    N_("Rejected"): "gray",
}
ROW_HEIGHT = 35


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it is shown: the field of the report, its heading, how it reads and what it means.

    `is_zero_nothing` shows an amount of zero as a dash, where most rows have none. In a column of kind
    "link" `link_text` stands for the address; in one of kind "trend" the small charts have the `colour`.
    """

    field: str
    label: str
    kind: Kind = "text"
    help: str | None = None
    width: Literal["small", "medium", "large"] | int | None = None
    is_zero_nothing: bool = False
    link_text: str | None = None
    colour: Colour | None = None


def status_label(status: str, days_past_due: int | None = None) -> str:
    """Return Stripe's status as a word; an open invoice beyond its due date is past due."""
    if status == "open" and days_past_due is not None and days_past_due > 0:
        status = "past_due"
    return _(_plain(status))


def status_colour(word: str) -> Colour:
    """Return the colour of a status as it is shown, in the language being spoken."""
    return next((colour for known, colour in STATUS_COLOURS.items() if _(known) == word), "gray")


def _plain(code: str) -> str:
    return code.replace("_", " ").capitalize()


def to_decimal(minor: pa.ChunkedArray | pa.Array, currency: str) -> pa.ChunkedArray | pa.Array:
    """Return minor units as exact decimals in major units."""
    digits = exponent(currency)
    whole = pc.cast(minor, pa.decimal128(38 - digits - 1, 0))
    return pc.cast(pc.multiply(whole, pa.scalar(Decimal(1).scaleb(-digits))), pa.decimal128(38, digits), safe=False)


def _money(
    table: pa.Table, column: Column, currency: str | None, reader: Reader
) -> tuple[pa.ChunkedArray | pa.Array, int | None]:
    """Return the values and their decimals; with currencies of different decimals in one table, texts and None."""
    amounts = table[column.field]
    if column.is_zero_nothing:
        amounts = pc.if_else(pc.equal(amounts, 0), pa.scalar(None, amounts.type), amounts)
    if currency is not None:
        return to_decimal(amounts, currency), exponent(currency)
    codes = table["currency"].to_pylist()
    if len({exponent(c) for c in codes if c}) <= 1:
        shared = next((c for c in codes if c), "dkk")
        return to_decimal(amounts, shared), exponent(shared)
    texts = [reader.amount(a, c) if c else NOTHING for a, c in zip(amounts.to_pylist(), codes, strict=True)]
    return pa.array(texts, pa.string()), None


def _column(
    table: pa.Table, column: Column, currency: str | None, reader: Reader
) -> tuple[pa.ChunkedArray | pa.Array, Any]:
    config = st.column_config
    common: dict[str, Any] = {"help": column.help, "width": column.width}
    values = table[column.field]
    match column.kind:
        case "money":
            shown, digits = _money(table, column, currency, reader)
            if digits is None:
                return shown, config.TextColumn(column.label, alignment="right", **common)
            return shown, config.NumberColumn(
                column.label, format="localized", step=float(Decimal(1).scaleb(-digits)), **common
            )
        case "count" | "quantity":
            if column.is_zero_nothing:
                values = pc.if_else(pc.equal(values, 0), pa.scalar(None, values.type), values)
            return values, config.NumberColumn(column.label, format="localized", **common)
        case "date":
            return values, config.DateColumn(column.label, format="localized", **common)
        case "time":
            return values, config.DatetimeColumn(column.label, format="localized", timezone=str(reader.zone), **common)
        case "month":
            return values, config.DateColumn(column.label, format="MMM YYYY", **common)
        case "status":
            words = sorted({w for w in values.to_pylist() if w})
            shown = pa.array([[w] if w else [] for w in values.to_pylist()], pa.list_(pa.string()))
            named = {_(word): colour for word, colour in STATUS_COLOURS.items()}
            colours = [named.get(w, "gray") for w in words]
            return shown, config.MultiselectColumn(column.label, options=words, color=colours, **common)
        case "ratio":
            return pc.round(values, 3), config.NumberColumn(column.label, format="percent", step=0.001, **common)
        case "trend":
            return values, config.BarChartColumn(column.label, color=column.colour, y_min=0, **common)
        case "link":
            return values, config.LinkColumn(column.label, display_text=column.link_text, **common)
        case _:
            return values, config.TextColumn(column.label, **common)


def with_trends(table: pa.Table, field: str, trends: Sequence[Sequence[float | None]]) -> pa.Table:
    """Return the table with a column of small charts added: a list of heights per row, the same length in each."""
    heights = [[0.0 if value is None else value for value in trend] for trend in trends]
    return table.append_column(field, pa.array(heights, pa.list_(pa.float64())))


def with_texts(table: pa.Table, field: str, texts: Sequence[str | None]) -> pa.Table:
    """Return the table with a column of texts added, or in the place of one of that name."""
    column = strings(texts)
    index = table.schema.get_field_index(field)
    return table.append_column(field, column) if index < 0 else table.set_column(index, field, column)


def with_labels(table: pa.Table, field: str, labels: Mapping[str, str]) -> pa.Table:
    """Return the table with the codes of a column as words; a code without one is shown as plain words."""
    return with_texts(table, field, [_(labels.get(v, _plain(str(v)))) for v in table[field].to_pylist()])


def with_codes(table: pa.Table) -> pa.Table:
    """Return the table with `currency_code`, the currency as it is written for people."""
    return table.append_column("currency_code", pc.utf8_upper(table["currency"]))


def strings(values: Sequence[str | None]) -> pa.Array:
    """Return an Arrow array of texts."""
    return pa.array(values, pa.string())


def show(
    table: pa.Table,
    columns: Sequence[Column],
    *,
    key: str,
    reader: Reader,
    alt: str,
    currency: str | None = None,
    on_open: Mapping[str, Callable[[Mapping[str, Any]], None]] | None = None,
    rows: int = 12,
) -> None:
    """Draw a table; the header stays while its rows scroll, a click on a heading sorts.

    Args:
        table: the report's rows.
        columns: what to show of them, most useful first.
        key: unique on the page.
        reader: locale and zone.
        alt: the table's name for those who cannot see it.
        currency: of all money columns; None when each row has its own `currency`.
        on_open: for columns of kind "open", what a click on a cell does with its row.
        rows: how many are visible before it scrolls.
    """
    arrays: dict[str, Any] = {}
    configs: dict[str, Any] = {}
    for column in columns:
        if column.kind != "open":
            arrays[column.field], configs[column.field] = _column(table, column, currency, reader)
        else:
            act = (on_open or {})[column.field]
            cell_key = f"{key}_{column.field}"

            def clicked(cell_key: str = cell_key, act: Callable[[Mapping[str, Any]], None] = act) -> None:
                cell = st.session_state[cell_key]
                if cell is not None and 0 <= cell.row < table.num_rows:
                    act(table.slice(cell.row, 1).to_pylist()[0])

            # The mark says that a click leads somewhere; a button cell looks like text until the pointer is on it.
            arrays[column.field] = strings([f"{text} ›" if text else None for text in table[column.field].to_pylist()])
            configs[column.field] = st.column_config.ButtonColumn(
                column.label,
                type="tertiary",
                alignment="left",
                key=cell_key,
                on_click=clicked,
                help=column.help,
                width=column.width,
            )
    _print.add(lambda: _print.table_part(table, columns, currency, reader))
    height = ROW_HEIGHT * (min(table.num_rows, rows) + 1) + 2
    st.dataframe(
        pa.table(arrays),
        column_config=configs,
        hide_index=True,
        key=key,
        height=height,
        placeholder=NOTHING,
        alt=alt,
        row_height=ROW_HEIGHT,
    )


def beside(report: reports.Report, reader: Reader, *, key: str, what: str, also: Sequence[reports.Report] = ()) -> None:
    """Put the two things that go with every figure next to it: where it comes from, and its rows as a file.

    Args:
        report: the report shown.
        reader: for the as-of time.
        key: unique on the page.
        what: used in the file's name and the button's help.
        also: other reports whose figures stand in the same table; they are explained with it.
    """
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _files.offer(report, reader, key=key, what=what)
        explain(report, reader, key=key, also=also)


def explain(report: reports.Report, reader: Reader, *, key: str, also: Sequence[reports.Report] = ()) -> None:
    """Draw the "how is this computed" of a report, and of those shown with it: the definition, what each column means,
    as of when and in which zone."""
    with st.popover(_("How is this computed?"), type="tertiary", icon=":material/help:", key=f"explain_{key}"):
        for one in (report, *also):
            st.markdown(f"**{_(one.title)}**")
            st.markdown(_(one.purpose))
            st.caption(_("The columns of the file:"))
            st.markdown("\n".join(f"- **{c.name}** {_unit(c)}– {_(c.meaning)}" for c in one.columns))
            st.caption(
                _(
                    "As of {day}, days and months in {zone}. On the command line: `billing report {name}`.",
                    day=reader.day(one.as_of.astimezone(reader.zone).date()),
                    zone=reader.zone.key,
                    name=one.name,
                )
            )


def _unit(column: Any) -> str:
    return f"({unit_name(column.unit)}) " if column.unit else ""
