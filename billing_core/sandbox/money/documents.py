"""A document of one page, for links that promise a PDF."""

from __future__ import annotations

from collections.abc import Sequence


def one_page(rows: Sequence[str]) -> bytes:
    """Return a PDF that shows rows of text below each other; what Latin script does not have is replaced."""

    def text(row: str) -> str:
        return row.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")

    body = "BT /F1 12 Tf 60 780 Td 18 TL " + " ".join(f"({text(row)}) Tj T*" for row in rows) + " ET"
    content = body.encode("cp1252", "replace")
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, part in enumerate(parts, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, start)
    return bytes(out)
