"""The measures of use, as people call them: units, days of units, and whatever is recorded under a name of its own."""

from __future__ import annotations

from collections.abc import Iterable

from billing_core.services.language import N_, _

PEAK = "units_peak"
DAYS = "units_days"
NAMES = {PEAK: N_("Units (peak)"), DAYS: N_("Unit days")}


def said(metric: str) -> str:
    """Return how a measure reads."""
    return _(NAMES[metric]) if metric in NAMES else metric


def ordered(metrics: Iterable[str]) -> list[str]:
    """Return the measures that occur, units first, the peak always."""
    found = set(metrics)
    return [PEAK, *(m for m in NAMES if m != PEAK and m in found), *sorted(found - set(NAMES))]
