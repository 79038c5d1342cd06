"""What a subscription was before anything told of it, read from the lines of its invoices.

A line that bills a whole period says what the item was from the beginning of the period to its end. Prorations say what
changed within one: a credit for unused time ends what was, a charge for remaining time begins what is. Trials come
from the subscription's own dates and from lines that charge nothing for an item that has a price.

Prorations that wait for an invoice are read like lines. An invoice that was voided or written off the moment it was
finalized, or whose draft stays one, says that collection was paused over its period. A subscription that is paused
because its trial ended without a way to pay has been so since the trial's end.

What lines cannot tell: a change without proration counts from the next period on; a pause counts for whole periods;
`unpaid` and `past_due` read as active; a price whose terms are not mirrored any more is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from billing_core.money import round_minor
from billing_core.rules.mirror_versions import ItemState, Moment

SOURCE = "invoice"


@dataclass(frozen=True, slots=True)
class LineDiscount:
    """What a line was less by one discount; `is_fixed` for an amount off, which does not grow with the line."""

    amount_minor: int
    is_forever: bool
    is_fixed: bool


@dataclass(frozen=True, slots=True)
class BilledLine:
    """A line of a licensed, recurring item.

    Attributes:
        state: the item as billed, for a whole period, without trial and discounts.
        starts_at: the beginning of what it bills.
        ends_at: its end (exclusive).
        amount_minor: of the line, before discounts; negative for a credit.
        is_proration: whether it bills a part of a period because something changed.
        billed_at: when its invoice was made; of two lines on the same time the later made counts.
        is_paused: whether its invoice shows that collection was paused.
        discounts: on the line.
    """

    state: ItemState
    starts_at: datetime
    ends_at: datetime
    amount_minor: int
    is_proration: bool
    billed_at: datetime
    is_paused: bool = False
    discounts: tuple[LineDiscount, ...] = ()


@dataclass(frozen=True, slots=True)
class _Told:
    """What holds for an item over [starts_at, ends_at) unless something that starts later says otherwise."""

    starts_at: datetime
    ends_at: datetime
    state: ItemState | None
    discounts: tuple[LineDiscount, ...] = ()
    billed_minor: int = 0


def moments(lines: Iterable[BilledLine], *, trial: tuple[datetime, datetime] | None, first: Moment) -> list[Moment]:
    """Return what a subscription was at every instant at which that changed, as far as its invoices tell.

    Args:
        lines: of one subscription, in any order.
        trial: its trial [start, end), if it had one.
        first: the first moment that others tell of.

    Returns:
        Moments before the first, in order of time; none without lines.
    """
    by_item: dict[str, list[BilledLine]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.starts_at, line.billed_at)):
        if line.starts_at < line.ends_at:
            by_item[line.state.subscription_item_id].append(line)
    if not by_item:
        return []
    told = {item_id: _told(of_item) for item_id, of_item in by_item.items()}
    edges = {edge for facts in told.values() for fact in facts for edge in (fact.starts_at, fact.ends_at)}
    edges |= set(trial or ())
    found = [
        Moment(at, tuple(s for _, facts in sorted(told.items()) if (s := _at(facts, at, trial)) is not None), SOURCE)
        for at in sorted(edges)
        if at < first.at
    ]
    paused = bool(first.items) and all(item.status == "paused" for item in first.items)
    if (
        paused
        and trial is not None
        and all(line.ends_at <= trial[1] for of_item in by_item.values() for line in of_item)
    ):
        found = [moment for moment in found if moment.at < trial[1]]
        found += [Moment(trial[1], first.items, SOURCE)] if trial[1] < first.at else []
    return found


def _told(lines: Sequence[BilledLine]) -> list[_Told]:
    """Return the facts of one item, in the order in which later ones win."""
    facts = [
        _Told(line.starts_at, line.ends_at, _whole(line), line.discounts, line.amount_minor)
        for line in lines
        if not line.is_proration
    ]
    changes: dict[datetime, list[BilledLine]] = defaultdict(list)
    for line in lines:
        if line.is_proration:
            changes[line.starts_at].append(line)
    for at in sorted(changes):
        change = _change(at, changes[at], _holding(facts, at, before=True))
        if change is not None:
            facts.append(change)
    # Stable: a change at the beginning of a period comes behind the period's own line.
    return sorted(facts, key=lambda fact: fact.starts_at)


def _whole(line: BilledLine) -> ItemState:
    if line.is_paused:
        return replace(line.state, is_paused=True)
    # Nothing charged for an item with a price: a free period, which is a trial.
    is_free = line.amount_minor == 0 and line.state.period_amount_minor > 0
    return replace(line.state, is_trial=True, status="trialing") if is_free else line.state


def _change(at: datetime, lines: Sequence[BilledLine], before: _Told | None) -> _Told | None:
    """Return what the prorations of one instant amount to; None when they cancel each other out.

    An item may change several times within a second: each state that was charged and credited again is gone.
    """
    was = before.state if before is not None else None
    left: Counter[ItemState] = Counter()
    free: Counter[ItemState] = Counter()
    for line in lines:
        if line.amount_minor:
            left[line.state] += 1 if line.amount_minor > 0 else -1
        else:
            free[line.state] += 1
    for state, count in free.items():
        # An amount of 0 has no sign. What was there is left first, anything else is begun first, then by turns.
        left[state] += count % 2 * (-1 if _is_same(state, was) else 1)
    ends_at = max(line.ends_at for line in lines)
    begun = [line.state for line in lines if left[line.state] > 0]
    if begun:
        held = before.discounts if before is not None else ()
        is_paused = was is not None and was.is_paused
        return _Told(
            at, ends_at, replace(begun[-1], is_paused=is_paused), held, before.billed_minor if before is not None else 0
        )
    if any(count < 0 for count in left.values()):
        return _Told(at, ends_at, None)
    return None


def _is_same(state: ItemState, was: ItemState | None) -> bool:
    return was is not None and (state.price_id, state.quantity) == (was.price_id, was.quantity)


def _holding(facts: Sequence[_Told], at: datetime, *, before: bool = False) -> _Told | None:
    """Return the fact that holds at an instant, or just before it."""
    found = None
    for fact in facts:
        begun = fact.starts_at < at if before else fact.starts_at <= at
        holds = begun and (at <= fact.ends_at if before else at < fact.ends_at)
        if holds and (found is None or fact.starts_at >= found.starts_at):
            found = fact
    return found


def _at(facts: Sequence[_Told], at: datetime, trial: tuple[datetime, datetime] | None) -> ItemState | None:
    fact = _holding(facts, at)
    if fact is None or fact.state is None:
        return None
    state = fact.state
    if trial is not None and trial[0] <= at < trial[1]:
        return replace(state, is_trial=True, status="trialing")
    if state.is_trial:
        return state
    forever, other = 0, 0
    for discount in fact.discounts:
        cut = discount.amount_minor
        if not discount.is_fixed and fact.billed_minor:
            # A share of the line: the same share of what the item is now.
            cut = round_minor(Fraction(cut * state.period_amount_minor, fact.billed_minor))
        forever, other = (forever + cut, other) if discount.is_forever else (forever, other + cut)
    return replace(state, forever_discount_minor=forever, other_discount_minor=other)
