"""The hosted page and the PDF of an invoice, at the addresses that the API shows; plain, but really served."""

from __future__ import annotations

from html import escape

from billing_core.money import to_major
from billing_core.periods import utc
from billing_core.sandbox.billing.invoices import lines_of
from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import StripeFault
from billing_core.sandbox.routes import Raw, route
from billing_core.sandbox.state import Obj

# A4 in points, and what fits on it.
WIDTH, HEIGHT, MARGIN, LEADING = 595, 842, 50, 16
LINES_PER_PAGE = (HEIGHT - 2 * MARGIN) // LEADING


def _invoice(ctx: Context, token: str) -> Obj:
    invoice = ctx.state.get("invoice", f"in_{token}")
    if invoice is None or invoice["status"] == "draft":
        raise StripeFault("There is no such invoice.", status=404, code="resource_missing")
    return invoice


def _amount(minor: int, currency: str) -> str:
    return f"{to_major(minor, currency):,f} {currency.upper()}"


def _rows(ctx: Context, invoice: Obj) -> list[tuple[str, str]]:
    """Return what both documents say: pairs of text and amount."""
    currency = invoice["currency"]
    rows = [
        (f"Invoice {invoice['number']}", str(invoice["status"])),
        (f"Date {utc(invoice['effective_at']):%d %b %Y}", ""),
        (str(invoice["customer_name"] or invoice["customer_email"] or invoice["customer"]), ""),
    ]
    if invoice["due_date"]:
        rows.append((f"Due {utc(invoice['due_date']):%d %b %Y}", ""))
    rows.append(("", ""))
    for line in lines_of(ctx, invoice["id"]):
        start, end = utc(line["period"]["start"]), utc(line["period"]["end"])
        span = f" ({start:%d %b %Y} - {end:%d %b %Y})" if end > start else ""
        rows.append((f"{line['description'] or ''}{span}", _amount(line["amount"], currency)))
    rows += [("", ""), ("Subtotal", _amount(invoice["subtotal"], currency))]
    off = sum(d["amount"] for d in invoice["total_discount_amounts"])
    if off:
        rows.append(("Discounts", _amount(-off, currency)))
    for tax in invoice["total_taxes"]:
        rate = ctx.state.get("tax_rate", tax["tax_rate_details"]["tax_rate"]) or {}
        name = f"{rate.get('display_name', 'Tax')} {rate.get('percentage', '')} %"
        rows.append((f"{name} ({tax['tax_behavior']})", _amount(tax["amount"], currency)))
    rows.append(("Total", _amount(invoice["total"], currency)))
    rows.append(("Amount due", _amount(invoice["amount_due"], currency)))
    rows.append(("Amount paid", _amount(invoice["amount_paid"], currency)))
    rows.append(("Amount remaining", _amount(invoice["amount_remaining"], currency)))
    return rows


@route("GET", "/i/{token}")
def page(ctx: Context, params: Obj, token: str) -> Raw:
    """Serve the hosted page of a finalized invoice."""
    invoice = _invoice(ctx, token)
    body = "".join(f"<tr><td>{escape(a)}</td><td>{escape(b)}</td></tr>" for a, b in _rows(ctx, invoice))
    html = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f"<title>Invoice {escape(str(invoice['number']))}</title>"
        "<style>body{font:16px system-ui;margin:3rem auto;max-width:48rem;padding:0 1rem}table{width:100%;"
        "border-collapse:collapse}td{padding:.3rem 0;border-bottom:1px solid #ddd}"
        "td+td{text-align:right;white-space:nowrap}</style>"
        f"<h1>Invoice {escape(str(invoice['number']))}</h1><table>{body}</table>"
        f"<p><a href='/i/{escape(token)}/pdf'>PDF</a></p></html>"
    )
    return Raw(html.encode(), "text/html; charset=utf-8")


@route("GET", "/i/{token}/pdf")
def pdf(ctx: Context, params: Obj, token: str) -> Raw:
    """Serve the PDF of a finalized invoice."""
    return Raw(pdf_of(_rows(ctx, _invoice(ctx, token))), "application/pdf")


def pdf_of(rows: list[tuple[str, str]]) -> bytes:
    """Return a small PDF of rows of text, as many pages as they need; characters outside Latin-1 become `?`."""
    pages = [rows[i : i + LINES_PER_PAGE] for i in range(0, len(rows), LINES_PER_PAGE)]
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    kids = []
    for rows_here in pages:
        content = b"BT /F1 10 Tf\n"
        for index, (text, amount) in enumerate(rows_here):
            y = HEIGHT - MARGIN - LEADING * index
            content += _text(MARGIN, y, text) + _text(WIDTH - MARGIN - 110, y, amount)
        content += b"ET"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (WIDTH, HEIGHT, len(objects))
        )
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % k for k in kids))
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)


def _text(x: int, y: int, text: str) -> bytes:
    safe = text.encode("cp1252", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"1 0 0 1 %d %d Tm (%s) Tj\n" % (x, y, safe[:100])
