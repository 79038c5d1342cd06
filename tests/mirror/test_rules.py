"""The mirror's pure rules: tax in payments, amounts of prices, the history of items."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from billing_core.money import round_minor
from billing_core.rules.mirror_payments import tax_shares
from billing_core.rules.mirror_versions import Discount, ItemState, Moment, discounted, timeline
from billing_core.rules.pricing import Tier, period_amount

D = Decimal
T0 = datetime(2026, 1, 1, tzinfo=UTC)
STATE = ItemState(
    "si_1", "prod_1", "price_1", "active", "licensed", False, False, D(3), D(4900), 14700, "dkk", "month", 1
)
TIERS = (Tier(10, D(1000), D(0)), Tier(None, D(800), D(500)))


def test_tax_is_shared_in_proportion_and_sums_to_the_whole() -> None:
    """12,500 with 2,500 tax paid in three parts: 20 % of each, the odd unit where the running sum puts it."""
    assert tax_shares(12500, 2500, [5000, 7500]) == [1000, 1500]
    assert tax_shares(101, 20, [34, 34, 33]) == [7, 6, 7]
    assert tax_shares(12500, 2500, [5000]) == [1000]
    assert tax_shares(0, 0, [0, 0]) == [0, 0]
    assert tax_shares(12500, 2500, [15000]) == [2500]


@given(st.integers(1, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.data())
def test_shares_sum_to_the_share_of_what_was_paid(total: int, paid: list[int], data: st.DataObject) -> None:
    """However a sum is paid in parts, the tax in it is the same; a later payment changes no earlier share."""
    tax = data.draw(st.integers(0, total))
    shares = tax_shares(total, tax, paid)
    assert sum(shares) == round_minor(Fraction(tax * min(sum(paid), total), total))
    assert tax_shares(total, tax, paid[:-1]) == shares[:-1]


def test_graduated_and_volume_tiers() -> None:
    """15 units: graduated 10×1000 + 5×800 + 500 = 14,500; volume 15×800 + 500 = 12,500."""
    assert period_amount(D(15), None, TIERS, "graduated") == 14500
    assert period_amount(D(15), None, TIERS, "volume") == 12500
    assert period_amount(D(10), None, TIERS, "graduated") == 10000
    assert period_amount(D(10), None, TIERS, "volume") == 10000
    assert period_amount(D(0), None, TIERS, "graduated") == 0
    assert period_amount(D(3), D("1900.5")) == 5702


def test_only_a_change_makes_a_version() -> None:
    """Three moments, the second as the first: two versions that meet."""
    bigger = replace(STATE, quantity=D(5), period_amount_minor=24500)
    t1, t2 = T0 + timedelta(days=31), T0 + timedelta(days=40)
    found = timeline([Moment(T0, (STATE,), "event"), Moment(t1, (STATE,), "event"), Moment(t2, (bigger,), "event")])
    assert [(v.valid_from, v.valid_to, v.state.quantity) for v in found] == [(T0, t2, D(3)), (t2, None, D(5))]


def test_a_state_within_one_second_leaves_no_trace() -> None:
    """5 → 3 → 5 at the same instant is as if nothing had been."""
    odd = replace(STATE, quantity=D(9))
    t1 = T0 + timedelta(days=1)
    moments = [Moment(T0, (STATE,), "event"), Moment(t1, (odd,), "event"), Moment(t1, (STATE,), "event")]
    assert [(v.valid_from, v.valid_to) for v in timeline(moments)] == [(T0, None)]


def test_an_ended_subscription_closes_its_versions_and_a_removed_item_its_own() -> None:
    """The second item goes on day 10, the rest on day 20."""
    other = replace(STATE, subscription_item_id="si_2")
    t1, t2 = T0 + timedelta(days=10), T0 + timedelta(days=20)
    moments = [Moment(T0, (STATE, other), "event"), Moment(t1, (STATE,), "event"), Moment(t2, (), "event")]
    assert [(v.state.subscription_item_id, v.valid_to) for v in timeline(moments)] == [("si_1", t2), ("si_2", t1)]


def test_discounts_come_off_in_order_and_an_amount_is_spread() -> None:
    """14,700 and 4,900: 10 % for ever is 1,470 and 490; then 1,000 off once, split 13,230 : 4,410 = 750 : 250."""
    other = replace(STATE, subscription_item_id="si_2", period_amount_minor=4900)
    percent = Discount(None, None, D(10), None, True)
    amount = Discount(T0, T0 + timedelta(days=5), None, 1000, False)
    first, second = discounted([STATE, other], T0, {}, [percent, amount])
    assert (first.forever_discount_minor, first.other_discount_minor) == (1470, 750)
    assert (second.forever_discount_minor, second.other_discount_minor) == (490, 250)
    later = discounted([STATE, other], T0 + timedelta(days=5), {}, [percent, amount])
    assert [i.other_discount_minor for i in later] == [0, 0]


def test_a_discount_on_one_product_or_one_item_leaves_the_others_alone() -> None:
    """A coupon may apply to some products; an item may have a discount of its own, which comes first."""
    other = replace(STATE, subscription_item_id="si_2", product="prod_2", period_amount_minor=1000)
    half = Discount(None, None, D(50), None, True)
    found = discounted([STATE, other], T0, {"si_2": [half]}, [replace(half, product_ids=("prod_1",))])
    assert [i.forever_discount_minor for i in found] == [7350, 500]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), min_size=1, max_size=30))
def test_versions_never_overlap_and_always_join_where_an_item_stays(steps: list[tuple[int, int]]) -> None:
    """For any history: versions are in order, each begins where the one before ended, neighbours differ."""
    moments = [Moment(T0 + timedelta(hours=h), (replace(STATE, quantity=D(q)),), "event") for h, q in sorted(steps)]
    found = timeline(moments)
    for before, after in pairwise(found):
        assert before.valid_to == after.valid_from
        assert before.state != after.state
    assert found[-1].valid_to is None
