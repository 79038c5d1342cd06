"""The web app as ASGI: `uvicorn app:app`, `streamlit run app.py` or `billing serve`.

Around Streamlit stand our own routes, compressed static files and security headers. At start the imports that a first
page needs are warmed, one page's worth of figures is read, and what is then in memory is taken out of the garbage
collector's sight: Streamlit collects after every run, and walking the modules of pandas and plotly each time is what
made reruns slow (4 s at 50 sessions, 0.1 s without).
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from anyio import to_thread
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from billing_core.language import read_catalogues
from pages import _health
from pages._http import SecurityHeaders, StaticGzip, security_headers

HERE = Path(__file__).resolve().parent
INDEX = Path(st.__file__).parent / "static" / "index.html"
WARM = (
    "pandas",
    "plotly.graph_objects",
    "pyarrow.compute",
    "babel.dates",
    "pages._charts",
    "pages._tables",
    "pages._frame",
)
HEALTH_SECONDS = 10.0

log = logging.getLogger("billing_desk.app")


def _warm() -> None:
    """Import what pages import and read what the first page reads; a world that is not ready yet is no reason not to
    start."""
    for module in WARM:
        importlib.import_module(module)
    read_catalogues()
    state = _health.check()
    if not state.is_ready:
        log.warning("started, but not ready: %s", state.reason)
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Warm up before the first request."""
    await to_thread.run_sync(_warm)
    yield


async def health(request: Request) -> JSONResponse:
    """`GET /health`: 200 when the first page can show figures, otherwise 503 with the reason."""
    try:
        state = await asyncio.wait_for(to_thread.run_sync(_health.check, abandon_on_cancel=True), HEALTH_SECONDS)
    except TimeoutError:
        state = _health.Health(is_ready=False, reason=f"No answer within {HEALTH_SECONDS:.0f} seconds.")
    return JSONResponse(
        state.as_json(), status_code=200 if state.is_ready else 503, headers={"cache-control": "no-store"}
    )


async def home(request: Request) -> RedirectResponse:
    """`GET /overview`: the page that opens first lives at `/`; its name leads there with all parameters."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/{query}", status_code=307)


app = st.App(
    HERE / "pages" / "ui.py",
    lifespan=lifespan,
    routes=[Route("/health", health, methods=["GET"]), Route("/overview", home, methods=["GET", "HEAD"])],
    middleware=[Middleware(SecurityHeaders, headers=security_headers(INDEX)), Middleware(StaticGzip)],
)
