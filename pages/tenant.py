"""One tenant: everything support needs while somebody is on the telephone."""

from __future__ import annotations

import pyarrow.compute as pc

from billing_core.services.language import _
from pages import _filters, _frame, _tenant, _tenant_choice, _tenants_list
from pages._frame import Page


def body(page: Page) -> None:
    """Draw the tenant that the link asks for; without one, the tenants to choose from."""
    report = page.report("tenants_list")
    if report.table.num_rows == 0:
        _frame.empty(
            _("No tenants yet"),
            _("Import tenants and their occupancies, then refresh."),
            command="billing import tenants tenants.csv\nbilling import occupancies occupancies.csv\nbilling refresh",
        )
        return
    asked = _filters.identifier("tenant")
    if asked is not None:
        found = report.table.filter(pc.equal(report.table["tenant_id"], asked))
        if found.num_rows == 1:
            _tenant.show(page, asked)
            return
        _filters.note(_("The link asks for the tenant “{asked}”, which is not there; choose one.", asked=asked[:40]))
        _filters.put("tenant", None)
    words = _filters.words(_("Find"), "q", placeholder=_("Name, e-mail, id or CVR number"))
    rows = _tenants_list.found(report.table, words)
    if rows.num_rows == 0:
        _frame.empty(_("No tenant matches"), _("Try fewer letters, or look for it under Search."))
        return
    _tenant_choice.table(page, report, rows)


_frame.show("tenant", body)
