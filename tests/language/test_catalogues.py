"""Every text has a translation, and every text that is seen is marked: the gate of languages."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from billing_core import locale
from billing_core.language import DOMAIN, ENGLISH, LANGUAGES, LOCALE_DIR
from tests.language.unmarked import marked_too_early, unmarked

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [code for code in LANGUAGES if code != ENGLISH]
# What speaks to browsers and not to people.
PAGES = sorted(set((ROOT / "pages").glob("*.py")) - {ROOT / "pages" / "_http.py"})


@pytest.fixture(scope="module")
def fresh() -> Catalog:
    """The texts of the source as it is now."""
    return locale.template(locale.messages())


def texts(message: Message) -> tuple[str, ...]:
    """The forms of a text: one, or two where it counts."""
    return message.id if isinstance(message.id, tuple) else (message.id,)


def told(message: Message) -> tuple[str, ...]:
    """The forms of its translation; empty ones where there is none."""
    return tuple(message.string) if isinstance(message.string, tuple | list) else (message.string or "",)


def places(text: str) -> set[str]:
    """The named places of a text."""
    return {name for _literal, name, _spec, _conversion in Formatter().parse(text) if name is not None}


def keys(catalogue: Catalog) -> set[tuple[str | None, tuple[str, ...]]]:
    """What tells the texts of a catalogue apart."""
    return {(m.context, texts(m)) for m in catalogue if m.id}


def test_the_template_holds_the_texts_of_the_source(fresh: Catalog) -> None:
    """A text that was written or changed is in the template; otherwise: make texts."""
    with (LOCALE_DIR / f"{DOMAIN}.pot").open("rb") as file:
        assert keys(read_po(file)) == keys(fresh), "run `make texts`, then translate what is new"


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str, fresh: Catalog) -> None:
    """No text of the source is missing, empty or unsure in a catalogue, and none in it is gone from the source."""
    catalogue = locale.translations(language)
    assert keys(fresh) - keys(catalogue) == set(), "run `make texts`, then translate what is new"
    assert keys(catalogue) - keys(fresh) == set(), "run `make texts`"
    untold = [texts(m)[0] for m in catalogue if m.id and (m.fuzzy or not all(told(m)))]
    assert not untold, f"{len(untold)} texts have no translation in {locale.po_path(language).relative_to(ROOT)}"


@pytest.mark.parametrize("language", OTHERS)
def test_translations_keep_places_and_marks(language: str) -> None:
    """A value that the text puts in is put in by its translation too, and strong words and code stay paired."""
    wrong = []
    for message in locale.translations(language):
        # A text without values is never filled in, so that a brace in it is only a brace.
        if not message.id or not _has_places(message):
            continue
        named = [places(text) for text in texts(message)]
        # One of two forms may leave the number out, and the other language may do so in another form.
        needed, known = set.intersection(*named) - {"count"}, set.union(*named)
        for form in told(message):
            unpaired = [mark for mark in ("**", "`") if form.count(mark) != texts(message)[0].count(mark)]
            if not needed <= places(form) <= known or unpaired:
                wrong.append((texts(message)[0], form, unpaired))
    assert not wrong


def _has_places(message: Message) -> bool:
    return any(re.search(r"\{[a-z_]+\}", text) for text in texts(message))


@pytest.mark.parametrize("language", OTHERS)
def test_translations_end_as_their_text_does(language: str) -> None:
    """A sentence stays a sentence, a question a question."""
    wrong = [
        (texts(m)[0], form)
        for m in locale.translations(language)
        if m.id
        for form in told(m)
        if form and texts(m)[0][-1] in ".?:" and form[-1] != texts(m)[0][-1]
    ]
    assert not wrong


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_every_text_that_a_reader_sees_is_marked(path: Path) -> None:
    """A literal that reads like words goes through `_()`, or through `N_()` where it only waits to be shown."""
    found = [f"{path.name}:{line}: {text!r}" for line, text in unmarked(path.read_text(encoding="utf-8"))]
    assert not found


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_no_text_is_translated_before_the_reader_is_known(path: Path) -> None:
    """A module is read once for all readers: its constants are marked with `N_()` and translated where shown."""
    assert not [f"{path.name}:{line}" for line in marked_too_early(path.read_text(encoding="utf-8"))]


def test_the_search_for_unmarked_texts_finds_them() -> None:
    """A title, a help and a piece of a sentence are found; what is marked or never shown is not."""
    source = '''
"""Module of a page."""
import streamlit as st
LABELS = {"past_due": "Past due", "open": N_("Open")}
EARLY = _("Too early")
def body(page):
    """Draw it."""
    st.title("Revenue")
    st.caption(_("Known"), help="The help of it")
    st.markdown(f"Since {page.day} everything")
    st.button(_("Go {where}", where="over there"), key="Some key here", icon=":material/Some thing:")
    log.warning("The page failed badly")
    if page.kind == "Some Kind":
        st.metric(n_("one row", "many rows", 3), "x")
'''
    found = sorted(text for _line, text in unmarked(source))
    assert found == [" everything", "Past due", "Revenue", "Since ", "The help of it", "over there"]
    assert list(marked_too_early(source)) == [5]


def test_a_mark_around_something_put_together_is_refused() -> None:
    """A translator would never see it."""
    with pytest.raises(locale.UnreadableMarkError, match=r"pages/x\.py:1"):
        list(locale.marked('_(f"{count} rows")', "pages/x.py"))
    with pytest.raises(locale.UnreadableMarkError):
        list(locale.marked('_("a" + name)', "pages/x.py"))


def test_marks_are_read_with_their_plural_and_context() -> None:
    """Nested ones, adjacent pieces of one text, plurals and contexts all come out."""
    source = '_("Due {day}", day=_("to" "day")); n_("{count} row", "{count} rows", 2, count=2)'
    source += '; p_("amount", "Open"); N_("x")'
    assert [(m.text, m.plural, m.context) for m in locale.marked(source, "p")] == [
        ("Due {day}", None, None),
        ("{count} row", "{count} rows", None),
        ("Open", None, "amount"),
        ("x", None, None),
        ("today", None, None),
    ]
