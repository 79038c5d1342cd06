"""What the desk needs from the world, checked one thing at a time: each check says ok, warn or fail, and what to do.

A check never raises and never shows a secret: keys are shown by their kind, URLs without their password.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from dotenv import dotenv_values

from billing_core.errors import BillingError, QueryError
from billing_core.settings import Mode, Settings

MEGABYTE = 1_000_000
SPACE_FAIL_BYTES = 200 * MEGABYTE
SPACE_WARN_BYTES = 1_000 * MEGABYTE
OLDEST_POSTGRES = 14
OLD_FIGURES = timedelta(hours=1)
KEY_MODES = {
    "sk_test_": "secret test key",
    "rk_test_": "restricted test key",
    "sk_live_": "secret live key",
    "rk_live_": "restricted live key",
}


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it is, and what to do when it is not right."""

    name: str
    status: Status
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class SettingFact:
    """A setting as it is in force: its variable, masked value, where it came from, what it does."""

    variable: str
    value: str
    source: str
    description: str


def ok(name: str, detail: str) -> Check:
    """A check that found nothing wrong."""
    return Check(name, Status.OK, detail)


def attempt(name: str, look: Callable[[], Check], advice: str) -> Check:
    """Run one check; an error of the world is its finding."""
    try:
        return look()
    except BillingError as error:
        return Check(name, Status.FAIL, str(error), advice)


# --- settings ---------------------------------------------------------------------------------------------------------


def variable_of(field_name: str) -> str:
    """Return the environment variable of a setting."""
    alias = Settings.model_fields[field_name].validation_alias
    return str(alias) if alias else f"BILLING_{field_name.upper()}"


def setting_facts(settings: Settings) -> list[SettingFact]:
    """Explain every setting, in the order in which they are defined."""
    in_file = {name.upper() for name, value in dotenv_values(".env").items() if value}
    in_environment = {name.upper() for name, value in os.environ.items() if value}
    facts = []
    for name, field in Settings.model_fields.items():
        variable = variable_of(name)
        source = "environment" if variable in in_environment else ".env" if variable in in_file else "default"
        facts.append(SettingFact(variable, masked(name, getattr(settings, name)), source, field.description or ""))
    return facts


def masked(field_name: str, value: object) -> str:
    """Return a value as it may be shown."""
    if value is None or value == "":
        return "–"
    text = str(value)
    if field_name == "stripe_api_key":
        return key_mode(text)
    if "secret" in field_name or "password" in field_name or field_name.endswith("_key"):
        return f"{len(text.split(','))} set"
    # The last @ before the path ends the password, which may hold one itself.
    text = re.sub(r"(?<=://)([^:/@]*):[^/]*@", r"\1:…@", text)
    return re.sub(r"password\s*=\s*('[^']*'|[^\s&]+)", "password=…", text, flags=re.IGNORECASE)


def key_mode(key: str) -> str:
    """Name the kind of a Stripe key without any of its characters beyond the prefix."""
    return next(
        (f"{prefix}… ({kind})" for prefix, kind in KEY_MODES.items() if key.startswith(prefix)),
        "not a Stripe secret key",
    )


# --- checks -----------------------------------------------------------------------------------------------------------


def examine(settings: Settings, *, sandbox_url: str | None, now: datetime) -> list[Check]:
    """Check what does not depend on our own processes.

    Args:
        settings: what is in force.
        sandbox_url: where the sandbox of this home answers; None when it does not run.
        now: aware instant, for ages.
    """
    return [
        check_python(),
        check_zone(settings, now),
        check_space(settings.home),
        attempt(
            "Postgres", lambda: check_postgres(settings), "See postgres/server.log in BILLING_HOME, or DATABASE_URL."
        ),
        attempt(
            "Stripe",
            lambda: check_stripe(settings, sandbox_url),
            "Check STRIPE_API_KEY, STRIPE_API_BASE and the network.",
        ),
        attempt("Warehouse", lambda: check_warehouse(settings, now), "Run `billing refresh --full`."),
    ]


def check_python() -> Check:
    """The interpreter: 3.11 to 3.13."""
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return ok("Python", version)
    return Check("Python", Status.FAIL, version, "Install Python 3.11, 3.12 or 3.13 and run `make clean setup`.")


def check_zone(settings: Settings, now: datetime) -> Check:
    """The zone that decides on days, with the present time in it."""
    return ok("Time zone", f"{settings.reporting_timezone}, now {now.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}")


def check_space(home: Path) -> Check:
    """Space left where the data lives."""
    existing = next(path for path in (home.absolute(), *home.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free // MEGABYTE:,} MB free in {existing}"
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return Check(
            "Disk",
            Status.FAIL,
            f"{existing} is not {'writable' if existing.is_dir() else 'a directory'}",
            "Make it a directory that you can write to, or set BILLING_HOME to another directory.",
        )
    if free < SPACE_WARN_BYTES:
        status = Status.FAIL if free < SPACE_FAIL_BYTES else Status.WARN
        return Check("Disk", status, detail, "Free some space: Postgres stops when there is none.")
    return ok("Disk", detail)


def check_postgres(settings: Settings) -> Check:
    """Reachable, new enough, migrated."""
    if not settings.database_url and not (settings.home / "postgres").exists():
        return ok("Postgres", "embedded, not made yet; `billing up` makes it")
    import sqlalchemy as sa

    from billing_core.store.database import open_database
    from billing_core.store.migrate import pending

    database = open_database(settings)
    try:
        with database.connect() as connection:
            version = int(connection.scalar(sa.text("show server_version_num")) or 0) // 10_000
        kind = "DATABASE_URL" if settings.database_url else "embedded"
        if version < OLDEST_POSTGRES:
            return Check(
                "Postgres", Status.FAIL, f"{kind}, version {version}", f"Use Postgres {OLDEST_POSTGRES} or newer."
            )
        waiting = pending(database)
    finally:
        database.close()
    if waiting:
        return Check(
            "Postgres",
            Status.WARN,
            f"{kind}, version {version}, {len(waiting)} migration(s) pending",
            "Run `billing migrate`.",
        )
    return ok("Postgres", f"{kind}, version {version}, migrated")


def check_stripe(settings: Settings, sandbox_url: str | None) -> Check:
    """The sandbox in demo mode, else the account behind the key."""
    if settings.mode is Mode.OFFLINE:
        return ok("Stripe", "switched off (BILLING_OFFLINE)")
    if settings.mode is Mode.DEMO and settings.stripe_api_base is None and sandbox_url is None:
        return ok("Stripe", "sandbox, not running; commands that need it start it")
    from billing_core.gateway import API_VERSION, open_gateway

    reachable = settings if settings.stripe_api_base else settings.model_copy(update={"stripe_api_base": sandbox_url})
    account = open_gateway(reachable).account()
    where = "sandbox" if settings.mode is Mode.DEMO else key_mode(settings.stripe_api_key or "")
    return ok("Stripe", f"{where}, account {account.account_id}, API {API_VERSION}")


def check_warehouse(settings: Settings, now: datetime) -> Check:
    """Published, and how old."""
    from billing_core.warehouse.runner import Warehouse

    try:
        snapshot = Warehouse(settings.home / "warehouse").snapshot()
    except QueryError:
        return Check(
            "Warehouse", Status.WARN, "nothing published yet", "Run `billing refresh`, or start with `billing up`."
        )
    age = now.astimezone(UTC) - snapshot.refreshed_at
    detail = f"version {snapshot.version}, as of {snapshot.refreshed_at:%Y-%m-%d %H:%M:%S} UTC"
    if age > OLD_FIGURES:
        return Check(
            "Warehouse",
            Status.WARN,
            f"{detail}, {age.total_seconds() / 3600:.0f} h old",
            "Start `billing up`, or run `billing refresh`.",
        )
    return ok("Warehouse", detail)


# --- the page about settings -----------------------------------------------------------------------------------------


def settings_page() -> str:
    """Return `docs/settings.md`: every setting with its default, from the one definition."""
    rows = [
        f"| `{variable_of(name)}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Every setting comes from the environment or from a file `.env` in the working directory; the environment "
            "wins. `billing doctor` shows what is in force and where it came from. `make docs` writes this page from "
            "`billing_core/settings.py`.",
            "",
            "| variable | default | what it does |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _default(value: object) -> str:
    return "–" if value is None or value == "" else f"`{value}`"
