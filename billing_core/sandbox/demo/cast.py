"""Who is in the demo company: sixty tenants, each with a price, a way to pay and a story.

The first dozen carry the planted faults, then come the stories that a billing desk meets, then ordinary tenants. Fewer
tenants are the first ones of the list; more are ordinary.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

from billing_core.periods import add_months
from billing_core.sandbox.demo.names import Company, companies
from billing_core.sandbox.demo.units import Counts, Occupancy, Portfolio, mistakes, occupancies_of

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Part:
    """What is written down of a tenant before it begins.

    Args:
        story: what happens to it; names a function in `stories` or `planted`, or `ordinary`.
        pricing: metered, licensed, plus, tiered or annual.
        pays: card, terms14 or terms30.
        joins: share of the history that is over when it joins; 0 is among the first.
        size: units at the beginning.
        country: decides the currency (euro abroad) and reverse charge.
        growth: units added or sold per year, as a share of the size.
    """

    story: str
    pricing: str
    pays: str = "card"
    joins: float = 0.0
    size: int = 12
    country: str = "DK"
    growth: float = 0.1
    coupon: str | None = None


PARTS: tuple[Part, ...] = (
    # Planted faults.
    Part("no_subscription", "metered", "terms14", 0.55, 9, growth=0),
    Part("missing_unit_price", "metered", "card", 0.35, 14, growth=0),
    Part("two_metered_subscriptions", "metered", "card", 0.2, 18),
    Part("period_not_reported", "metered", "terms30", 0.1, 31),
    Part("reported_not_counted", "metered", "card", 0.05, 22),
    Part("billed_not_reported", "metered", "card", 0.15, 27),
    Part("billed_vacancy", "licensed", "card", 0.1, 16, growth=0),
    Part("flat_fee_missing", "metered", "terms14", 0.4, 11),
    Part("collection_stopped", "licensed", "card", 0.25, 12, growth=0),
    Part("invoice_number_gap", "metered", "terms14", 0.0, 24),
    Part("field_differs", "licensed", "card", 0.3, 8, growth=0),
    Part("late_registration", "metered", "card", 0.1, 19),
    # Stories.
    Part("trial_converts", "metered", "card", 0.3, 13, growth=0.3),
    Part("card_recovers", "metered", "card", 0.0, 42, growth=0.2),
    Part("ordinary", "tiered", "terms30", 0.0, 64, growth=0.25),
    Part("ordinary", "annual", "card", 0.0, 20, growth=0.1),
    Part("refund", "licensed", "card", 0.05, 15),
    Part("ordinary", "metered", "card", 0.0, 25, "SE", growth=0.3),
    Part("upgrade", "licensed", "card", 0.0, 18, growth=0.2),
    Part("late_payer", "metered", "terms14", 0.0, 38),
    Part("credit_before_payment", "metered", "terms30", 0.0, 29),
    Part("cancel_and_return", "licensed", "card", 0.0, 10),
    Part("trial_lapses", "metered", "card", 0.45, 6),
    Part("pause", "licensed", "card", 0.05, 9),
    Part("ordinary", "metered", "card", 0.0, 33, growth=0.2, coupon="forever"),
    Part("dispute_won", "metered", "card", 0.0, 21),
    Part("uncollectible", "metered", "terms14", 0.1, 17, growth=0),
    Part("credit_after_payment", "metered", "card", 0.0, 26),
    Part("downgrade", "plus", "card", 0.0, 22, growth=-0.2),
    Part("leaves", "licensed", "card", 0.0, 13, growth=-0.3),
    Part("ordinary", "licensed", "card", 0.6, 12, "DE", growth=0.2),
    Part("void_and_reissue", "metered", "terms14", 0.5, 16),
    Part("card_fails_to_the_end", "metered", "card", 0.15, 7, growth=0),
    Part("past_due_now", "metered", "card", 0.2, 15),
    Part("ordinary", "tiered", "terms14", 0.62, 48, growth=0.4),
    Part("switch_to_licensed", "metered", "card", 0.05, 12),
    Part("trial_now", "metered", "card", 1.0, 11),
    Part("ordinary", "plus", "card", 0.75, 18, growth=0.3, coupon="repeating"),
    Part("dispute_lost", "licensed", "card", 0.1, 14),
    Part("trial_without_card", "metered", "card", 0.5, 8),
    Part("credit_refunded", "licensed", "card", 0.2, 17),
    Part("ordinary", "annual", "terms30", 0.57, 34, growth=0.2),
    Part("pause_now", "licensed", "card", 0.3, 9, growth=0),
    Part("dispute_open", "metered", "card", 0.68, 19),
    Part("leaves", "metered", "terms14", 0.0, 28, growth=-0.4),
    Part("ordinary", "licensed", "card", 0.82, 11, coupon="once"),
    Part("leaves_soon", "licensed", "card", 0.4, 12, growth=0),
    Part("empty", "metered", "card", 0.45, 5, growth=0),
    Part("deleted", "licensed", "card", 0.1, 6, growth=0),
    Part("ordinary", "metered", "terms30", 0.0, 57, growth=0.15),
)

ORDINARY = (
    Part("ordinary", "metered", "card", 0.0, 16, growth=0.2),
    Part("ordinary", "licensed", "card", 0.0, 10, growth=0.1),
    Part("ordinary", "metered", "terms14", 0.0, 24, growth=0.2),
    Part("ordinary", "plus", "card", 0.0, 14, growth=0.1),
    Part("ordinary", "licensed", "terms30", 0.0, 12, growth=0.2),
)


@dataclass
class Tenant:
    """One tenant of the demo company, and what has become of it in Stripe."""

    tenant_id: str
    part: Part
    company: Company
    created_on: date
    occupancies: list[Occupancy]
    counts: Counts
    rng: random.Random
    name: str = ""
    deleted_on: date | None = None
    customer: str = ""
    subscription: str = ""
    # Reported peak by (subscription item, period start): what the platform believes it told Stripe last.
    reported: dict[tuple[str, int], int] = field(default_factory=dict)
    revisions: dict[tuple[str, int], int] = field(default_factory=dict)
    is_synced: bool = True
    # Local date from which the platform forgets to report (planted), and values it reports instead of the count.
    mute_periods: set[int] = field(default_factory=set)
    false_values: dict[int, int] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        """Kroner at home, euro abroad."""
        return "dkk" if self.part.country == "DK" else "eur"

    def fix(self, occupancies: list[Occupancy]) -> None:
        """Replace what is known of the tenant's units."""
        self.occupancies = occupancies
        self.counts = Counts(occupancies)


def cast(seed: int, count: int, first_day: date, today: date) -> list[Tenant]:
    """Return the tenants, with their units from before the first day to some weeks after today."""
    parts = [PARTS[n] if n < len(PARTS) else _ordinary(seed, n) for n in range(count)]
    rng = random.Random(f"{seed}:companies")
    tenants = []
    for number, (part, company) in enumerate(zip(parts, companies(rng, [p.country for p in parts]), strict=True)):
        tenant_id = f"t_{number + 1:03d}"
        own = random.Random(f"{seed}:{tenant_id}")
        joins = _joining_day(own, part, first_day, today)
        rows = occupancies_of(own, _portfolio(own, tenant_id, part, joins, today), today)
        rows += mistakes(own, rows, tenant_id)
        tenants.append(Tenant(tenant_id, part, company, joins, rows, Counts(rows), own, name=company.name))
    return tenants


def _ordinary(seed: int, number: int) -> Part:
    rng = random.Random(f"{seed}:part:{number}")
    base = ORDINARY[number % len(ORDINARY)]
    joins = 0.0 if rng.random() < 0.25 else rng.uniform(0.1, 0.95)
    size = max(3, round(base.size * rng.lognormvariate(0, 0.5)))
    return Part("ordinary", base.pricing, base.pays, joins, size, growth=round(rng.gauss(0.12, 0.2), 2))


def _joining_day(rng: random.Random, part: Part, first_day: date, today: date) -> date:
    if part.story == "trial_now":
        return today - 6 * DAY
    if part.story in ("past_due_now", "dispute_open"):
        # Renews some days before today, so that the failure is still being retried, the dispute still unanswered.
        months = max(1, round((today - first_day).days * (1 - part.joins) / 30))
        return max(first_day, add_months(today - 4 * DAY, -months))
    span = (today - first_day).days
    # New tenants come in spring and autumn rather than in July or at Christmas.
    day = first_day + round(span * part.joins) * DAY + rng.randint(0, 24) * DAY
    while day.month in (7, 12) and rng.random() < 0.6:
        day += 20 * DAY
    return min(day, max(first_day, today - 3 * DAY))


def _portfolio(rng: random.Random, tenant_id: str, part: Part, joins: date, today: date) -> Portfolio:
    changes = [(joins, part.size)]
    yearly = part.growth * part.size
    day, stock, due = joins, float(part.size), 0.0
    while day < today:
        day = day + rng.randint(50, 130) * DAY
        due += yearly * 0.25
        step = round(due + rng.uniform(-0.6, 0.6))
        if step and stock + step >= 2 and joins < day.replace(day=1) and day < today:
            changes.append((day.replace(day=1), step))
            stock, due = stock + step, due - step
    return Portfolio(tenant_id, tuple(changes))
