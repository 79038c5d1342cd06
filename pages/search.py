"""Search: one box for everything that somebody may read out on the telephone."""

from __future__ import annotations

from billing_core.services.language import _
from pages import _filters, _frame, _tenant_choice
from pages._frame import Page


def body(page: Page) -> None:
    """Draw the box and what it finds."""
    report = page.report("tenants_list")
    if report.table.num_rows == 0:
        _frame.empty(
            _("Nothing to find yet"),
            _("Import tenants and their occupancies, then refresh."),
            command="billing import tenants tenants.csv\nbilling import occupancies occupancies.csv\nbilling refresh",
        )
        return
    _filters.words(_("Find"), "q", placeholder=_("Name, e-mail, id, invoice number, CVR number"))
    _tenant_choice.table(page, report, report.table)


_frame.show("search", body)
