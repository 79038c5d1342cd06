"""The look of what is printed: the light colours of the app, and letters for the languages of customers.

Names may hold letters that the font has no shape for; those are written as their base letter, and what has none as a
question mark, so that a name never prints as an empty box.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from reportlab.lib.colors import HexColor
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

TEXT = HexColor("#27241F")
QUIET = HexColor("#6F6A61")
RULE = HexColor("#DFDAD1")
SHADE = HexColor("#F3F0EA")
ACCENT = HexColor("#0B6B62")
# The same as in .streamlit/config.toml, which a test holds this to.
CATEGORICAL = (
    "#2C62A8",
    "#12806F",
    "#D08A1D",
    "#B3482F",
    "#7A5CA8",
    "#857E73",
    "#8C6F12",
    "#B65C84",
    "#5E7F35",
    "#4F6B80",
)
SEQUENTIAL = (
    "#EFEDE6",
    "#DCE9E3",
    "#C3DFD8",
    "#A5D2C9",
    "#83C2B7",
    "#5FAFA3",
    "#3D9A8D",
    "#238377",
    "#0F6B62",
    "#08514B",
)
DIVERGING = (
    "#8C3320",
    "#B3482F",
    "#CF7A5F",
    "#E4AE99",
    "#F1DBD0",
    "#D9E4EF",
    "#AFC7E0",
    "#7AA2CC",
    "#4A7DB5",
    "#2C62A8",
)

FONT, BOLD = "BillingSans", "BillingSans-Bold"
_ALIKE = {"\u2011": "-", "\u202f": " ", "\u2009": " ", "\u2192": "›", "\u2715": "×"}


@lru_cache(maxsize=1)
def register_fonts() -> frozenset[int]:
    """Make the fonts known and return the code points they have a shape for."""
    regular, bold = TTFont(FONT, "Vera.ttf"), TTFont(BOLD, "VeraBd.ttf")
    pdfmetrics.registerFont(regular)
    pdfmetrics.registerFont(bold)
    pdfmetrics.registerFontFamily(FONT, normal=FONT, bold=BOLD, italic=FONT, boldItalic=BOLD)
    return frozenset(regular.face.charToGlyph) & frozenset(bold.face.charToGlyph)


def printable(text: str) -> str:
    """Return text in letters that can be printed."""
    known = register_fonts()
    if all(ord(c) in known for c in text):
        return text
    return "".join(_letter(c, known) for c in text)


def _letter(char: str, known: frozenset[int]) -> str:
    if ord(char) in known:
        return char
    if char in _ALIKE:
        return _ALIKE[char]
    if char in "\r\n\t":
        return " "
    base = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return base if base and all(ord(c) in known for c in base) else "?"


def width(text: str, size: float, font: str = FONT) -> float:
    """Return how wide a text is in points."""
    register_fonts()
    return float(pdfmetrics.stringWidth(text, font, size))
