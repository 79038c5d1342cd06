"""Reasons that people give for what they do; they stand in the audit log for ever."""

from __future__ import annotations

from billing_core.errors import InvalidInputError

LONGEST = 2000


def checked_reason(reason: str) -> str:
    """Return a reason as it is kept: trimmed, 1 to 2,000 characters.

    Raises:
        InvalidInputError: nothing, too much, or characters that are no text.
    """
    text = reason.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise InvalidInputError("A reason is needed: say in a few words why. Nothing was changed.")
    if len(text) > LONGEST:
        raise InvalidInputError(
            f"A reason has at most {LONGEST:,} characters; this one has {len(text):,}. Nothing was changed."
        )
    # Postgres keeps no NUL, and half a surrogate pair is no character at all.
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInputError("The reason has a character that is no text; type it again. Nothing was changed.")
    return text
