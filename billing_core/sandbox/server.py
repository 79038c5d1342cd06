"""The sandbox's HTTP server: Starlette on uvicorn, one thread for the engine, clocks and webhooks beside it.

Requests are answered one after another on the engine's thread. While the account catches up with real time, or a test
clock is on its way, requests wait; after ten seconds they are told to try again. `/health` and `/_sandbox` never wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from billing_core.errors import NotFoundError
from billing_core.sandbox import admin, api, contract, engine, faults
from billing_core.sandbox.clockwork import Clockwork
from billing_core.sandbox.errors import StripeFault
from billing_core.sandbox.webhooks import Courier
from billing_core.sandbox.wire import MAX_BODY_BYTES

log = logging.getLogger("billing.sandbox")

T = TypeVar("T")
PATIENCE_SECONDS = 10.0
TICK_SECONDS = 1.0
# A clock that is on its way does not keep anybody from asking how far it is.
UNHINDERED = ("/v1/test_helpers/test_clocks",)

_transports: dict[tuple[str, int], asyncio.Transport] = {}


class _Connection(H11Protocol):
    """Remembers each connection's transport, so that a fault can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client:
            _transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client:
            _transports.pop(self.client, None)
        super().connection_lost(exc)


class Sandbox:
    """One account behind an ASGI app."""

    def __init__(self, path: Path | None, base_url: str, ready: Callable[[], None] | None = None) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._path = path
        self._base_url = base_url
        self._ready = ready
        self._keys: set[str] = set()
        self._clock_moved = asyncio.Event()
        self._arrived = asyncio.Event()
        self._wake = asyncio.Event()
        self._clocks_rest = asyncio.Event()
        self._clocks_rest.set()
        self.faults = faults.Faults()
        self.app = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/_sandbox/health", self._health),
                Route("/_sandbox{rest:path}", self._admin, methods=["GET", "POST", "DELETE"]),
                Route("/{rest:path}", self._api, methods=["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]),
            ],
            lifespan=self._lifespan,
        )

    async def on_engine(self, work: Callable[[], T]) -> T:
        """Run something on the engine's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- life --------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self.on_engine(self._open)
        self.courier = Courier(self.ctx, self.on_engine)
        tasks = [asyncio.create_task(work()) for work in (self._tick, self._run_test_clocks, self.courier.run)]
        if self._ready:
            self._ready()
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.on_engine(self.ctx.state.close)
        self._thread.shutdown()

    def _open(self) -> None:
        self.ctx = engine.open_context(self._path)
        self.ctx.base_url = self._base_url
        self.clockwork = Clockwork(self.ctx)
        contract.known_routes()

    async def _tick(self) -> None:
        while True:
            self._wake.clear()
            try:
                has_arrived = await self.on_engine(self.clockwork.step)
            except Exception:
                # A full disk, say: the clock tries again, and requests say what is wrong with them.
                log.exception("the clock could not move")
                has_arrived = True
            if has_arrived:
                if not self._wake.is_set():
                    self._arrived.set()
                await self._sleep_until(self._wake)

    async def _run_test_clocks(self) -> None:
        while True:
            moving = await self.on_engine(self.clockwork.advancing)
            for clock_id in moving:
                self._clocks_rest.clear()
                try:
                    while not await self.on_engine(partial(self.clockwork.step_test_clock, clock_id)):
                        pass
                except Exception:
                    # As Stripe does with a clock that it could not advance.
                    log.exception("a test clock's timer failed")
                    await self.on_engine(partial(self._mark_failed, clock_id))
            self._clocks_rest.set()
            self._clock_moved.clear()
            if not moving:
                await self._sleep_until(self._clock_moved)

    @staticmethod
    async def _sleep_until(event: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), TICK_SECONDS)

    def _mark_failed(self, clock_id: str) -> None:
        with self.ctx.state.transaction():
            self.ctx.state.edit("test_helpers.test_clock", clock_id)["status"] = "internal_failure"

    # --- outside the API ---------------------------------------------------------------------------------------------

    async def _health(self, _: Request) -> Response:
        behind = 0 if self._arrived.is_set() else await self.on_engine(self.clockwork.behind)
        if behind or not self._arrived.is_set():
            return JSONResponse({"status": "catching_up", "behind_seconds": behind}, status_code=503)
        return JSONResponse({"status": "ok"})

    async def _admin(self, request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin and origin != self._base_url:
            # No web page of another site may move our clock through somebody's browser.
            return JSONResponse({"error": {"message": "Not for web pages of other sites."}}, status_code=403)
        try:
            body = await _body(request)
            status, found = await admin.answer(self, request.method, request.path_params["rest"], body)
            return JSONResponse(found, status_code=status)
        except StripeFault as fault:
            return JSONResponse({"error": {"message": fault.message, **fault.fields}}, status_code=fault.status)

    async def wait_for_clocks(self, *, is_arrived_enough: bool = False) -> None:
        """Wait until the account's clock has caught up and no test clock is on its way.

        Raises:
            TimeoutError: it takes longer than a client should wait.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._arrived.wait()
            if not is_arrived_enough:
                await self._clocks_rest.wait()

    async def wait_until_caught_up(self) -> None:
        """Wait, however long it takes, until the account's clock has arrived where it was set."""
        await self._arrived.wait()

    def catch_up(self) -> None:
        """Make requests wait until the account's clock has arrived where it was set."""
        self._arrived.clear()
        self._wake.set()

    # --- the API -----------------------------------------------------------------------------------------------------

    async def _api(self, request: Request) -> Response:
        incoming = api.Incoming(
            request.method,
            request.url.path,
            request.url.query.encode(),
            b"",
            {k.lower(): v for k, v in request.headers.items()},
        )
        try:
            incoming = replace(incoming, body=await _body(request))
            self.faults.count()
        except StripeFault as fault:
            return _response(api.plainly(fault, incoming), incoming)
        key = incoming.key
        if key and key in self._keys:
            return _response(api.plainly(_in_use(key), incoming), incoming)
        if key:
            self._keys.add(key)
        try:
            return await self._answer(request, incoming)
        finally:
            if key:
                self._keys.discard(key)

    async def _answer(self, request: Request, incoming: api.Incoming) -> Response:
        rule = self.faults.pick(incoming.method, incoming.path, incoming.body + incoming.query)
        if rule and rule.effect == "before" and rule.kind != "server_error":
            struck = await self._strike(rule, request, incoming)
            if struck:
                return struck
        try:
            await self.wait_for_clocks(is_arrived_enough=incoming.path.startswith(UNHINDERED))
        except TimeoutError:
            fault = faults.rate_limited() if self._arrived.is_set() else faults.server_error()
            fault.message = "Test clock advancement underway - cannot perform modifications."
            return _response(api.plainly(fault, incoming, **{"Stripe-Should-Retry": "true"}), incoming)
        kept_fault = rule if rule and rule.kind == "server_error" else None
        try:
            given = await self.on_engine(lambda: self._on_time(incoming, kept_fault))
        except Exception:
            # Nothing was committed; to a client it must look like Stripe's 500 and not like a page of ours.
            log.exception("%s %s failed (%s)", incoming.method, incoming.path, incoming.id)
            return _response(api.plainly(faults.server_error(), incoming), incoming)
        if incoming.method == "POST" and incoming.path.endswith("/advance"):
            self._clocks_rest.clear()
            self._clock_moved.set()
        if rule and rule.effect == "after" and rule.kind != "server_error":
            struck = await self._strike(rule, request, incoming)
            if struck:
                return struck
        if rule and rule.kind == "cut":
            return _CutResponse(given)
        return _response(given, incoming)

    def _on_time(self, incoming: api.Incoming, rule: faults.Rule | None) -> api.Answer:
        # Whatever fell due since the last tick happened before this request.
        while not self.clockwork.step():
            pass
        return api.answer(self.ctx, incoming, rule)

    async def _strike(self, rule: faults.Rule, request: Request, incoming: api.Incoming) -> Response | None:
        extra = {}
        if rule.should_retry is not None:
            extra["Stripe-Should-Retry"] = str(rule.should_retry).lower()
        if rule.kind in ("latency", "hang"):
            await asyncio.sleep(rule.seconds)
        if rule.kind == "reset" or (rule.kind == "hang" and rule.effect == "before"):
            return _BrokenResponse(request.client)
        if rule.kind == "rate_limit":
            if rule.retry_after is not None:
                extra["Retry-After"] = str(rule.retry_after)
            return _response(api.plainly(faults.rate_limited(), incoming, **extra), incoming)
        if rule.kind == "conflict":
            return _response(api.plainly(faults.lock_timeout(), incoming, **extra), incoming)
        return None


def _in_use(key: str) -> StripeFault:
    return StripeFault(
        f"There is currently another in-progress request using this Idempotent Key (that probably means you submitted"
        f" twice, and the other request is still going through): {key}.",
        status=409,
        type="idempotency_error",
        code="idempotency_key_in_use",
    )


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise StripeFault("Request body too large.", status=413)
            parts.append(part)
    except ClientDisconnect:
        raise StripeFault("The connection was closed before the request was complete.") from None
    return b"".join(parts)


def _response(given: api.Answer, incoming: api.Incoming) -> Response:
    full = api.with_common_headers(given, incoming)
    return Response(full.body, full.status, full.headers, media_type=full.content_type)


class _BrokenResponse(Response):
    """No answer: the connection is reset."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = tuple(client) if client else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _transports.get(self._client) if self._client else None
        if transport is None:
            return
        raw = transport.get_extra_info("socket")
        if raw is not None:
            # Lingering for no time makes closing a reset.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        # The server must not add a 500 of its own.
        await receive()


class _CutResponse(Response):
    """Half of an answer, then the connection closes."""

    def __init__(self, given: api.Answer) -> None:
        super().__init__()
        self._given = given

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = self._given.body
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(whole)).encode())]
        await send({"type": "http.response.start", "status": self._given.status, "headers": headers})
        await send({"type": "http.response.body", "body": whole[: len(whole) // 2], "more_body": True})
        client = scope.get("client")
        transport = _transports.get(tuple(client)) if client else None
        if transport is not None:
            await asyncio.sleep(0.02)
            transport.close()
        await receive()


def serve(
    path: Path | None,
    port: int,
    *,
    is_empty: bool = False,
    host: str = "127.0.0.1",
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve one account until the process is told to stop.

    Args:
        path: the state's SQLite file; None keeps the account in memory.
        port: to listen on.
        is_empty: whether a missing file is made, as an account without objects.
        host: to listen on.
        ready: called once, when requests are answered; the account may still be catching up with real time.

    Raises:
        NotFoundError: the file is missing and `is_empty` is false.
    """
    if path is not None and not is_empty and not path.exists():
        raise NotFoundError(f"There is no sandbox at {path}. Make the demo company with `billing init --demo`.")
    serving(path, port, host=host, ready=ready).run()


def serving(
    path: Path | None, port: int, *, host: str = "127.0.0.1", ready: Callable[[], None] | None = None
) -> uvicorn.Server:
    """Return the server of an account, yet to be run; its `should_exit` stops it."""
    config = uvicorn.Config(
        Sandbox(path, f"http://{host}:{port}", ready).app,
        host=host,
        port=port,
        http=_Connection,
        ws="none",
        log_level="warning",
        access_log=False,
        # Longer than clients keep a connection, so that none is closed under a request.
        timeout_keep_alive=120,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)
