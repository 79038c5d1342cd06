"""Texts from outside are shown as they stand, whatever language they seem to speak."""

from __future__ import annotations

from pages._words import inert, on_chart


def test_marks_of_markdown_are_escaped_and_lines_joined() -> None:
    """Every sign that could mean something gets a backslash; a sentence stays on one line."""
    assert inert("**a** [b](c)\n# d") == r"\*\*a\*\* \[b\]\(c\) \# d"
    assert inert(None) == ""


def test_addresses_do_not_become_links() -> None:
    """A sign without width breaks what Markdown would link by itself."""
    assert "://" not in inert("https://x.example")
    assert "www\\." not in inert("www.x.example")
    assert "a\\@" not in inert("a@b.example")


def test_labels_of_charts_show_tags_as_text_and_are_cut() -> None:
    """Plotly reads a little HTML; a long name ends in an ellipsis."""
    assert on_chart("<b>a</b> & b") == "&lt;b&gt;a&lt;/b&gt; &amp; b"
    assert on_chart("x" * 50, 10) == "x" * 9 + "…"
