"""The words of the product in the reader's language: gettext catalogues, read from `billing_core/locale` by Babel.

English is the language of the source; a text without a translation is shown as it stands. A text with values in it has
named places and gets them by keyword, so that a translation may put them in another order:

    _("Due {day}, {late} ago.", day=reader.day(due_on), late=late)
    n_("{count} invoice", "{count} invoices", number, count=reader.number(number))

What is spoken is the language of `spoken(...)` around the call, otherwise what the surroundings answer (`listen_to`:
the web app asks the reader's session), otherwise English. Catalogues are read from their `.po` at first use, so there
is nothing to compile.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "LOCALE_DIR",
    "N_",
    "_",
    "current",
    "listen_to",
    "n_",
    "p_",
    "read_catalogues",
    "spoken",
    "translated",
]

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "da": "Dansk"}
LOCALE_DIR = Path(__file__).resolve().parent / "locale"
DOMAIN = "billing"

_spoken: ContextVar[str | None] = ContextVar("spoken", default=None)
_surroundings: list[Callable[[], str | None]] = []


def _(message: str, /, **values: object) -> str:
    """Return a text in the language being spoken, with the values put in."""
    return _filled(_catalogue(current()).gettext(message), values)


def n_(one: str, many: str, number: int, /, **values: object) -> str:
    """Return the text for this number of things; the number is shown only where a value says so."""
    return _filled(_catalogue(current()).ngettext(one, many, number), values)


def p_(context: str, message: str, /, **values: object) -> str:
    """Return a text whose English word means different things; the context says which (`verb`, `status`)."""
    return _filled(_catalogue(current()).pgettext(context, message), values)


def N_(message: str, /) -> str:  # noqa: N802 (gettext's own name for it)
    """Mark a text that is translated where it is shown (`_(TITLES[key])`), and return it as it stands."""
    return message


def translated(message: str, language: str) -> str:
    """Return a text in a language that is named, whatever is being spoken."""
    return _catalogue(language).gettext(message) if message else message


def current() -> str:
    """Return the code of the language being spoken, one of `LANGUAGES`."""
    asked = _spoken.get()
    if asked is None:
        asked = next((found for ask in _surroundings if (found := ask())), ENGLISH)
    return asked if asked in LANGUAGES else ENGLISH


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """Speak this language in the block, in this thread or task only; an unknown one is English."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def listen_to(ask: Callable[[], str | None]) -> None:
    """Ask this for the language where none was set; None means it does not know. The latest one replaces the others."""
    _surroundings[:] = [ask]


def read_catalogues() -> None:
    """Read every language now, so that no reader waits for it (a third of a second each)."""
    for code in LANGUAGES:
        _catalogue(code)


@lru_cache(maxsize=8)
def _catalogue(language: str) -> gettext.NullTranslations:
    path = LOCALE_DIR / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if language == ENGLISH or language not in LANGUAGES or not path.exists():
        return gettext.NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language, domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _filled(text: str, values: dict[str, object]) -> str:
    return text.format(**values) if values else text
