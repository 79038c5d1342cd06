"""Generated lives of subscriptions on the sandbox equal an independent ledger, to the minor unit, across a restart.

Every life has its own clock, prices, trial, discount, taxes and usage, and changes quantity and price at odd seconds in
all three proration behaviours; some get credit, some end. Half of each life is lived before the server restarts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

_spec = spec_from_file_location("billing_ledger", Path(__file__).with_name("ledger.py"))
assert _spec is not None
ledger = module_from_spec(_spec)
__import__("sys").modules["billing_ledger"] = ledger
assert _spec.loader is not None
_spec.loader.exec_module(ledger)

BEHAVIORS = ("create_prorations", "always_invoice", "none")


@dataclass
class Catalogue:
    """Prices in Stripe and what the ledger calls them."""

    licensed: list[tuple[str, Any]] = field(default_factory=list)
    metered: list[tuple[str, Any]] = field(default_factory=list)
    rates: dict[tuple[int, bool], str] = field(default_factory=dict)


@dataclass
class Life:
    """One subscription and its books."""

    seed: int
    dice: random.Random
    customer: str
    clock: str
    subscription: str
    item: str
    books: Any
    price: int
    story: list[str] = field(default_factory=list)


def catalogue(shop: Any) -> Catalogue:
    """Make flat, fractional, graduated, volume and yearly prices, metered ones, and tax rates."""
    made = Catalogue()
    for amount in (1900, 333, 4999):
        made.licensed.append((shop.price(amount, name=f"L{amount}"), ledger.Tariff(1, Fraction(amount))))
    fine = shop.price(unit_amount_decimal="123.456", name="Fine")
    made.licensed.append((fine, ledger.Tariff(1, Fraction("123.456"))))
    steps = [(3, "700", 0), (8, "649.5", 1000), (None, "590.25", 0)]
    for mode in ("graduated", "volume"):
        tiers = [
            {"up_to": top or "inf", "unit_amount_decimal": unit, **({"flat_amount": flat} if flat else {})}
            for top, unit, flat in steps
        ]
        price = shop.price(name=mode, billing_scheme="tiered", tiers_mode=mode, tiers=tiers)
        exact = tuple((top, Fraction(unit), flat) for top, unit, flat in steps)
        made.licensed.append((price, ledger.Tariff(1, tiers=exact, is_graduated=mode == "graduated")))
    made.licensed.append((shop.price(19900, name="Year", interval="year"), ledger.Tariff(12, Fraction(19900))))
    meter = shop.meter("calls")
    made.metered.append(
        (shop.metered(meter, unit_amount_decimal="7.5", name="Calls"), ledger.Tariff(1, Fraction("7.5")))
    )
    for percent, is_inclusive in ((25, False), (12, False), (20, True)):
        rate = {"display_name": "tax", "percentage": percent, "inclusive": is_inclusive}
        made.rates[percent, is_inclusive] = shop.client.v1.tax_rates.create(rate).id
    return made


def born(shop: Any, goods: Catalogue, seed: int) -> Life:
    """Begin a life."""
    dice = random.Random(seed)
    start = int(datetime(2025, dice.randint(1, 12), 1, tzinfo=UTC).timestamp()) + dice.randrange(31 * 86400)
    customer, clock = shop.make_customer(start)
    price = dice.randrange(len(goods.licensed) - (dice.random() < 0.8))
    quantity = dice.randint(1, 12)
    taxes = dice.choice([(), ((25, False),), ((20, True),), ((20, True), (12, False))])
    trial_days = dice.choice([0, 0, 0, dice.randint(4, 20)])
    discount, coupon = _discount(shop, dice, start)
    metered = goods.metered[0] if dice.random() < 0.4 else None
    items: list[dict[str, Any]] = [{"price": goods.licensed[price][0], "quantity": quantity}]
    if metered:
        items.append({"price": metered[0]})
    more: dict[str, Any] = {"default_tax_rates": [goods.rates[t] for t in taxes]} if taxes else {}
    mode = dice.choice(["included", "included", "included", "itemized", "classic"])
    if mode == "itemized":
        more["billing_mode"] = {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}
    elif mode == "classic":
        # Classic mode does not mix intervals, so these lives stay monthly.
        more["billing_mode"] = {"type": "classic"}
        price = min(price, len(goods.licensed) - 2)
        items[0]["price"] = goods.licensed[price][0]
    if trial_days:
        more["trial_period_days"] = trial_days
    if coupon:
        more["discounts"] = [{"coupon": coupon}]
    made = shop.subscribe(customer, *items, **more)
    books = ledger.Ledger(
        start,
        goods.licensed[price][1],
        quantity,
        metered=metered[1] if metered else None,
        trial_days=trial_days,
        discount=discount,
        taxes=taxes,
        mode=mode,
    )
    begin = f"{start}: {items} {more} {discount}"
    return Life(seed, dice, customer, clock, made.id, made["items"].data[0].id, books, price, [begin])


def _discount(shop: Any, dice: random.Random, start: int) -> tuple[Any, str | None]:
    if dice.random() < 0.5:
        return None, None
    duration = dice.choice(["forever", "once", "repeating"])
    given: dict[str, Any] = {"duration": duration}
    if duration == "repeating":
        given["duration_in_months"] = 2
    percent = dice.choice([0, 10, 33])
    amount = 0 if percent else dice.choice([777, 5000])
    given |= {"percent_off": percent} if percent else {"amount_off": amount, "currency": "dkk"}
    until = ledger.months_after(start, 2) if duration == "repeating" else None
    return ledger.Discount(percent, amount, duration == "once", until), shop.client.v1.coupons.create(given).id


def lives_on(shop: Any, goods: Catalogue, life: Life, steps: int, *, may_end: bool) -> None:
    """Let time pass and things happen."""
    for step in range(steps):
        books, dice = life.books, life.dice
        if books.is_over or books.ends_with_period:
            break
        to = books.now + dice.randint(2 * 3600, 20 * 86400)
        # Nothing happens in the hours around a renewal, where a draft waits.
        while abs(to - books.next_boundary) < 3 * 3600 or _is_near_renewal(books, to):
            to += 3 * 3600
        shop.move(life.clock, to)
        books.advance(to)
        _act(shop, goods, life, is_last=may_end and step == steps - 1)


def _is_near_renewal(books: Any, to: int) -> bool:
    at = books.next_boundary
    for _ in range(3):
        if 0 <= to - at < 3 * 3600:
            return True
        at = books._next(books.metered or books.tariff, at)
    return False


def _act(shop: Any, goods: Catalogue, life: Life, *, is_last: bool) -> None:
    books, dice = life.books, life.dice
    if is_last and dice.random() < 0.6:
        _end(shop, life)
        return
    kind = dice.choice(["quantity", "quantity", "price", "both", "use", "use", "credit"])
    if kind == "use":
        value = dice.randint(0, 500)
        shop.use(life.customer, "calls", value)
        books.use(value)
        life.story.append(f"{books.now}: uses {value}")
    elif kind == "credit":
        amount = dice.randint(1, 8000)
        _credit(shop, life, amount)
        books.give_credit(amount)
        life.story.append(f"{books.now}: credit {amount}")
    else:
        quantity = books.quantity if kind == "price" else dice.randint(1, 14)
        if kind != "quantity":
            only_monthly = dice.random() < 0.9 or books.mode == "classic"
            life.price = dice.randrange(len(goods.licensed) - only_monthly)
        behavior = dice.choice(BEHAVIORS)
        price, tariff = goods.licensed[life.price]
        life.story.append(f"{books.now}: {quantity} × {tariff} {behavior}")
        items = [{"id": life.item, "price": price, "quantity": quantity}]
        details = {"items": items, "proration_behavior": behavior}
        shown = shop.client.v1.invoices.create_preview(
            {"subscription": life.subscription, "subscription_details": details}
        )
        before = len(books.invoices)
        shop.change(life.subscription, items=items, proration_behavior=behavior)
        books.change(tariff, quantity, behavior)
        if len(books.invoices) > before:
            assert shown.total == books.invoices[-1].total, "\n".join(life.story)


def _credit(shop: Any, life: Life, amount: int) -> None:
    """Credit the customer: by a credit note when the last invoice is large enough, otherwise on the balance."""
    last = shop.invoices(subscription=life.subscription)[-1]
    if min(last.total, last.amount_paid) - last.post_payment_credit_notes_amount >= amount:
        shop.client.v1.credit_notes.create({"invoice": last.id, "amount": amount, "credit_amount": amount})
    else:
        shop.client.v1.customers.balance_transactions.create(life.customer, {"amount": -amount, "currency": "dkk"})


def _end(shop: Any, life: Life) -> None:
    books, dice = life.books, life.dice
    # With two intervals the period that ends last would have to be waited for.
    if dice.random() < 0.3 and books.tariff.months == 1:
        shop.change(life.subscription, cancel_at_period_end=True)
        books.cancel_at_period_end()
        to = books.next_boundary + 4 * 3600
        shop.move(life.clock, to)
        books.advance(to)
        life.story.append("ends with the period")
        return
    how = {"invoice_now": dice.random() < 0.7, "prorate": dice.random() < 0.7}
    shop.client.v1.subscriptions.cancel(life.subscription, how)
    books.cancel(**how)
    life.story.append(f"{books.now}: cancel {how}")


def compare(shop: Any, life: Life) -> None:
    """Check every invoice, line by line, the balance and the state."""
    what = f"life {life.seed}\n" + "\n".join(life.story)
    found = shop.invoices(subscription=life.subscription)
    expected = life.books.invoices
    assert len(found) == len(expected), what
    for number, (invoice, wanted) in enumerate(zip(found, expected, strict=True)):
        where = f"invoice {number + 1} of {what}"
        lines = list(invoice.lines.auto_paging_iter())
        assert [x.amount for x in lines] == [x.amount for x in wanted.lines], where
        assert [sum(d.amount for d in x.discount_amounts) for x in lines] == [x.off for x in wanted.lines], where
        assert [[t.amount for t in x.taxes] for x in lines] == [x.tax for x in wanted.lines], where
        assert invoice.total == wanted.total, where
        assert (invoice.starting_balance, invoice.ending_balance) == (wanted.starting, wanted.ending), where
        assert invoice.amount_due == wanted.due == invoice.amount_paid, where
        assert invoice.status == "paid", where
    assert shop.client.v1.customers.retrieve(life.customer).balance == life.books.balance, what
    assert (shop.get(life.subscription).status == "canceled") is life.books.is_over, what


def live(shop: Any, restart: Callable[[], None], seeds: range) -> None:
    """Begin all lives, restart the server in the middle, live them to their end and compare."""
    goods = catalogue(shop)
    lives = [born(shop, goods, seed) for seed in seeds]
    for life in lives:
        lives_on(shop, goods, life, 4, may_end=False)
    restart()
    for life in lives:
        lives_on(shop, goods, life, 4, may_end=True)
        to = life.books.now + 40 * 86400
        while _is_near_renewal(life.books, to) or abs(to - life.books.next_boundary) < 3 * 3600:
            to += 3 * 3600
        shop.move(life.clock, to)
        life.books.advance(to)
        compare(shop, life)
    _are_varied(lives)


def _are_varied(lives: list[Life]) -> None:
    """See that the dice really threw what the lives are about."""
    lines = [x for life in lives for invoice in life.books.invoices for x in invoice.lines]
    assert sum(not x.is_discountable and x.amount < 0 for x in lines) > len(lives) / 2
    assert sum(not x.is_discountable and x.amount > 0 for x in lines) > len(lives) / 2
    assert any(x.usage and x.amount for x in lines)
    assert any(x.off for x in lines)
    assert any(any(x.tax) for x in lines)
    assert any(i.starting < 0 for life in lives for i in life.books.invoices)
    assert any(life.books.trial_end for life in lives)
    assert any(life.books.is_over for life in lives)


def test_generated_lives_equal_an_independent_ledger(shop: Any, sandbox: Any) -> None:
    """40 lives, half of each before a restart of the server."""
    live(shop, sandbox.restart, range(40))


def test_the_last_event_of_an_object_shows_it_as_it_is(shop: Any) -> None:
    """Whoever follows the events misses no change of a subscription or an invoice."""
    goods = catalogue(shop)
    for seed in range(500, 510):
        life = born(shop, goods, seed)
        lives_on(shop, goods, life, 6, may_end=True)
    told: dict[str, dict[str, Any]] = {}
    for event in shop.events():
        shown = event.data.object.to_dict()
        if shown["object"] in ("subscription", "invoice") and "id" in shown:
            told[shown["id"]] = shown
    v1 = shop.client.v1
    read = {"subscription": v1.subscriptions, "invoice": v1.invoices}
    assert len(told) > 40
    for object_id, shown in told.items():
        now = read[shown["object"]].retrieve(object_id).to_dict()
        assert {k: v for k, v in now.items() if shown.get(k) != v} == {}, object_id


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_300_generated_lives_equal_an_independent_ledger(shop: Any, sandbox: Any) -> None:
    """The full dose."""
    live(shop, sandbox.restart, range(1000, 1300))
