"""Which language is spoken, and what comes out."""

from __future__ import annotations

import threading
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_core import language
from billing_core.language import _, current, n_, p_, spoken, translated
from billing_core.services.language import best_language, reader_of

ZONE = ZoneInfo("Europe/Copenhagen")


def test_english_is_the_source() -> None:
    """Without a language the text stands as it was written, with its values."""
    assert current() == "en"
    assert _("as of {time}", time="09:41") == "as of 09:41"
    assert n_("{count} invoice", "{count} invoices", 1, count=1) == "1 invoice"
    assert n_("{count} invoice", "{count} invoices", 0, count=0) == "0 invoices"


def test_danish_is_spoken_in_its_block_only() -> None:
    """Nothing leaks out, also when the block fails; blocks may stand in each other."""
    with spoken("da"):
        assert _("as of {time}", time="09.41") == "pr. 09.41"
        assert n_("{count} invoice", "{count} invoices", 2, count=2) == "2 fakturaer"
        with spoken("en"):
            assert _("Overview") == "Overview"
        assert _("Overview") == "Overblik"
    with pytest.raises(ZeroDivisionError), spoken("da"):
        raise ZeroDivisionError
    assert current() == "en"


def test_the_same_english_word_may_be_two_danish_ones() -> None:
    """An open invoice and an open amount are not the same word."""
    with spoken("da"):
        assert (language._("Open"), p_("amount", "Open")) == ("Åben", "Udestående")


def test_a_language_is_one_thread_s_own() -> None:
    """Two readers at the same time do not hear each other."""
    heard: list[str] = []
    with spoken("da"):
        other = threading.Thread(target=lambda: heard.append(language._("Overview")))
        other.start()
        other.join()
        assert (heard, language._("Overview")) == (["Overview"], "Overblik")


def test_an_unknown_language_is_english() -> None:
    """Also one that came from outside, with a path in it."""
    with spoken("../../etc"):
        assert (current(), language._("Overview")) == ("en", "Overview")
    assert translated("Overview", "da") == "Overblik"
    assert translated("", "da") == ""


@pytest.mark.parametrize(
    ("tag", "chosen"),
    [("da-DK", "da"), ("da", "da"), ("en-US", "en"), ("de-DE", "en"), ("nb-NO", "en"), (None, "en"), ("xx-?", "en")],
)
def test_the_browser_s_language_is_the_first_choice(tag: str | None, chosen: str) -> None:
    """What we have, else English."""
    assert best_language(tag) == chosen


@pytest.mark.parametrize(
    ("tag", "words", "amount", "day", "month"),
    [
        ("da-DK", "da", "1.234,50", "22. nov. 2026", "november 2026"),
        ("en-US", "en", "1,234.50", "Nov 22, 2026", "November 2026"),
        ("en-GB", "en", "1,234.50", "22 Nov 2026", "November 2026"),
        ("en-US", "da", "1.234,50", "22. nov. 2026", "november 2026"),
        ("da-DK", "en", "1,234.50", "22 Nov 2026", "November 2026"),
        ("de-DE", "en", "1.234,50", "22.11.2026", "November 2026"),
        (None, "en", "1,234.50", "22 Nov 2026", "November 2026"),
    ],
)
def test_figures_follow_the_browser_unless_another_language_was_chosen(
    tag: str | None, words: str, amount: str, day: str, month: str
) -> None:
    """Who switches to Danish reads Danish figures; who reads English for want of his own keeps his figures."""
    reader = reader_of(tag, words, ZONE)
    told = date(2026, 11, 22)
    assert (reader.amount(123450, "dkk"), reader.day(told), reader.month(told)) == (amount, day, month)


@given(st.text(max_size=30), st.text(max_size=30))
def test_values_are_put_in_as_they_are(name: str, other: str) -> None:
    """A value with braces or percent signs in it is only text."""
    assert _("{name} – {other}", name=name, other=other) == f"{name} – {other}"
