"""The pages there are: one line each, read by the navigation, the frame and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from billing_core.services.language import N_

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class PageSpec:
    """One page: its name in the URL (and of its file), title, place in the menu, and the permission it asks for.

    Title, section and help are marked texts, translated where they are shown.
    """

    name: str
    title: str
    section: str
    permission: str
    help: str
    is_default: bool = False

    @property
    def path(self) -> Path:
        """The page's file, absolute, so that it does not depend on where the UI script lies."""
        return HERE / f"{self.name}.py"


PAGES = (
    PageSpec(
        "overview",
        N_("Overview"),
        "",
        "reports.read",
        N_("How billing stands, and what needs attention."),
        is_default=True,
    ),
    PageSpec(
        "revenue",
        N_("Revenue"),
        N_("Finance"),
        "reports.read",
        N_("What was invoiced, credited and collected, by month and currency."),
    ),
    PageSpec(
        "recurring",
        N_("Recurring revenue"),
        N_("Finance"),
        "reports.read",
        N_("How monthly recurring revenue moves, and how much of it stays."),
    ),
    PageSpec(
        "receivables",
        N_("Receivables"),
        N_("Finance"),
        "reports.read",
        N_("What is owed, for how long, and how fast it is collected."),
    ),
    PageSpec(
        "invoices",
        N_("Invoices"),
        N_("Finance"),
        "reports.read",
        N_("Every invoice with its lines, taxes and payments."),
    ),
    PageSpec(
        "tenants",
        N_("Tenants"),
        N_("Tenants"),
        "reports.read",
        N_("Every tenant with its trends: who moves, what is unusual, several side by side."),
    ),
    PageSpec(
        "usage",
        N_("Usage"),
        N_("Tenants"),
        "reports.read",
        N_("Units and usage of each tenant over time, and where the running month is heading."),
    ),
    PageSpec(
        "search",
        N_("Search"),
        N_("Support"),
        "reports.read",
        N_("Find a tenant, customer, subscription or invoice by anything known of it."),
    ),
    PageSpec(
        "tenant",
        N_("Tenant"),
        N_("Support"),
        "reports.read",
        N_("One tenant: units, usage, recurring revenue, invoices, payments and notes."),
    ),
    PageSpec(
        "unit_sync",
        N_("Unit sync"),
        N_("Actions"),
        # Who may look may be one who approves and does not report himself; what is done is checked where it is done.
        "reports.read",
        N_("Tell Stripe how many units each tenant occupies: plan, look, approve, report, verify."),
    ),
)
BY_NAME = {p.name: p for p in PAGES}
