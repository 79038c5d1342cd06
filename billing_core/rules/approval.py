"""When a plan needs a second person: thresholds on money, on a tenant's units, and on the number of tenants.

Money is compared per currency, as the sum of what each change moves in either direction: two large changes that cancel
out are still two large changes. A currency without a threshold of its own has the threshold 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from billing_core.money import to_major

CHANGE_MINOR = {"dkk": 1_000_000, "eur": 134_000, "sek": 1_500_000, "nok": 1_500_000}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a second person has to approve; each value itself already needs approval.

    Attributes:
        change_minor: minor units of change per currency.
        units_share: change of a tenant's units against what they were.
        units_count: and at least so many units.
        tenants_count: tenants whose units or money change.
    """

    change_minor: Mapping[str, int] = field(default_factory=lambda: dict(CHANGE_MINOR))
    units_share: Fraction = Fraction(1, 5)
    units_count: int = 5
    tenants_count: int = 50


@dataclass(frozen=True, slots=True)
class Change:
    """What a plan changes for a tenant, against what the tenant had before.

    `before_count` is None for a tenant's very first count, which nothing can be compared with.
    """

    tenant_id: str
    before_count: int | None
    after_count: int
    change_minor: int
    currency: str

    @property
    def is_change(self) -> bool:
        """Whether units or money move at all; a first report of a period often only repeats the last one."""
        return self.after_count != self.before_count or self.change_minor != 0


def outlier(before_count: int | None, after_count: int, thresholds: Thresholds) -> str | None:
    """Return why a change of units stands out, or None: to zero, or by the share and the number of the thresholds."""
    if before_count is None or before_count == after_count:
        return None
    if after_count == 0:
        return f"to zero from {before_count}"
    moved = abs(after_count - before_count)
    if moved < thresholds.units_count or Fraction(moved) < thresholds.units_share * before_count:
        return None
    if before_count == 0:
        return f"from zero to {after_count}"
    percent = round(Fraction(100 * (after_count - before_count), before_count))
    return f"{percent:+d} % against {before_count}"


def reasons(changes: Sequence[Change], thresholds: Thresholds) -> tuple[str, ...]:
    """Return why a plan needs a second person, one sentence for each reason; empty when it does not."""
    found = []
    moved: dict[str, int] = defaultdict(int)
    for change in changes:
        moved[change.currency] += abs(change.change_minor)
    for currency, total in sorted(moved.items()):
        limit = thresholds.change_minor.get(currency, 0)
        if total and total >= limit:
            found.append(
                f"It changes {to_major(total, currency)} {currency.upper()};"
                f" from {to_major(limit, currency)} on a second person approves."
            )
    found += [
        f"{change.tenant_id} changes {why}."
        for change in changes
        if (why := outlier(change.before_count, change.after_count, thresholds))
    ]
    tenants = {change.tenant_id for change in changes if change.is_change}
    if len(tenants) >= thresholds.tenants_count:
        found.append(f"It changes {len(tenants)} tenants; from {thresholds.tenants_count} on a second person approves.")
    return tuple(found)
