"""Every setting of the product, typed, in one place; read from the environment or `.env`.

Nothing else reads the environment. `BILLING_` prefixes all but the names that the world already knows (`DATABASE_URL`,
`STRIPE_*`).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from billing_core.errors import SettingError


class Mode(StrEnum):
    """Which world the product is looking at; shown on every screen."""

    DEMO = "demo"
    TEST = "test"
    LIVE = "live"
    OFFLINE = "offline"


class Settings(BaseSettings):
    """The settings object; build it with `load_settings()`, which turns a bad value into one clear sentence."""

    model_config = SettingsConfigDict(env_prefix="BILLING_", env_file=".env", extra="ignore", frozen=True)

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
    stripe_timeout_seconds: float = Field(default=15.0, gt=0, description="How long one call to Stripe may take.")
    stripe_calls_per_second: float | None = Field(
        default=None,
        gt=0,
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
    mirror_seconds: float = Field(default=5.0, gt=0, description="How often the worker asks Stripe for new events.")
    refresh_seconds: float = Field(
        default=5.0, gt=0, description="Shortest time between two refreshes of the warehouse."
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
            raise ValueError(f"'{value}' is not a time zone; use a name such as Europe/Copenhagen")
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
        raise SettingError(
            f"{name} is {first['input']!r}: {first['msg']}. Correct it in the environment or in .env."
        ) from error
