"""The reader's language: which one he gets, and how the figures around its words are written.

The words themselves are on the ground floor (`billing_core.language`), because errors of every room are read by
people; pages take the marks from here.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from babel import Locale

from billing_core.language import ENGLISH, LANGUAGES, N_, _, current, listen_to, n_, p_, spoken, translated
from billing_core.services.formatting import Reader, parse_locale

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "N_",
    "_",
    "best_language",
    "current",
    "listen_to",
    "n_",
    "p_",
    "reader_of",
    "spoken",
    "translated",
]

# How figures are written for somebody whose browser speaks another language than the one he chose.
_HOME = {ENGLISH: "en_GB", "da": "da_DK"}


def best_language(tag: str | None) -> str:
    """Return the language of ours that suits a browser's language tag (`da-DK`): itself, a close one, or English."""
    spoken_at = parse_locale(tag).language
    # Who reads Norwegian or Swedish is better served in English than in Danish.
    return spoken_at if spoken_at in LANGUAGES else ENGLISH


def reader_of(tag: str | None, language: str, zone: ZoneInfo) -> Reader:
    """Return how a reader reads: figures as his browser writes them where it speaks the chosen language, otherwise as
    that language is written at home.

    Args:
        tag: the browser's language tag; None when it is not known.
        language: of the words, one of `LANGUAGES`.
        zone: the reporting time zone.
    """
    figures = parse_locale(tag)
    if figures.language != language and language != ENGLISH:
        figures = Locale.parse(_HOME[language])
    elif tag is not None and language == ENGLISH and figures.language in LANGUAGES and figures.language != ENGLISH:
        figures = Locale.parse(_HOME[ENGLISH])
    return Reader(figures, zone, Locale.parse(_HOME[language]))
