"""HTTP around Streamlit: compressed static files and security headers, as pure ASGI middleware.

Pure ASGI, because Starlette's `BaseHTTPMiddleware` buffers and copies every body. Neither class touches websockets.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMPRESSIBLE = (".js", ".css", ".json", ".svg", ".map", ".wasm", ".ttf")
# All of Streamlit's scripts and styles compress to about 7 MB; the bound only guards against a surprise.
CACHE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Packed:
    headers: list[tuple[bytes, bytes]]
    body: bytes


class StaticGzip:
    """Serve `/static/…` compressed, each file packed once per process.

    Streamlit leaves its static files uncompressed (9.9 MB for a page with a chart). Their names carry a hash of their
    content, so a packed copy never goes stale while the process lives.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._packed: dict[str, _Packed] = {}
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the packed copies, or pass the request on and pack what comes back."""
        if not self._applies(scope):
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        packed = self._packed.get(path)
        if packed is None:
            packed = await self._fetch(scope, receive, send)
            if packed is None:
                return
            # What does not exist is answered with the app's page: kept, made-up names would fill the cache.
            is_page = Headers(raw=packed.headers).get("content-type", "").startswith("text/html")
            if not is_page and self._bytes + len(packed.body) <= CACHE_BYTES:
                self._packed[path] = packed
                self._bytes += len(packed.body)
        await self._answer(packed, scope, send)

    @staticmethod
    def _applies(scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return False
        headers = Headers(scope=scope)
        return (
            scope["path"].startswith("/static/")
            and scope["path"].endswith(COMPRESSIBLE)
            and "gzip" in headers.get("accept-encoding", "")
            and "range" not in headers
        )

    async def _fetch(self, scope: Scope, receive: Receive, send: Send) -> _Packed | None:
        """Get the whole file from the app; anything but a 200 goes to the client as it is."""
        start: Message = {}
        chunks: list[bytes] = []

        async def collect(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                if message["status"] != 200:
                    await send(message)
            elif start["status"] != 200:
                await send(message)
            else:
                chunks.append(message.get("body", b""))

        # Conditional headers would turn the answer into a 304 without a body to pack.
        plain = [(k, v) for k, v in scope["headers"] if k not in {b"if-none-match", b"if-modified-since"}]
        await self.app({**scope, "method": "GET", "headers": plain}, receive, collect)
        if start.get("status") != 200:
            return None
        body = await to_thread.run_sync(lambda: gzip.compress(b"".join(chunks), compresslevel=6, mtime=0))
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(body))
        headers.add_vary_header("Accept-Encoding")
        if etag := headers.get("etag"):
            headers["etag"] = f"W/{etag.removeprefix('W/')}"
        return _Packed(headers.raw, body)

    @staticmethod
    async def _answer(packed: _Packed, scope: Scope, send: Send) -> None:
        etag = Headers(raw=packed.headers).get("etag")
        if etag and etag in Headers(scope=scope).get("if-none-match", ""):
            kept = [(k, v) for k, v in packed.headers if k not in {b"content-length", b"content-encoding"}]
            await send({"type": "http.response.start", "status": 304, "headers": kept})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": packed.headers})
        body = b"" if scope["method"] == "HEAD" else packed.body
        await send({"type": "http.response.body", "body": body})


def inline_script_hashes(index_html: Path) -> list[str]:
    """Return CSP sources for the inline scripts of Streamlit's own page, so that no other inline script can run."""
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", index_html.read_text("utf-8"), re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts]


def security_headers(index_html: Path) -> list[tuple[str, str]]:
    """Return the headers every answer carries; nothing may come from, or be framed by, another origin.

    `style-src 'unsafe-inline'` is what Streamlit's style engine needs; scripts are held to our own files.
    """
    scripts = " ".join(["'self'", *inline_script_hashes(index_html)])
    policy = "; ".join(
        [
            "default-src 'self'",
            f"script-src {scripts}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )
    return [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
        ("cross-origin-opener-policy", "same-origin"),
    ]


class SecurityHeaders:
    """Add fixed headers to every HTTP answer that does not set them itself."""

    def __init__(self, app: ASGIApp, headers: list[tuple[str, str]]) -> None:
        self.app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and dress the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                for name, value in self._headers:
                    headers.setdefault(name, value)
                message = {**message, "headers": headers.raw}
            await send(message)

        await self.app(scope, receive, dressed)
