"""`billing report --format xlsx|pdf`, as typed."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import openpyxl
from click.testing import Result
from pypdf import PdfReader


def test_a_workbook_comes_with_its_filters(billing: Callable[..., Result], tmp_path: Path) -> None:
    """The rows asked for are in it, and the second sheet says which that were."""
    out = tmp_path / "usage.xlsx"
    billing("report", "usage_daily", "--format", "xlsx", "--from", "2026-10-02", "--output", str(out))
    book = openpyxl.load_workbook(out)
    rows = list(book["Rows"].iter_rows(min_row=2, values_only=True))
    assert [(row[0], row[2].date(), row[3]) for row in rows] == [
        ("=t1", date(2026, 10, 2), 1),
        ("=t1", date(2026, 10, 3), 1.5),
    ]
    assert ("From", "2026-10-02") in [row[:2] for row in book["About"].iter_rows(values_only=True)]


def test_a_pdf_can_be_piped(billing: Callable[..., Result]) -> None:
    """Without a file it goes to standard output, whole."""
    content = billing("report", "usage_daily", "--format", "pdf", "--as-of", "2026-10-02").stdout_bytes
    text = PdfReader(io.BytesIO(content)).pages[0].extract_text()
    assert "Usage per day" in text
    assert "Counted to the end of: 2026-10-02" in text
    assert "2 Oct 2026" in text
    assert "3 Oct 2026" not in text
