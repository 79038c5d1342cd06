"""The HTTP around Streamlit: compressed static files, security headers, health."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pages._http import SecurityHeaders, StaticGzip, inline_script_hashes, security_headers

INDEX = Path(st.__file__).parent / "static" / "index.html"
SCRIPT = "console.log('a file that compresses');\n" * 400


@pytest.fixture
def client(tmp_path: Path) -> httpx.AsyncClient:
    """A small app behind both layers of middleware."""
    (tmp_path / "app.js").write_text(SCRIPT)
    (tmp_path / "font.woff2").write_bytes(b"already small" * 100)

    def answer(request: Any) -> Response:
        return PlainTextResponse("hello" * 1000)

    inner = Starlette(routes=[Mount("/static", StaticFiles(directory=tmp_path)), Route("/page", answer)])
    app = SecurityHeaders(StaticGzip(inner), security_headers(INDEX))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.anyio
async def test_static_files_are_compressed_and_the_second_answer_is_the_same(client: httpx.AsyncClient) -> None:
    """Both answers unpack to the file, and are far smaller."""
    for _ in range(2):
        async with client.stream("GET", "/static/app.js", headers={"accept-encoding": "gzip"}) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert int(answer.headers["content-length"]) == len(raw) < len(SCRIPT) // 10
        assert gzip.decompress(raw).decode() == SCRIPT


@pytest.mark.anyio
async def test_a_client_that_knows_the_file_gets_no_body(client: httpx.AsyncClient) -> None:
    """The entity tag of the compressed answer is honoured."""
    first = await client.get("/static/app.js", headers={"accept-encoding": "gzip"})
    again = await client.get(
        "/static/app.js", headers={"accept-encoding": "gzip", "if-none-match": first.headers["etag"]}
    )
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/static/app.js", {"accept-encoding": "identity"}),
        ("/static/font.woff2", {"accept-encoding": "gzip"}),
        ("/page", {"accept-encoding": "gzip"}),
        ("/static/app.js", {"accept-encoding": "gzip", "range": "bytes=0-9"}),
    ],
)
async def test_what_cannot_or_need_not_be_compressed_passes_as_it_is(
    client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    """A client without gzip, a font, a page, a range."""
    answer = await client.get(path, headers=headers)
    assert answer.is_success
    assert "content-encoding" not in answer.headers


@pytest.mark.anyio
async def test_a_missing_file_stays_missing(client: httpx.AsyncClient) -> None:
    """A 404 of the app is a 404 of the compressed view."""
    assert (await client.get("/static/none.js", headers={"accept-encoding": "gzip"})).status_code == 404


@pytest.mark.anyio
async def test_made_up_names_do_not_fill_the_cache() -> None:
    """Streamlit answers an unknown file with its page; only files are kept."""
    calls = []

    def answer(request: Any) -> Response:
        calls.append(request.url.path)
        return HTMLResponse("<!doctype html>") if "none" in request.url.path else PlainTextResponse("1;" * 1000)

    app = StaticGzip(Starlette(routes=[Route("/static/{name}", answer)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for path in ("/static/none.js", "/static/some.js") * 2:
            assert (await client.get(path, headers={"accept-encoding": "gzip"})).status_code == 200
    assert calls == ["/static/none.js", "/static/some.js", "/static/none.js"]


@pytest.mark.anyio
async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    """Pages, files and errors alike; nothing from outside may be loaded, and nobody may frame the app."""
    for path in ("/page", "/static/app.js", "/nowhere"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "http" not in policy


def test_the_inline_scripts_of_streamlits_page_are_allowed_by_hash() -> None:
    """Each inline script has one source in the policy, so no other inline script can run."""
    scripts = INDEX.read_text("utf-8").count("<script>")
    assert len(inline_script_hashes(INDEX)) == scripts >= 1
