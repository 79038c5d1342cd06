"""Texts that came from outside (names, notes, reasons) made plain, so that nothing in them is taken for markup.

Markdown and the labels of charts both have a language of their own; a tenant may be called `**Sun** <b>` all the same.
"""

from __future__ import annotations

import html
import re

_MARKS = re.compile(r"([!-/:-@\[-`{-~])")
_LINES = re.compile(r"\s*[\r\n]+\s*")
# What Markdown makes a link of by itself, however it is escaped: broken by a sign that has no width.
_ADDRESS = re.compile(r"(?<=\w)(?=@)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_NO_WIDTH = "\u2060"


def inert(text: str | None) -> str:
    """Return a text for a sentence in Markdown: shown as it stands, on one line."""
    joined = _LINES.sub(" ", text or "")
    return _MARKS.sub(r"\\\1", _ADDRESS.sub(_NO_WIDTH, joined))


def on_chart(text: str | None, longest: int = 60) -> str:
    """Return a text for the label or the hover of a chart, which read a little HTML; cut when it is longer."""
    said = text or ""
    return html.escape(said if len(said) <= longest else f"{said[: longest - 1]}…", quote=False)
