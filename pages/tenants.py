"""Tenants: who they are and what they bring, whose use moves or is unusual, and several side by side."""

from __future__ import annotations

from billing_core.periods import add_months, month_of
from billing_core.services.language import N_, _, n_
from pages import _filters, _frame, _print, _tenants_compare, _tenants_list, _tenants_movers, _tenants_unusual
from pages._frame import Page

VIEWS = {
    "list": N_("All tenants"),
    "movers": N_("Movers"),
    "unusual": N_("Unusual"),
    "compare": N_("Compare"),
}


def _answer(page: Page) -> None:
    """Say how many tenants have how many units, and how that moved since the end of last month."""
    reader, this_month = page.reader, month_of(page.today)
    rows = {r["month"]: r for r in page.report("overview_kpis").table.to_pylist()}
    now, before = rows.get(this_month), rows.get(add_months(this_month, -1))
    if now is None:
        return
    said = n_(
        "**{count} tenant** has {units}",
        "**{count} tenants** have {units}",
        now["tenants_with_units_count"],
        count=reader.number(now["tenants_with_units_count"]),
        units=n_("{count} unit", "{count} units", now["units_count"], count=reader.number(now["units_count"])),
    )
    if before is not None:
        change = now["units_count"] - before["units_count"]
        said += ", " + (
            _(
                "{change} since the end of {month}",
                change=f"{'+' if change > 0 else ''}{reader.number(change)}",
                month=reader.month_name(add_months(this_month, -1)),
            )
            if change
            else _("as many as at the end of {month}", month=reader.month_name(add_months(this_month, -1)))
        )
    _print.answer(said + ".")


def body(page: Page) -> None:
    """Draw the page."""
    people = page.report("tenants_list").table
    if people.num_rows == 0:
        _frame.empty(
            _("No tenants yet"),
            _("Import tenants and their occupancies, then refresh."),
            command="billing import tenants tenants.csv\nbilling import occupancies occupancies.csv\nbilling refresh",
        )
        return
    _answer(page)
    view = _filters.choice(_("View"), "view", list(VIEWS), default="list", name=lambda v: _(VIEWS[v]), as_segments=True)
    match view:
        case "movers":
            _tenants_movers.show(page)
        case "unusual":
            _tenants_unusual.show(page)
        case "compare":
            ids = people["tenant_id"].to_pylist()
            names = dict(zip(ids, people["name"].to_pylist(), strict=True))
            _tenants_compare.show(page, names, dict(zip(ids, people["currency"].to_pylist(), strict=True)))
        case _:
            _tenants_list.show(page)


_frame.show("tenants", body)
