"""Usage events: once per key, aggregates exact in the same transaction, days of 23, 24 and 25 hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_core.errors import ConflictError, InvalidInputError
from billing_core.periods import local_date
from billing_core.rules.usage import UsageEvent, aggregate, fingerprint
from billing_core.services.imports import ImportResult
from billing_core.services.usage import Recorded, record
from billing_core.store import tables
from billing_core.store.database import Database

Import = Callable[..., ImportResult]
AT = datetime(2026, 3, 28, 12, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("two_tenants")


def event(key: str, quantity: str = "1", at: datetime = AT, tenant: str = "t1", metric: str = "heat") -> UsageEvent:
    """An event of tenant t1."""
    return UsageEvent(tenant, metric, Decimal(quantity), at, key)


def aggregates(database: Database) -> dict[tuple[str, str, date], tuple[Decimal, int]]:
    """Return the stored rollup: (tenant, metric, day) → (quantity, events)."""
    with database.connect() as connection:
        return {
            (row.tenant_id, row.metric, row.day): (row.quantity, row.events_count)
            for row in connection.execute(sa.select(tables.usage_aggregates))
        }


def direct(
    events: Sequence[UsageEvent], aggregation: str, zone: ZoneInfo
) -> dict[tuple[str, str, date], tuple[Decimal, int]]:
    """Compute the rollup from scratch by its definition."""
    groups: dict[tuple[str, str, date], list[UsageEvent]] = defaultdict(list)
    for one in events:
        groups[one.tenant_id, one.metric, local_date(one.at, zone)].append(one)
    return {key: (aggregate(group, aggregation), len(group)) for key, group in groups.items()}


def test_the_same_events_again_are_duplicates(database: Database, zone: ZoneInfo) -> None:
    """Counted, not added; another notation of the same body is the same body."""
    with database.begin() as connection:
        assert record(connection, [event("a", "1.5"), event("b", "2")], zone=zone) == Recorded(2, 0)
        again = [event("a", "1.50", AT.astimezone(zone)), event("c", "0")]
        assert record(connection, again, zone=zone) == Recorded(1, 1)
    assert aggregates(database) == {("t1", "heat", date(2026, 3, 28)): (Decimal("3.5"), 3)}


def test_a_key_is_a_tenants_own(database: Database, zone: ZoneInfo) -> None:
    """Two tenants may use the same key."""
    with database.begin() as connection:
        assert record(connection, [event("a"), event("a", tenant="t2")], zone=zone) == Recorded(2, 0)


def test_another_body_under_a_key_refuses_the_whole_batch(database: Database, zone: ZoneInfo) -> None:
    """The rows are named, and the new event beside them is not written."""
    with database.begin() as connection:
        record(connection, [event("a", "1"), event("b", "1")], zone=zone)
    batch = [event("new"), event("b", "2"), event("a", at=AT + timedelta(seconds=1))]
    with pytest.raises(ConflictError, match=r"event 2: idempotency_key 'b' of tenant 't1'; event 3: ") as caught:
        _record(database, batch, zone)
    assert caught.value.ids == {"rows": [2, 3], "conflicts_count": 2}
    assert aggregates(database) == {("t1", "heat", date(2026, 3, 28)): (Decimal(2), 2)}


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        ([event("a"), event("b"), event("a")], "event 3: idempotency_key 'a' of tenant 't1' is on event 1 already"),
        ([event("a", tenant="t9")], "No such tenant: 't9'"),
        ([event("a", "9" * 14), event("b", "9" * 14)], "comes to more than 14 digits"),
    ],
)
def test_a_bad_batch_is_refused_whole(
    database: Database, zone: ZoneInfo, batch: list[UsageEvent], sentence: str
) -> None:
    """A key twice, an unknown tenant, a total that no column holds; not even the metric is registered."""
    with pytest.raises(InvalidInputError, match=sentence):
        _record(database, batch, zone)
    with database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.metrics)) == 0


@pytest.mark.parametrize(
    ("quantity", "at"), [("NaN", AT), ("Infinity", AT), ("0.0000001", AT), ("1", AT.replace(tzinfo=None))]
)
def test_an_event_is_exact_and_on_the_time_line(quantity: str, at: datetime) -> None:
    """Such an event cannot even be made."""
    with pytest.raises(ValueError, match=r"not a quantity|no time zone"):
        event("a", quantity, at)


def test_days_of_23_24_and_25_hours(database: Database, zone: ZoneInfo) -> None:
    """One unit each hour of UTC: 23 on 29 March, 25 on 25 October, 24 on the day between them."""
    events = []
    for start, hours in [(datetime(2026, 3, 27, tzinfo=UTC), 96), (datetime(2026, 10, 23, tzinfo=UTC), 96)]:
        events += [event(f"{start:%m}-{n}", at=start + timedelta(hours=n)) for n in range(hours)]
    with database.begin() as connection:
        record(connection, events, zone=zone)
    stored = aggregates(database)
    assert stored == direct(events, "sum", zone)
    assert [stored["t1", "heat", date(2026, *day)][1] for day in [(3, 28), (3, 29), (10, 24), (10, 25)]] == [
        24,
        23,
        24,
        25,
    ]


def test_a_year_of_hours_in_a_file_equals_a_direct_calculation(
    database: Database, import_text: Import, zone: ZoneInfo
) -> None:
    """8,760 hourly readings of a meter, imported twice: every day's sum is exact, and the year's too."""
    start = datetime(2025, 12, 31, 23, tzinfo=UTC)
    events = [event(f"m1-{n}", f"{n % 97}.{n % 1000:06d}", start + timedelta(hours=n)) for n in range(8760)]
    rows = [f"t1,heat,{e.quantity},{e.at.isoformat()},{e.idempotency_key}" for e in events]
    assert import_text("usage", *rows) == ImportResult("usage", 8760, 8760, 0, 0)
    assert import_text("usage", *rows) == ImportResult("usage", 8760, 0, 0, 8760)
    stored = aggregates(database)
    assert stored == direct(events, "sum", zone)
    assert sorted(count for _, count in stored.values()) == [23] + [24] * 363 + [25]
    assert sum(quantity for quantity, _ in stored.values()) == sum(e.quantity for e in events)


def test_a_file_with_a_changed_row_is_a_conflict_by_line(import_text: Import) -> None:
    """Recorded usage is never edited by a file; metadata is a part of the body."""
    header = "tenant_id,metric,quantity,at,idempotency_key,metadata"
    row = 't1,heat,1,2026-01-01T00:00:00Z,k,"{""meter"": 7}"'
    import_text("usage", row, header=header)
    with pytest.raises(ConflictError, match=r"usage.csv line 2: idempotency_key 'k' of tenant 't1'"):
        import_text("usage", row.replace("7", "8"), header=header)
    assert import_text("usage", row, header=header).unchanged == 1


def test_a_key_twice_in_a_file_names_both_lines(import_text: Import) -> None:
    """Lines of the file, not places in a batch."""
    row = "t1,heat,1,2026-01-01T00:00:00Z,k"
    with pytest.raises(
        InvalidInputError, match=r"line 4: idempotency_key 'k' of tenant 't1' is on usage.csv line 2 already"
    ):
        import_text("usage", row, row.replace(",k", ",l"), row)


def test_a_fingerprint_tells_bodies_apart() -> None:
    """Every part of the body counts, and parts cannot run into each other."""
    different = [
        event("k"), event("k", "2"), event("k", metric="heat 1.000000"), event("k", at=AT + timedelta(microseconds=1)),
        UsageEvent("t1", "heat", Decimal(1), AT, "k", {}), UsageEvent("t1", "heat", Decimal(1), AT, "k", {"a": 1}),
    ]  # fmt: skip
    assert len({fingerprint(one) for one in different}) == len(different)
    swapped = [UsageEvent("t1", "heat", Decimal(1), AT, "k", body) for body in ({"a": 1, "b": 2}, {"b": 2, "a": 1})]
    assert fingerprint(swapped[0]) == fingerprint(swapped[1])


hours = st.integers(0, 72)
batches = st.lists(st.lists(st.tuples(hours, st.integers(0, 5)), min_size=1, max_size=6), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches, st.sampled_from(["sum", "max", "last", "count", "unique"]))
def test_any_order_of_batches_gives_the_aggregate_from_scratch(
    database: Database, zone: ZoneInfo, plan: list[list[tuple[int, int]]], aggregation: str
) -> None:
    """Late events, ties and repeats across the daylight-saving night: each aggregation equals its definition."""
    start = datetime(2026, 3, 28, tzinfo=UTC)
    recorded: list[UsageEvent] = []
    with database.begin() as connection:
        for table in (tables.usage_events, tables.usage_aggregates, tables.metrics):
            connection.execute(table.delete())
        connection.execute(tables.metrics.insert().values(metric="heat", aggregation=aggregation))
        for number, batch in enumerate(plan):
            # Keys in the order of the batch, so that the order of insertion is known.
            events = [event(f"{number}-{i}", str(q), start + timedelta(hours=h)) for i, (h, q) in enumerate(batch)]
            recorded += events
            record(connection, events + recorded[:1] if number else events, zone=zone)
    assert aggregates(database) == direct(recorded, aggregation, zone)


def test_eight_writers_with_the_same_events_record_each_once(database: Database, zone: ZoneInfo) -> None:
    """8 × 20 batches of 50, all overlapping, in different orders: every event once, no deadlock, aggregates exact."""
    events = [event(f"k{n}", str(n % 7), AT + timedelta(minutes=n * 7), f"t{n % 2 + 1}") for n in range(400)]

    def write(writer: int) -> int:
        mine = events[writer * 50 :] + events[: writer * 50]
        mine = mine if writer % 2 else mine[::-1]
        return sum(_record(database, mine[i : i + 50], zone).recorded_count for i in range(0, 400, 20))

    with ThreadPoolExecutor(8) as pool:
        recorded = sum(pool.map(write, range(8)))
    assert recorded == len(events)
    assert aggregates(database) == direct(events, "sum", zone)


def test_writers_of_last_and_unique_do_not_lose_each_others_events(database: Database, zone: ZoneInfo) -> None:
    """These are computed again from the events, which must include what another writer has just committed."""
    with database.begin() as connection:
        connection.execute(tables.metrics.insert(), [{"metric": m, "aggregation": m} for m in ("last", "unique")])
    events = [
        event(f"{m}{n}", str(n), AT + timedelta(seconds=n), metric=m) for n in range(200) for m in ("last", "unique")
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda writer: [_record(database, [one], zone) for one in events[writer::4]], range(4)))
    day = date(2026, 3, 28)
    assert aggregates(database) == {
        ("t1", "last", day): (Decimal(199), 200),
        ("t1", "unique", day): (Decimal(200), 200),
    }


def _record(database: Database, events: list[UsageEvent], zone: ZoneInfo) -> Recorded:
    with database.begin() as connection:
        return record(connection, events, zone=zone)
