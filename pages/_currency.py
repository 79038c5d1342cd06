"""The choice of currency: amounts of different currencies are never added, so a page shows one at a time."""

from __future__ import annotations

from collections.abc import Iterable

from billing_core.services.language import _
from pages import _filters

EVERY = "all"


def known(codes: Iterable[str]) -> list[str]:
    """Return the currencies that occur, the most frequent first."""
    counts: dict[str, int] = {}
    for code in codes:
        counts[code] = counts.get(code, 0) + 1
    return sorted(counts, key=lambda code: (-counts[code], code))


def choose(codes: Iterable[str]) -> str:
    """Return the currency to show; with only one there is nothing to choose and nothing is drawn.

    Args:
        codes: the currency of each row, at least one; ties go to the alphabet.
    """
    options = known(codes)
    if len(options) == 1:
        return options[0]
    return _filters.choice(
        _("Currency"), "currency", options, default=options[0], name=str.upper, is_remembered=True, as_segments=True
    )
