"""An independent ledger: what Stripe's rules say a subscription costs, written without any of the engine's code.

It knows one customer with one subscription: a licensed item, perhaps a metered one beside it (sum), one discount, tax
rates and a customer balance. Time is Unix seconds, money is integer minor units, rounding is half away from zero and
once per line. The caller plays a life in order of time; the ledger renews by itself on the way.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

HOUR = 3600
# Less than this is not charged in DKK but left on the customer's balance.
SMALLEST_CHARGE = 250


def rounded(value: Fraction) -> int:
    """Return the nearest integer, halves away from zero."""
    size = int(abs(value) + Fraction(1, 2))
    return size if value >= 0 else -size


def months_after(start: int, months: int) -> int:
    """Return the same day and time some months later, or the last day of a shorter month."""
    base = datetime.fromtimestamp(start, UTC)
    year, month = divmod(base.year * 12 + base.month - 1 + months, 12)
    day = min(base.day, monthrange(year, month + 1)[1])
    return int(base.replace(year=year, month=month + 1, day=day).timestamp())


@dataclass(frozen=True)
class Tariff:
    """A price: an amount per unit, or tiers of (up to or None, unit, flat)."""

    months: int
    unit: Fraction = Fraction(0)
    tiers: tuple[tuple[int | None, Fraction, int], ...] = ()
    is_graduated: bool = True

    def parts(self, quantity: int) -> list[Fraction]:
        """Return the exact cost of a whole period, line by line: per tier its units, then its flat amount if any."""
        if not self.tiers:
            return [self.unit * quantity]
        found: list[Fraction] = []
        bottom = 0
        for top, unit, flat in self.tiers:
            if not self.is_graduated:
                if top is None or quantity <= top:
                    return [unit * quantity, *([Fraction(flat)] if flat else [])]
                continue
            if bottom and quantity <= bottom:
                break
            in_tier = quantity - bottom if top is None else min(quantity, top) - bottom
            found += [unit * in_tier, *([Fraction(flat)] if flat else [])]
            bottom = top or quantity
        return found

    def cost(self, quantity: int) -> Fraction:
        """Return the exact cost of a whole period."""
        return sum(self.parts(quantity), Fraction(0))


@dataclass(frozen=True)
class Discount:
    """A percentage or an amount, for one invoice, until an instant, or for ever."""

    percent: int = 0
    amount: int = 0
    is_once: bool = False
    until: int | None = None


@dataclass
class Line:
    """A line as it is being worked out."""

    amount: int
    is_discountable: bool = True
    has_embedded_discount: bool = False
    usage: tuple[int, int] | None = None
    off: int = 0
    fixed_off: int = 0
    tax: list[int] = field(default_factory=list)


@dataclass
class Debit:
    """What was billed for a span of the licensed item: the lines of an invoice, or one that still waits."""

    lines: list[Line]
    start: int
    end: int


@dataclass
class Invoice:
    """A finished invoice."""

    lines: list[Line]
    total: int
    due: int
    starting: int
    ending: int


class Ledger:
    """One customer's books."""

    def __init__(
        self,
        start: int,
        tariff: Tariff,
        quantity: int,
        *,
        metered: Tariff | None = None,
        trial_days: int = 0,
        discount: Discount | None = None,
        taxes: tuple[tuple[int, bool], ...] = (),
        mode: str = "included",
    ) -> None:
        self.now, self.mode = start, mode
        self.tariff, self.quantity, self.metered = tariff, quantity, metered
        self.discount, self.taxes = discount, taxes
        self.balance = 0
        self.invoices: list[Invoice] = []
        self.waiting: list[Line] = []
        self.usage: list[tuple[int, int]] = []
        self.debit: Debit | None = None
        self.is_over = False
        self.ends_with_period = False
        self.trial_end = start + trial_days * 86400 if trial_days else None
        self.anchor = self.trial_end or start
        self.period = (start, self.trial_end or self._next(tariff, start))
        self.meter_period = (start, self.trial_end or (self._next(metered, start) if metered else start))
        lines = [Line(0)] if self.trial_end else self._period_lines()
        usage = [Line(0)] if metered and mode == "classic" else []
        self._finish([*lines, *usage])
        if not self.trial_end:
            self.debit = Debit(lines, *self.period)

    # --- time ----------------------------------------------------------------------------------------------------

    def _next(self, tariff: Tariff, after: int) -> int:
        step = 0
        while months_after(self.anchor, step * tariff.months) <= after:
            step += 1
        return months_after(self.anchor, step * tariff.months)

    @property
    def next_boundary(self) -> int:
        """When the next period of either item ends."""
        return min(self.period[1], self.meter_period[1]) if self.metered else self.period[1]

    def advance(self, to: int) -> None:
        """Renew as often as time asks for; no action may fall into the hour after a renewal."""
        while not self.is_over and self.next_boundary <= to:
            self.now = self.next_boundary
            self._renew()
        self.now = to

    def _renew(self) -> None:
        at, lines = self.now, []
        is_trial_over = self.trial_end == at
        renews_licensed = self.period[1] == at
        renews_metered = bool(self.metered) and self.meter_period[1] == at
        usage_line = None
        if renews_metered and not is_trial_over:
            usage_line = Line(0, usage=self.meter_period)
        if self.ends_with_period:
            self.is_over = True
        lines += self._take_waiting()
        if renews_licensed and not self.is_over:
            self.period = (at, self._next(self.tariff, at))
            period_lines = self._period_lines()
            self.debit = Debit(period_lines, *self.period)
            lines += period_lines
        if renews_metered and self.metered:
            self.meter_period = (at, self._next(self.metered, at))
        if usage_line:
            lines.append(usage_line)
        if lines:
            self._finish(lines)

    # --- what happens --------------------------------------------------------------------------------------------

    def use(self, value: int) -> None:
        """Report usage now."""
        self.usage.append((self.now, value))

    def give_credit(self, amount: int) -> None:
        """Put an amount on the customer's balance."""
        self.balance -= amount

    def change(self, tariff: Tariff, quantity: int, behavior: str) -> None:
        """Change price and quantity of the licensed item."""
        if (tariff, quantity) == (self.tariff, self.quantity):
            return
        is_trial = self.trial_end is not None and self.now < self.trial_end
        is_new_interval = tariff.months != self.tariff.months and not is_trial
        prorates = behavior != "none" and not is_trial
        made = self._credit() if prorates else []
        self.tariff, self.quantity = tariff, quantity
        if is_new_interval:
            self._restart()
            return
        if prorates:
            made.append(self._charge_rest())
        if behavior == "always_invoice" and made:
            self._finish(self._take_waiting())

    def _credit(self) -> list[Line]:
        debit, self.debit = self.debit, None
        if debit is None or self.now >= debit.end:
            return []
        begin = max(self.now, debit.start)
        if self.mode == "classic":
            cost = self.tariff.cost(self.quantity)
            line = self._prorated(cost, self._exact_off(cost), -self._share_of_period())
        else:
            share = -Fraction(debit.end - begin, debit.end - debit.start)
            off = sum(line.off or line.fixed_off for line in debit.lines)
            line = self._prorated(Fraction(sum(line.amount for line in debit.lines)), Fraction(off), share)
        self.waiting.append(line)
        return [line]

    def _prorated(self, gross: Fraction, off: Fraction, share: Fraction) -> Line:
        has_discount = off > 0
        if self.mode == "itemized":
            return Line(rounded(gross * share), False, fixed_off=rounded(off * share))
        return Line(rounded((gross - off) * share), False, has_embedded_discount=has_discount)

    def _share_of_period(self) -> Fraction:
        """Return what is left of the period ÷ the full period by the anchor."""
        start, end = self.period
        return Fraction(end - self.now, end - start)

    def _charge_rest(self) -> Line:
        cost = self.tariff.cost(self.quantity)
        line = self._prorated(cost, self._exact_off(cost), self._share_of_period())
        self.waiting.append(line)
        self.debit = Debit([line], self.now, self.period[1])
        return line

    def _period_lines(self) -> list[Line]:
        """Return the lines of a whole period, which come to its cost rounded once."""
        lines, exact = list[Line](), Fraction(0)
        for part in self.tariff.parts(self.quantity):
            lines.append(Line(rounded(exact + part) - rounded(exact)))
            exact += part
        return lines

    def _restart(self) -> None:
        self.anchor = self.now
        lines = self._take_waiting()
        old = self.meter_period
        self.period = (self.now, self._next(self.tariff, self.now))
        period_lines = self._period_lines()
        lines += period_lines
        if self.metered:
            self.meter_period = (self.now, self._next(self.metered, self.now))
            lines.append(Line(0, usage=(old[0], self.now)))
        self._finish(lines)
        self.debit = Debit(period_lines, *self.period)

    def cancel(self, *, invoice_now: bool, prorate: bool) -> None:
        """Cancel at once."""
        is_trial = self.trial_end is not None and self.now < self.trial_end
        if prorate and not is_trial:
            self._credit()
        if invoice_now:
            lines = self._take_waiting()
            if self.metered and not is_trial and self.now > self.meter_period[0]:
                lines.append(Line(0, usage=(self.meter_period[0], self.now)))
            if lines:
                self._finish(lines)
        self.is_over = True

    def cancel_at_period_end(self) -> None:
        """Let the subscription end with the period that is the last to end."""
        self.ends_with_period = True

    # --- invoices ------------------------------------------------------------------------------------------------

    def _take_waiting(self) -> list[Line]:
        taken, self.waiting = self.waiting, []
        return taken

    def _live(self) -> Discount | None:
        if self.discount and (self.discount.until is None or self.now < self.discount.until):
            return self.discount
        return None

    def _exact_off(self, cost: Fraction) -> Fraction:
        discount = self._live()
        if discount is None:
            return Fraction(0)
        return cost * Fraction(discount.percent, 100) if discount.percent else min(Fraction(discount.amount), cost)

    def _finish(self, lines: list[Line]) -> None:
        for line in lines:
            if line.usage and self.metered:
                used = sum(v for at, v in self.usage if line.usage[0] <= at < line.usage[1])
                line.amount = rounded(self.metered.cost(used))
        self._take_off(lines)
        for line in lines:
            line.tax = self._tax(line.amount - line.off)
        inclusive = [is_inclusive for _, is_inclusive in self.taxes]
        added = sum(t for line in lines for t, inside in zip(line.tax, inclusive, strict=True) if not inside)
        total = sum(line.amount - line.off for line in lines) + added
        start, net = self.balance, total + self.balance
        end = min(0, net) if total else start
        if total and 0 < net < SMALLEST_CHARGE:
            end = net
        self.balance = end
        self.invoices.append(Invoice(lines, total, total + start - end if total else 0, start, end))

    def _take_off(self, lines: list[Line]) -> None:
        for line in lines:
            line.off = line.fixed_off
        discount = self._live()
        if discount is None:
            return
        bases = [line.amount if line.is_discountable and line.amount > 0 else 0 for line in lines]
        if discount.percent:
            parts = [rounded(Fraction(base * discount.percent, 100)) for base in bases]
        else:
            parts = self._split(min(discount.amount, sum(bases)), bases)
        for line, part in zip(lines, parts, strict=True):
            line.off += part
        takes = any(line.off for line in lines) or any(line.has_embedded_discount for line in lines)
        if discount.is_once and takes:
            self.discount = None

    @staticmethod
    def _split(amount: int, bases: list[int]) -> list[int]:
        whole = sum(bases)
        if not whole:
            return [0] * len(bases)
        floors = [amount * base // whole for base in bases]
        order = sorted(range(len(bases)), key=lambda i: (-(amount * bases[i] % whole), i))
        for i in order[: amount - sum(floors)]:
            floors[i] += 1
        return floors

    def _tax(self, net: int) -> list[int]:
        inside = sum(Fraction(percent, 100) for percent, is_inclusive in self.taxes if is_inclusive)
        base = Fraction(net) / (1 + inside)
        return [rounded(base * Fraction(percent, 100)) for percent, _ in self.taxes]
