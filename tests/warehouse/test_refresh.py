"""The refresh: what it reads, what it publishes, and what a crash or a concurrent writer cannot do to it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
import sqlalchemy as sa

from billing_core.errors import ConflictError, StoreError
from billing_core.store import tables
from billing_core.store.database import Database
from billing_core.warehouse import Snapshot, Warehouse, refresh, versions

ROOT = Path(__file__).parents[2]
Refresh = Callable[..., Snapshot]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the versions go."""
    return tmp_path / "warehouse"


@pytest.fixture
def publish(database: Database, directory: Path, zone: ZoneInfo, now: datetime) -> Refresh:
    """Refresh from the test's database."""

    def run(at: datetime = now, *, full: bool = False) -> Snapshot:
        return refresh(database.url, directory, zone=zone, now=at, full=full)

    return run


def add_tenant(connection: sa.Connection, tenant_id: str, name: str = "A", currency: str = "dkk") -> None:
    created = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    values = {
        "tenant_id": tenant_id,
        "name": name,
        "currency": currency,
        "created_at": created,
        "created_on": created.date(),
    }
    connection.execute(sa.insert(tables.tenants).values(values))


def add_meter(connection: sa.Connection, meter_id: str, name: str = "a") -> None:
    connection.execute(sa.insert(tables.meters).values(meter_id=meter_id, event_name=name, formula="last"))


def published(snapshot: Snapshot, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(snapshot.path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def meters_in(snapshot: Snapshot) -> set[tuple[object, ...]]:
    return set(published(snapshot, "select meter_id, event_name from meters"))


def test_the_first_refresh_publishes_everything(
    database: Database, publish: Refresh, directory: Path, now: datetime
) -> None:
    """Version 1 holds all rows, is in force, and its as-of time is the one given."""
    with database.begin() as connection:
        add_tenant(connection, "t1")
        add_meter(connection, "m1")
    snapshot = publish()
    assert (snapshot.version, snapshot.is_full, snapshot.is_new, snapshot.refreshed_at) == (1, True, True, now)
    assert meters_in(snapshot) == {("m1", "a")}
    assert published(snapshot, "select tenant_id, currency from tenants") == [("t1", "dkk")]
    assert Warehouse(directory).snapshot().refreshed_at == now


def test_numbers_dates_and_instants_arrive_exactly(database: Database, publish: Refresh) -> None:
    """Numerics keep every digit, 64-bit amounts fit, instants are UTC, and text keeps its letters."""
    amount = Decimal("99999999999999.123456")
    with database.begin() as connection:
        values = {
            "tenant_id": "æ\t'\"",
            "metric": "kWh",
            "day": datetime(2024, 2, 29, tzinfo=UTC).date(),
            "quantity": amount,
            "events_count": 3,
        }
        connection.execute(sa.insert(tables.usage_aggregates).values(values))
        largest = {
            "payment_id": "p",
            "currency": "dkk",
            "amount_minor": 2**63 - 1,
            "status": "paid",
            "paid_at": datetime(2026, 3, 29, 1, tzinfo=UTC),
        }
        connection.execute(sa.insert(tables.payments).values(largest))
    snapshot = publish()
    assert published(snapshot, "select tenant_id, day::varchar, quantity from usage_aggregates") == [
        ("æ\t'\"", "2024-02-29", amount)
    ]
    expected = [(2**63 - 1, 1_774_746_000)]
    assert published(snapshot, "select amount_minor, epoch(paid_at)::bigint from payments") == expected


def test_a_refresh_reads_only_what_changed(database: Database, publish: Refresh) -> None:
    """Inserted, updated and deleted rows arrive, and what the latter two were; the others are not read again."""
    with database.begin() as connection:
        for i in range(50):
            add_meter(connection, f"m{i}")
    assert publish().rows_read == 50
    while publish().rows_read:
        # Transactions of other tests on the same server hold the horizon back for a moment.
        time.sleep(0.02)
    with database.begin() as connection:
        add_meter(connection, "new")
        connection.execute(sa.update(tables.meters).where(tables.meters.c.meter_id == "m1").values(event_name="b"))
        connection.execute(sa.delete(tables.meters).where(tables.meters.c.meter_id == "m2"))
    snapshot = publish()
    assert (snapshot.is_full, snapshot.rows_read) == (False, 5)
    expected = {(f"m{i}", "a") for i in range(50) if i not in (1, 2)} | {("m1", "b"), ("new", "a")}
    assert meters_in(snapshot) == expected


def test_nothing_changed_writes_no_file_but_moves_the_as_of_time(
    publish: Refresh, directory: Path, now: datetime
) -> None:
    """The version stays, the as-of time is the later one."""
    first = publish()
    later = publish(now + timedelta(minutes=5))
    assert (later.version, later.is_new, later.rows_read) == (first.version, False, 0)
    assert Warehouse(directory).snapshot().refreshed_at == now + timedelta(minutes=5)


def test_an_open_old_transaction_does_not_make_a_new_file_each_time(database: Database, publish: Refresh) -> None:
    """Rows past a held-back horizon are read again, found to be known, and published once."""
    publish()
    with database.engine.connect() as old:
        add_meter_sql = sa.insert(tables.meters).values(meter_id="old", event_name="a", formula="last")
        old.execute(add_meter_sql)
        with database.begin() as connection:
            add_meter(connection, "young")
        second = publish()
        assert (second.is_new, meters_in(second)) == (True, {("young", "a")})
        third = publish()
        assert (third.is_new, third.rows_read) == (False, 1)
        old.commit()
    assert meters_in(publish()) == {("young", "a"), ("old", "a")}


def test_a_row_that_commits_after_younger_rows_is_not_missed(database: Database, publish: Refresh) -> None:
    """Order of commit, not of transaction ids, decides nothing."""
    publish()
    with database.engine.connect() as slow:
        slow.execute(sa.insert(tables.meters).values(meter_id="slow", event_name="a", formula="last"))
        for i in range(3):
            with database.begin() as connection:
                add_meter(connection, f"fast{i}")
            publish()
        slow.commit()
    assert {m for m, _ in meters_in(publish())} == {"slow", "fast0", "fast1", "fast2"}


def test_a_key_deleted_by_a_young_and_written_by_an_older_transaction_stays(
    database: Database, publish: Refresh
) -> None:
    """A tombstone that is read again does not take away the row that came back below the horizon."""
    with database.begin() as connection:
        add_meter(connection, "back")
    with database.engine.connect() as oldest, database.engine.connect() as older:
        older.execute(sa.insert(tables.meters).values(meter_id="x", event_name="a", formula="last"))
        oldest.execute(sa.insert(tables.meters).values(meter_id="y", event_name="a", formula="last"))
        with database.begin() as young:
            young.execute(sa.delete(tables.meters).where(tables.meters.c.meter_id == "back"))
        older.execute(sa.insert(tables.meters).values(meter_id="back", event_name="again", formula="last"))
        older.commit()
        publish()
        assert ("back", "again") in meters_in(publish())
        oldest.commit()
    assert ("back", "again") in meters_in(publish())


def test_a_composite_key_with_a_date_is_updated_and_deleted(database: Database, publish: Refresh) -> None:
    """Keys travel as text in tombstones and are compared as what they are."""
    day, aggregates = datetime(2026, 10, 25, tzinfo=UTC).date(), tables.usage_aggregates
    with database.begin() as connection:
        for metric in ("a", "b"):
            values = {"tenant_id": "t", "metric": metric, "day": day, "quantity": 1, "events_count": 1}
            connection.execute(sa.insert(aggregates).values(values))
    publish()
    with database.begin() as connection:
        connection.execute(sa.update(aggregates).where(aggregates.c.metric == "a").values(quantity=Decimal("2.5")))
        connection.execute(sa.delete(aggregates).where(aggregates.c.metric == "b"))
    assert published(publish(), "select metric, quantity from usage_aggregates") == [("a", Decimal("2.500000"))]


def test_truncate_and_another_database_are_noticed(
    database: Database, publish: Refresh, directory: Path, zone: ZoneInfo, now: datetime, server_url: str
) -> None:
    """Rows replaced behind the triggers' back, and another Postgres than last time, mean a full refresh."""
    with database.begin() as connection:
        add_meter(connection, "m1")
    publish()
    with database.begin() as connection:
        connection.execute(sa.text("truncate billing.meters"))
        add_meter(connection, "m2")
    snapshot = publish()
    assert (snapshot.is_full, meters_in(snapshot)) == (True, {("m2", "a")})
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = f"{database.engine.url.database or 'other'}_{time.time_ns()}"
        connection.execute(sa.text(f'create database "{name}" template billing_template'))
    try:
        other = refresh(server_url.replace("/postgres?", f"/{name}?"), directory, zone=zone, now=now)
        assert (other.is_full, meters_in(other)) == (True, set())
    finally:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f'drop database "{name}" with (force)'))


def test_another_time_zone_means_a_full_refresh(
    database: Database, publish: Refresh, directory: Path, now: datetime
) -> None:
    """Dates in the file belong to one zone."""
    publish()
    snapshot = refresh(database.url, directory, zone=ZoneInfo("America/New_York"), now=now)
    assert (snapshot.is_full, snapshot.zone) == (True, "America/New_York")


def test_a_source_view_without_a_cursor_is_read_whole(database: Database, publish: Refresh) -> None:
    """An adopter's own tables have no chg: changes and deletions are seen all the same."""
    with database.begin() as connection:
        connection.execute(sa.text("create table public.lejere (id int primary key, navn text, oprettet timestamptz)"))
        connection.execute(
            sa.text("insert into public.lejere select i, 'L' || i, now() from generate_series(1, 3) as i")
        )
        connection.execute(sa.text("drop view billing.source_tenants"))
        connection.execute(
            sa.text(
                "create view billing.source_tenants as select id::text as tenant_id, navn as name, null::text as email,"
                " 'DK' as country, 'DKK' as currency, oprettet as created_at, null::timestamptz as deleted_at"
                " from public.lejere"
            )
        )
    names = "select name, currency from tenants order by name"
    assert published(publish(), names) == [("L1", "dkk"), ("L2", "dkk"), ("L3", "dkk")]
    assert not publish().is_new
    with database.begin() as connection:
        connection.execute(sa.text("delete from public.lejere where id = 1"))
        connection.execute(sa.text("update public.lejere set navn = 'X' where id = 3"))
    assert published(publish(), names) == [("L2", "dkk"), ("X", "dkk")]


def test_deleted_tenants_leave_the_source_view(database: Database, publish: Refresh) -> None:
    """A view with a cursor is counted, so that a deletion beside an insertion is seen."""
    with database.begin() as connection:
        add_tenant(connection, "t1")
        add_tenant(connection, "t2")
    publish()
    with database.begin() as connection:
        connection.execute(sa.delete(tables.tenants).where(tables.tenants.c.tenant_id == "t1"))
        add_tenant(connection, "t3")
    assert published(publish(), "select tenant_id from tenants order by 1") == [("t2",), ("t3",)]
    with database.begin() as connection:
        connection.execute(sa.delete(tables.tenants).where(tables.tenants.c.tenant_id == "t2"))
    assert published(publish(), "select tenant_id from tenants") == [("t3",)]


def test_what_a_crash_leaves_behind_is_ignored(database: Database, publish: Refresh, directory: Path) -> None:
    """A draft, and a version renamed into place that CURRENT never named, do not come into force."""
    publish()
    (directory / "draft-v2.tmp").write_bytes(b"half a file")
    (directory / "v2.duckdb").write_bytes(b"never in force")
    assert Warehouse(directory).snapshot().version == 1
    with database.begin() as connection:
        add_meter(connection, "m1")
    second = publish()
    assert meters_in(second) == {("m1", "a")}
    assert second.path.name == "v3.duckdb"
    assert list(directory.glob("draft-*")) == []


def test_a_torn_pointer_means_a_full_refresh(publish: Refresh, directory: Path) -> None:
    """An unreadable CURRENT is as good as none."""
    publish()
    (directory / "CURRENT").write_text('{"version": 1', encoding="utf-8")
    snapshot = publish()
    assert (snapshot.is_full, snapshot.version) == (True, 2)


def test_three_versions_are_kept(database: Database, publish: Refresh, directory: Path) -> None:
    """Older files go, and a reader that has one open can still read it."""
    first = publish()
    with duckdb.connect(str(first.path), read_only=True) as reader:
        for i in range(4):
            with database.begin() as connection:
                add_meter(connection, f"m{i}")
            publish()
        assert sorted(p.name for p in directory.glob("v*.duckdb")) == ["v3.duckdb", "v4.duckdb", "v5.duckdb"]
        assert reader.execute("select count(*) from meters").fetchall() == [(0,)]


def test_a_second_refresher_waits_and_then_gives_up(directory: Path) -> None:
    """Only one publishes at a time."""
    late = versions.only_refresher(directory, wait_seconds=0.1)
    with versions.only_refresher(directory), pytest.raises(ConflictError, match="Another refresh"), late:
        pass
    with versions.only_refresher(directory, wait_seconds=0.1):
        pass


def test_an_unreachable_or_foreign_postgres_is_one_clear_sentence(
    directory: Path, zone: ZoneInfo, now: datetime, empty_database: Database
) -> None:
    """The message says what to do and never holds the password."""
    with pytest.raises(StoreError, match="billing doctor") as unreachable:
        refresh("postgresql://u:s3cret@127.0.0.1:1/x", directory, zone=zone, now=now)
    assert "s3cret" not in str(unreachable.value)
    with pytest.raises(StoreError, match="billing migrate"):
        refresh(empty_database.url, directory, zone=zone, now=now)
    assert versions.read_state(directory) is None


REFRESH_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo
from billing_core.warehouse import refresh
print("ready", flush=True)
while True:
    refresh(sys.argv[1], Path(sys.argv[2]), zone=ZoneInfo("Europe/Copenhagen"), now=datetime.now(UTC),
    full=len(sys.argv) > 3)
"""


def test_kill_at_any_moment_leaves_a_version_in_force(database: Database, publish: Refresh, directory: Path) -> None:
    """A refresher killed in the middle, several times, loses nothing and blocks nobody."""
    publish()
    chance = random.Random(7)
    for round_ in range(4):
        more = ["full"] if round_ % 2 else []
        command = [sys.executable, "-c", REFRESH_FOR_EVER, database.url, str(directory), *more]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            deadline = time.monotonic() + 0.2 + chance.random() * 0.4
            while time.monotonic() < deadline:
                with database.begin() as connection:
                    add_meter(connection, f"m{time.time_ns()}")
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert published(Warehouse(directory).snapshot(), "select count(*) >= 0 from meters") == [(True,)]
    assert meters_in(publish()) == _meters_in_postgres(database)


def test_refreshes_among_concurrent_writers_end_row_for_row_equal(database: Database, publish: Refresh) -> None:
    """Six writers insert, update, delete, roll back and commit out of order; at the end both sides are equal."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for i in range(40):
                with database.engine.connect() as connection:
                    for j in range(chance.randint(1, 4)):
                        _one_write(connection, chance, f"w{seed}_{i}_{j}", seed)
                    time.sleep(chance.random() * 0.02)
                    (connection.rollback if chance.random() < 0.15 else connection.commit)()
        except BaseException as error:
            failures.append(error)

    def keep_refreshing() -> None:
        try:
            while not stop.is_set():
                publish()
        except BaseException as error:
            failures.append(error)

    publish()
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(6)]
    refresher = threading.Thread(target=keep_refreshing)
    for thread in (*writers, refresher):
        thread.start()
    for writer in writers:
        writer.join()
    stop.set()
    refresher.join()
    assert failures == []
    last = publish()
    assert not last.is_full
    assert meters_in(last) == _meters_in_postgres(database)
    assert len(meters_in(last)) > 100


def _one_write(connection: sa.Connection, chance: random.Random, name: str, seed: int) -> None:
    meters, kind = tables.meters, chance.random()
    mine = sa.select(meters.c.meter_id).where(meters.c.meter_id.startswith(f"w{seed}_"))
    if kind < 0.6:
        add_meter(connection, name)
        return
    known = sorted(connection.execute(mine).scalars())
    if not known:
        return
    chosen = meters.c.meter_id == chance.choice(known)
    if kind < 0.8:
        connection.execute(sa.update(meters).where(chosen).values(event_name=name))
    else:
        connection.execute(sa.delete(meters).where(chosen))
        if kind < 0.9:
            add_meter(connection, name)


def _meters_in_postgres(database: Database) -> set[tuple[object, ...]]:
    with database.connect() as connection:
        rows = connection.execute(sa.select(tables.meters.c.meter_id, tables.meters.c.event_name))
        return {tuple(row) for row in rows}
