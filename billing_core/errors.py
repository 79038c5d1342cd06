"""The one tree of errors that a user may see.

Every error says what is wrong, where, and what to do next; ids are attributes, secrets never appear. Pages, the API and
the command line catch `BillingError` once and show `str(error)`; anything else is a bug and is shown as a reference to
quote.
"""

from __future__ import annotations


class BillingError(Exception):
    """Base of everything that is the world's fault and not a bug.

    Args:
        message: one or two sentences: what is wrong, where, and what to do.
        **ids: identifiers worth logging (`tenant_id="t_12"`), kept in `ids`; never personal data or keys.
    """

    exit_code = 1

    def __init__(self, message: str, **ids: object) -> None:
        super().__init__(message)
        self.ids = ids


class InvalidInputError(BillingError):
    """Something that was typed, imported or sent is not acceptable; nothing was written."""

    exit_code = 2


class NotFoundError(BillingError):
    """The thing that was named does not exist (or is not visible to this actor)."""

    exit_code = 3


class ForbiddenError(BillingError):
    """The actor may not do this."""

    exit_code = 4


class ConflictError(BillingError):
    """The state of the world moved on, or something else already runs; nothing was written."""

    exit_code = 5


class SettingError(BillingError):
    """A setting is missing or broken; the message names the variable."""

    exit_code = 6


class GatewayError(BillingError):
    """Stripe could not be reached or refused; `is_outcome_unknown` tells whether an effect is possible."""

    exit_code = 7

    def __init__(self, message: str, *, is_outcome_unknown: bool = False, **ids: object) -> None:
        super().__init__(message, **ids)
        self.is_outcome_unknown = is_outcome_unknown


class StoreError(BillingError):
    """Postgres could not be reached, started or migrated; `is_outcome_unknown` when it was lost during COMMIT."""

    exit_code = 8

    def __init__(self, message: str, *, is_outcome_unknown: bool = False, **ids: object) -> None:
        super().__init__(message, **ids)
        self.is_outcome_unknown = is_outcome_unknown


class PendingMigrationError(StoreError):
    """Postgres answers, but holds the data model of another version."""


class QueryError(BillingError):
    """A report does not exist, its parameters are wrong, or the warehouse has no data yet."""

    exit_code = 9
