"""The tenants as support looks for them: by who they are, not by what they bring."""

from __future__ import annotations

import pyarrow as pa

from billing_core.services.language import _, n_, p_
from billing_core.services.reports import Report
from pages import _charts, _tables, _tenants_list
from pages._frame import Page
from pages._tables import Column


def table(page: Page, report: Report, rows: pa.Table) -> None:
    """Draw tenants of `tenants_list`; a click on a name opens the tenant.

    Args:
        page: the frame's.
        report: that the rows are from.
        rows: at least one.
    """
    count = page.reader.number(rows.num_rows)
    _charts.heading(
        n_("{count} tenant", "{count} tenants", rows.num_rows, count=count), _("Click a name for the tenant.")
    )
    _tables.show(
        _tables.with_codes(rows).sort_by([("name", "ascending")]),
        [
            Column("name", _("Tenant"), "open", _("Open the tenant"), 240),
            Column("email", _("E-mail"), width=260),
            Column("cvr_number", _("CVR number"), width=100),
            Column("units_count", _("Units"), "count", width=70),
            Column("subscriptions_count", _("Subscriptions"), "count", width=105),
            Column("past_due_minor", p_("amount", "Past due"), "money", is_zero_nothing=True, width=110),
            Column("currency_code", _("Currency"), width=80),
            Column("deleted_on", _("Deleted"), "date", width=110),
        ],
        key="tenant_choice",
        reader=page.reader,
        alt=_("Tenants by name"),
        on_open={"name": _tenants_list.open_tenant},
        rows=16,
    )
    _tables.beside(report, page.reader, key="tenant_choice", what="tenants")
