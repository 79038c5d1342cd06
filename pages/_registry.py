"""The pages there are: one line each, read by the navigation, the frame and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class PageSpec:
    """One page: its name in the URL (and of its file), title, place in the menu, and the permission it asks for."""

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
        "overview", "Overview", "", "reports.read", "How billing stands, and what needs attention.", is_default=True
    ),
    PageSpec(
        "revenue",
        "Revenue",
        "Finance",
        "reports.read",
        "What was invoiced, credited and collected, by month and currency.",
    ),
    PageSpec("invoices", "Invoices", "Finance", "reports.read", "Every invoice with its lines, taxes and payments."),
    PageSpec("usage", "Usage", "Tenants", "reports.read", "Units and usage of each tenant over time."),
)
BY_NAME = {p.name: p for p in PAGES}
