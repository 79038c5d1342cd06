"""The way into Postgres: one `Database` per process, whichever server it is.

Transactions are READ COMMITTED. An error before COMMIT means that nothing was written; a connection lost during
COMMIT means that nobody knows, and is its own error (`StoreError.is_outcome_unknown`): read back before doing
anything again. Sessions speak UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import psycopg
import sqlalchemy as sa
from psycopg import conninfo

from billing_core.errors import StoreError
from billing_core.language import N_, _
from billing_core.settings import Settings
from billing_core.store import embedded

CONNECT_SECONDS = 10
UNKNOWN_HOST = N_("The host in DATABASE_URL is not known. Correct it; a password with @ or / needs percent codes.")
# What the server refuses whatever it is asked, by SQLSTATE; read by whoever runs the desk.
REFUSALS = {
    "42501": "Postgres refuses: {reason}. Nothing was written. Name a user in DATABASE_URL who owns the schema billing "
    "or may create it, or grant what is missing.",
    "25006": "This Postgres takes no changes: {reason}. Nothing was written. Name the primary in DATABASE_URL.",
    "53100": "The disk of Postgres is full: {reason}. Nothing was written. Make room there.",
}
# Procrastinate's tables have a schema of their own and it names them without one, so its connections need this path.
# `public` stays for extensions of an adopter's database.
JOBS_SCHEMA = "procrastinate"
SEARCH_PATH = f"{JOBS_SCHEMA},public"


@dataclass(frozen=True, slots=True)
class Database:
    """A Postgres database and a pool of connections to it.

    Attributes:
        url: libpq URI, for psycopg, ADBC and COPY; it may hold a password, so it is never shown.
        engine: SQLAlchemy engine (psycopg); connections are checked before use, so a restarted server goes unnoticed.
    """

    url: str = field(repr=False)
    engine: sa.Engine

    @property
    def jobs_url(self) -> str:
        """The URI for Procrastinate's connectors: `url` with the search path that finds its tables."""
        if "://" not in self.url:
            return conninfo.make_conninfo(self.url, options=f"-csearch_path={SEARCH_PATH}")
        return f"{self.url}{'&' if '?' in self.url else '?'}options={quote(f'-csearch_path={SEARCH_PATH}')}"

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Give a connection for reading; whatever it did not commit is rolled back.

        Raises:
            StoreError: Postgres cannot be reached, refuses this user, or the connection was lost.
        """
        with _lost_is_a_store_error(), self._connection() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Give a connection in a transaction: committed at the end, rolled back on any exception.

        Raises:
            StoreError: Postgres cannot be reached or the connection was lost: nothing was written; with
                `is_outcome_unknown` when it was lost during COMMIT.
        """
        with _lost_is_a_store_error(), self._connection() as connection:
            transaction = connection.begin()
            try:
                yield connection
            except BaseException:
                transaction.rollback()
                raise
            if transaction.is_active:  # unless the caller rolled it back himself, as a dry run does
                _commit(transaction)

    def close(self) -> None:
        """Close the pool; the object can still be used and opens new connections."""
        self.engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        try:
            connection = self.engine.connect()
        except sa.exc.OperationalError as error:
            raise _unreachable(self.url, error.orig) from error
        with connection:
            yield connection


def open_database(settings: Settings) -> Database:
    """Open the database that the settings name: `DATABASE_URL`, or the embedded server, started when it does not run.

    Raises:
        StoreError: one sentence that says why Postgres cannot be used and what to do; never the password.
    """
    url = settings.database_url
    database = database_at(url if url else embedded.start(settings.home))
    with database.connect():
        return database


def database_at(url: str) -> Database:
    """Return a database for a URI, without connecting.

    Args:
        url: `postgresql://…`, `postgres://…`, SQLAlchemy's `postgresql+psycopg://…`, or libpq's `host=… dbname=…`.

    Raises:
        StoreError: libpq cannot read the URI.
    """
    scheme, separator, rest = url.strip().partition("://")
    if separator:
        if scheme.partition("+")[0] not in ("postgres", "postgresql"):
            raise StoreError(
                f"DATABASE_URL starts with {scheme}://, but Billing Desk needs Postgres: postgresql://USER@HOST/DATABASE."
            )
        url = f"postgresql://{rest}"
    parameters = _parameters(url)
    options = f"{parameters.get('options') or ''} -csearch_path={SEARCH_PATH} -cTimeZone=UTC"
    timeout = int(parameters.get("connect_timeout") or CONNECT_SECONDS)

    def connect() -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(url, options=options.strip(), application_name="billing-desk", connect_timeout=timeout)

    engine = sa.create_engine("postgresql+psycopg://", creator=connect, pool_pre_ping=True)
    return Database(url, engine)


def _parameters(url: str) -> dict[str, str]:
    """Read a libpq URI.

    libpq's own message quotes the piece that it could not read, which may be a part of the password; and an `@` or `/`
    in a password moves its rest into the host, port or database, which messages name. Both are refused without a quote.
    """
    try:
        parameters = {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError:
        parameters = {"port": "unreadable"}
    port_is_a_number = parameters.get("port", "0").replace(",", "0").isdecimal()
    if not port_is_a_number or "@" in parameters.get("host", "") + parameters.get("dbname", ""):
        raise StoreError(
            "DATABASE_URL cannot be read. Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in the password replace "
            "characters such as @ / # by their percent codes (%40 %2F %23)."
        )
    return parameters


@contextmanager
def _lost_is_a_store_error() -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        if refusal := _refusal(error.orig):
            raise refusal from error
        if not error.connection_invalidated:
            raise
        raise StoreError(
            _("The connection to Postgres was lost; nothing was written. Try again when it is back.")
        ) from error


def _refusal(error: BaseException | None) -> StoreError | None:
    """Turn what this user or this server may not do into a sentence; a rule of our own tables is no such thing."""
    state, reason = getattr(error, "sqlstate", None), str(error).partition("\n")[0]
    if state not in REFUSALS or (state == "42501" and not reason.startswith(("permission denied", "must be owner"))):
        return None
    return StoreError(REFUSALS[state].format(reason=reason))


def _commit(transaction: sa.RootTransaction) -> None:
    try:
        transaction.commit()
    except sa.exc.DBAPIError as error:
        if _is_refusal(error.orig):
            raise
        raise StoreError(
            _("Postgres was lost while it saved: the change may or may not be there. Look before you do it again."),
            is_outcome_unknown=True,
        ) from error


def _is_refusal(error: BaseException | None) -> bool:
    """True when the server itself answered the COMMIT with an error, so that the transaction is surely rolled back."""
    state = getattr(error, "sqlstate", None)
    # 08: connection exception, 57P: the server is being shut down or has crashed; both may come after the commit
    # record.
    return state is not None and not state.startswith(("08", "57P"))


def _unreachable(url: str, error: BaseException | None) -> StoreError:
    """Turn libpq's refusal into one sentence without its text, which may quote a piece of the password."""
    parameters = _parameters(url)
    host, name, user = parameters.get("host") or _("the local socket"), parameters.get("dbname"), parameters.get("user")
    text = str(error).lower()
    where = _("Postgres on {host}", host=host)
    if parameters.get("port"):
        where += " " + _("port {port}", port=parameters["port"])
    known = {
        "password authentication failed": N_(
            "{where} does not accept the password of user {user}. Correct DATABASE_URL."
        ),
        "no password supplied": N_("{where} wants a password for user {user}. Put one into DATABASE_URL."),
        "no pg_hba.conf entry": N_("{where} does not let user {user} in from here. Allow it in its pg_hba.conf."),
        "does not exist": N_("{where} has no database {name} or no user {user}. Create it, or correct DATABASE_URL."),
        "could not translate host name": UNKNOWN_HOST,
        "failed to resolve host": UNKNOWN_HOST,
        "connection refused": N_("{where} refuses connections. Start it, or correct DATABASE_URL."),
        "no such file": N_("{where} does not run. Start it, or correct DATABASE_URL."),
        "timeout": N_("{where} does not answer within {seconds} s. Start it, or correct DATABASE_URL."),
        "too many": N_("{where} has no free connection. Stop what you do not need, or raise its max_connections."),
        "starting up": N_("{where} is still starting. Try again in a moment."),
    }
    for sign, sentence in known.items():
        if sign in text:
            return StoreError(_(sentence, where=where, name=name, user=user, seconds=CONNECT_SECONDS))
    return StoreError(_("{where} cannot be reached. Check DATABASE_URL with psql.", where=where))
