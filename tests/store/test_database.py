"""Opening a database, and what is said when it cannot be, or is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from adbc_driver_postgresql import dbapi
from psycopg.conninfo import make_conninfo

from billing_core.errors import StoreError
from billing_core.settings import load_settings
from billing_core.store.database import Database, database_at, open_database


def test_psycopg_adbc_and_sqlalchemy_reach_the_same_database(database: Database) -> None:
    """One URI serves all of them, and sessions speak UTC."""
    with database.begin() as connection:
        connection.execute(sa.text("insert into billing.settings values ('k', '1')"))
        assert connection.scalar(sa.text("show timezone")) == "UTC"
    with psycopg.connect(database.url) as plain:
        assert plain.execute("select key from billing.settings").fetchall() == [("k",)]
    with dbapi.connect(database.url) as arrow, arrow.cursor() as cursor:
        cursor.execute("select key from billing.settings")
        assert cursor.fetchall() == [("k",)]


def test_a_transaction_is_committed_or_rolled_back_whole(database: Database) -> None:
    """An exception inside takes everything back; the caller may also roll back himself."""
    with pytest.raises(ZeroDivisionError):
        _insert(database, lambda _: 1 // 0)
    with database.begin() as connection:
        connection.execute(sa.text("insert into billing.settings values ('k', '1')"))
        connection.rollback()
    with database.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from billing.settings")) == 0


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://u:geheim@127.0.0.1:1/x", "127.0.0.1 port 1 refuses connections. Start it"),
        ("postgresql://u:geheim@no-such-host.invalid/x", "The host in DATABASE_URL is not known"),
        ("postgresql://u:ge@heim/geheim@localhost/x", "DATABASE_URL cannot be read"),
        ("postgresql://u:geheim/x@127.0.0.1:5432/x", "DATABASE_URL cannot be read"),
        ("mysql://u:geheim@localhost/x", "needs Postgres: postgresql://USER@HOST/DATABASE"),
        ("postgresql://u:geheim@127.0.0.1:abc/x", "DATABASE_URL cannot be read"),
        ("postgresql://u:geheim@/x?host=/nowhere", "/nowhere does not run. Start it"),
    ],
)
def test_a_wrong_url_is_one_sentence_without_the_password(url: str, sentence: str) -> None:
    """It says what is wrong and what to do; no part of the password is in it."""
    with pytest.raises(StoreError, match=sentence) as caught:
        open_database(load_settings(DATABASE_URL=url, _env_file=None))
    assert "geheim" not in str(caught.value)
    assert "heim" not in str(caught.value)


def test_a_missing_database_is_named(database: Database) -> None:
    """The server is there, the database is not."""
    elsewhere = database_at(make_conninfo(database.url, dbname="nowhere"))
    with pytest.raises(StoreError, match="has no database nowhere"), elsewhere.connect():
        pass


def test_the_url_is_not_shown() -> None:
    """A Database can be printed in a log."""
    assert "geheim" not in repr(database_at("postgresql://u:geheim@localhost/x"))


def test_every_way_to_write_the_scheme_is_taken() -> None:
    """`postgres://` and SQLAlchemy's own are common in the wild."""
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        assert database_at(f"{scheme}://u@localhost/x").url == "postgresql://u@localhost/x"


def test_losing_the_connection_at_commit_is_an_unknown_outcome(database: Database) -> None:
    """Nobody can say whether the change is there, and the error says so."""
    with pytest.raises(StoreError, match="may or may not be there") as caught:
        _insert(database, lambda connection: _cut(database, connection))
    assert caught.value.is_outcome_unknown


def test_losing_the_connection_before_commit_wrote_nothing(database: Database) -> None:
    """The next connection works again."""

    def cut_and_go_on(connection: sa.Connection) -> None:
        _cut(database, connection)
        connection.execute(sa.text("select 1"))

    with pytest.raises(StoreError, match="nothing was written") as caught:
        _insert(database, cut_and_go_on)
    assert not caught.value.is_outcome_unknown
    with database.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from billing.settings")) == 0


def test_a_refused_commit_is_no_unknown_outcome(database: Database) -> None:
    """A constraint that is checked at COMMIT fails for sure."""
    with database.begin() as connection:
        connection.execute(sa.text("create table once (n int unique deferrable initially deferred)"))
    with pytest.raises(sa.exc.IntegrityError), database.begin() as connection:
        connection.execute(sa.text("insert into once values (1), (1)"))


def test_pooled_connections_survive_a_restart_unnoticed(database: Database) -> None:
    """Connections that died in the pool are replaced before they are used."""
    with database.connect() as connection:
        pid = connection.scalar(sa.text("select pg_backend_pid()"))
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", (pid,))
    with database.connect() as connection:
        assert connection.scalar(sa.text("select 1")) == 1


def test_without_a_url_the_embedded_server_is_opened(fresh_home: Path) -> None:
    """The default of a fresh home."""
    opened = open_database(load_settings(home=fresh_home, DATABASE_URL=None, _env_file=None))
    with opened.connect() as connection:
        assert connection.scalar(sa.text("show fsync")) == "on"
    opened.close()


def _insert(database: Database, then: Callable[[sa.Connection], object]) -> None:
    """Insert a row in a transaction, and do something before it is committed."""
    with database.begin() as connection:
        connection.execute(sa.text("insert into billing.settings values ('k', '1')"))
        then(connection)


def _cut(database: Database, connection: sa.Connection) -> None:
    """End a connection from the server's side."""
    pid = connection.scalar(sa.text("select pg_backend_pid()"))
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", (pid,))


def test_a_user_without_rights_is_told_what_is_missing_and_what_to_do(database: Database) -> None:
    """Reading and writing alike; a server that takes no changes is another sentence."""
    with database.begin() as connection:
        connection.execute(sa.text("set local role pg_monitor"))
        name = connection.scalar(sa.text("select current_user"))
    weak = database_at(make_conninfo(database.url, options=f"-crole={name}"))
    for open_one in (weak.connect, weak.begin):
        with pytest.raises(StoreError, match=r"permission denied for schema billing.*owns the schema"), open_one() as c:
            c.execute(sa.text("select key from billing.settings"))
    standby = database_at(make_conninfo(database.url, options="-cdefault_transaction_read_only=on"))
    with pytest.raises(StoreError, match=r"takes no changes.*Name the primary"), standby.begin() as connection:
        connection.execute(sa.text("insert into billing.settings values ('k', '1')"))
