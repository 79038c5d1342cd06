"""Every setting of the product, typed, in one place; read from the environment or `.env`.

Nothing else reads the environment. `BILLING_` prefixes all but the names that the world already knows (`DATABASE_URL`,
`STRIPE_*`).
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from billing_core.errors import SettingError

_SECRET_KEY = re.compile(r"(sk|rk)_(org_)?(test|live)_\S+")
# Their values may hold a secret, so that a message about them never repeats one.
_UNSHOWN = ("DATABASE_URL", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS")


class Mode(StrEnum):
    """Which world the product is looking at; shown on every screen."""

    DEMO = "demo"
    TEST = "test"
    LIVE = "live"
    OFFLINE = "offline"


class Settings(BaseSettings):
    """The settings object; build it with `load_settings()`, which turns a bad value into one clear sentence."""

    # A variable that is set to nothing is one that is not set, as in a compose file or a copied .env.
    model_config = SettingsConfigDict(
        env_prefix="BILLING_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(
        default=Path(".billing"), description="Where the embedded Postgres, the sandbox and the warehouse live."
    )
    database_url: str | None = Field(
        default=None, validation_alias="DATABASE_URL", description="Postgres to use; unset: the embedded one."
    )
    source_sql: Path | None = Field(
        default=None,
        description="SQL file with the views source_tenants and source_occupancies over your own tables; unset: ours.",
    )
    stripe_api_key: str | None = Field(
        default=None, validation_alias="STRIPE_API_KEY", description="Secret or restricted key; unset: the sandbox."
    )
    stripe_api_base: str | None = Field(
        default=None, validation_alias="STRIPE_API_BASE", description="Another server that speaks Stripe's API."
    )
    stripe_webhook_secrets: str = Field(
        default="",
        validation_alias="STRIPE_WEBHOOK_SECRETS",
        description="Comma-separated signing secrets, all active.",
    )
    stripe_timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long one call to Stripe may take."
    )
    stripe_calls_per_second: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        description="Most calls per second to Stripe; unset: 80 live, 20 test, no limit in the demo.",
    )
    reporting_timezone: str = Field(
        default="Europe/Copenhagen", description="The zone that decides which day and month an instant belongs to."
    )
    fx_max_age_days: int = Field(
        default=35, ge=0, description="How many days old an exchange rate may be when an amount is converted."
    )
    host: str = Field(default="127.0.0.1", description="Address the web app listens on.")
    port: int = Field(default=8501, ge=0, le=65535, description="Port of the web app.")
    browser: bool = Field(default=True, description="Whether `billing up` opens a browser when there is a display.")
    sandbox_port: int = Field(default=0, ge=0, le=65535, description="Port of the Stripe sandbox; 0 picks a free one.")
    api_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the HTTP API's own process; 0 picks a free one."
    )
    mirror_seconds: float = Field(
        default=5.0, gt=0, le=3600, description="How often the worker asks Stripe for new events."
    )
    refresh_seconds: float = Field(
        default=5.0, gt=0, le=3600, description="Shortest time between two refreshes of the warehouse."
    )
    demo_seed: int = Field(default=1, description="Seed of the demo company.")
    demo_months: int = Field(default=24, ge=1, le=60, description="Months of history of the demo company.")
    demo_tenants: int = Field(default=60, ge=12, le=5000, description="Tenants of the demo company.")
    offline: bool = Field(default=False, description="Work without Stripe, from imported data only.")
    actor: str | None = Field(default=None, description="Who acts on the command line, by e-mail.")

    @field_validator("reporting_timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("not a time zone; use a name such as Europe/Copenhagen")
        return value

    @field_validator("home", "source_sql")
    @classmethod
    def _tilde_is_a_home(cls, value: Path | None) -> Path | None:
        # A shell expands it, a .env file does not.
        return value.expanduser() if value else value

    @field_validator("stripe_api_key")
    @classmethod
    def _key_is_secret(cls, value: str | None) -> str | None:
        if value and not _SECRET_KEY.fullmatch(value):
            raise ValueError("a secret or restricted key starts with sk_ or rk_ and test or live, such as sk_test_…")
        return value

    @field_validator("stripe_api_base")
    @classmethod
    def _base_is_an_address(cls, value: str | None) -> str | None:
        if value:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("not an address; use one such as http://127.0.0.1:12111")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The reporting time zone."""
        return ZoneInfo(self.reporting_timezone)

    @property
    def mode(self) -> Mode:
        """Demo unless a key says test or live; offline when Stripe is switched off."""
        if self.offline:
            return Mode.OFFLINE
        key = self.stripe_api_key
        if not key:
            return Mode.DEMO
        return Mode.LIVE if "_live_" in key else Mode.TEST


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        SettingError: naming the variable, its value and what it should be.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        name = field if field.isupper() else f"BILLING_{field.upper()}"
        shown = "set to something else" if name in _UNSHOWN else repr(first["input"])
        said = first["msg"].removeprefix("Value error, ")
        message = f"{name} is {shown}: {said}. Correct it in the environment or in .env."
    # Not as its cause: that one repeats the value.
    raise SettingError(message)
