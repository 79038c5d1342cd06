"""The way to Stripe: one client, one pinned API version, our own dataclasses out.

Reads are pages of at most 100, newest first as Stripe lists them, or single objects; embedded lists are completed, so
that an invoice has all its lines. Reads go through the SDK's `raw_request`: the same authentication, retries and
exceptions, without building an SDK object per nested value, which is what costs when thousands are read. A write
always carries an idempotency key of the caller's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlsplit

import stripe

from billing_core.errors import GatewayError, SettingError
from billing_core.gateway.faults import MissingError, translate
from billing_core.gateway.kinds import KINDS, Kind
from billing_core.gateway.limits import ATTEMPTS, Limiter, Sleep, backoff_seconds
from billing_core.gateway.objects import Account, Deleted, Event
from billing_core.gateway.shapes import Raw, UnknownShapeError, part
from billing_core.settings import Mode, Settings

API_VERSION = "2026-10-28.endive"
PAGE_SIZE = 100
SDK_RETRIES = 2
SANDBOX_KEY = "sk_test_billing_desk_sandbox"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, in the order asked for. `cursor` is the last object's id.

    `unreadable` names objects of unknown shape.
    """

    objects: tuple[Any, ...]
    cursor: str | None
    has_more: bool
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """Stripe's answer to a write: our dataclass where the kind is known, and the JSON."""

    object: Any | None
    raw: Raw
    request_id: str | None
    is_replayed: bool


@dataclass(frozen=True)
class Gateway:
    """Stripe, or the sandbox that speaks like it; safe to share between threads. Open it with `open_gateway`.

    Attributes:
        mode: demo, test or live.
        base_url: where the calls go; None is Stripe itself.
    """

    mode: Mode
    base_url: str | None
    _client: stripe.StripeClient = field(repr=False)
    _limiter: Limiter = field(repr=False)
    _sleep: Sleep = field(repr=False, default=time.sleep)

    # --- reading -----------------------------------------------------------------------------------------------------

    def account(self) -> Account:
        """Return the account behind the key; the cheapest way to see that Stripe is there and speaks our version.

        Raises:
            GatewayError: unreachable, a bad key, or another API version than the pinned one.
        """
        raw, headers = self._call("get", "/v1/account", {})
        spoken = headers.get("stripe-version")
        if spoken is not None and spoken != API_VERSION:
            raise GatewayError(
                f"Stripe answered in API version {spoken}; this product needs {API_VERSION}. Check STRIPE_API_BASE."
            )
        return Account.from_raw(raw, spoken)

    def retrieve(self, kind: str, object_id: str) -> Any:
        """Return one object as it is now.

        Args:
            kind: Stripe's `object` value, such as `invoice`.
            object_id: its id.

        Returns:
            The kind's dataclass, or `Deleted` when Stripe says deleted or does not know the id.

        Raises:
            GatewayError: Stripe could not be asked.
            UnknownShapeError: the answer cannot be read.
        """
        spec = _kind(kind)
        try:
            raw, _ = self._call("get", f"{spec.path}/{quote(object_id, safe='')}", _expand(spec.expand))
        except MissingError:
            return Deleted(kind, object_id)
        if raw.get("deleted"):
            return Deleted(kind, object_id)
        return self._read(spec, raw)

    def pages(
        self,
        kind: str,
        *,
        after: str | None = None,
        before: str | None = None,
        parent: str | None = None,
        limit: int = PAGE_SIZE,
        **filters: Any,
    ) -> Iterator[Page]:
        """Yield the pages of a list.

        Args:
            kind: Stripe's `object` value.
            after: id after which to go on (towards older objects).
            before: id from which to go towards newer objects; the pages then come oldest first, and so do their
            objects.
            parent: id of the owner, for kinds that are listed per owner.
            limit: objects per page, 1 to 100.
            **filters: Stripe's list parameters.

        Raises:
            GatewayError: Stripe could not be asked.
            MissingError: Stripe does not know `after`, `before` or `parent`.
        """
        spec = _kind(kind)
        path = spec.path.format(parent=quote(parent or "", safe=""))
        expand = spec.expand if spec.list_expand is None else spec.list_expand
        params = {**dict(spec.filters), **filters, "limit": limit, **_expand([f"data.{e}" for e in expand])}
        cursor_name, cursor = ("ending_before", before) if before is not None else ("starting_after", after)
        while True:
            answer, _ = self._call("get", path, params if cursor is None else {**params, cursor_name: cursor})
            rows = list(answer["data"])
            if before is not None:
                rows.reverse()
            page = self._page(spec, rows, has_more=bool(answer["has_more"]))
            if page.cursor is not None:
                yield page
                cursor = page.cursor
            if not page.has_more or page.cursor is None:
                return

    def objects(self, kind: str, *, parent: str | None = None, **filters: Any) -> Iterator[Any]:
        """Yield all objects of a list, newest first; as `pages`, but an unreadable object raises.

        Raises:
            UnknownShapeError: an object cannot be read.
        """
        for page in self.pages(kind, parent=parent, **filters):
            if page.unreadable:
                raise UnknownShapeError(page.unreadable[0])
            yield from page.objects

    def events_since(self, cursor: str | None, *, types: tuple[str, ...] = ()) -> Iterator[Page]:
        """Yield pages of events after a cursor, oldest first.

        Args:
            cursor: id of the event after which to start; None starts with the oldest one that Stripe still has.
            types: at most 20 types; empty means all.

        Raises:
            MissingError: Stripe does not have the cursor's event any more (events are kept for 30 days).
        """
        filters: dict[str, Any] = {"types": list(types)} if types else {}
        if cursor is not None:
            yield from self.pages("event", before=cursor, **filters)
            return
        # Without a cursor there is nothing to count forwards from: read towards the oldest and turn round.
        yield from (
            Page(tuple(reversed(page.objects)), page.objects[0].event_id if page.objects else None, page.has_more)
            for page in reversed(list(self.pages("event", **filters)))
        )

    def newest_event(self) -> Event | None:
        """Return the newest event, or None when there is none."""
        for page in self.pages("event", limit=1):
            return cast("Event", page.objects[0])
        return None

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, path: str, params: Mapping[str, Any], *, idempotency_key: str, method: str = "post") -> Written:
        """Do one write.

        Args:
            path: `/v1/…`, or `/v2/…` (sent as JSON).
            params: as the API names them.
            idempotency_key: the caller's, stored before the call; the same again for the same intent.
            method: post or delete.

        Raises:
            GatewayError: refused; with `is_outcome_unknown` when the write may have had its effect.
            CardRefusedError: a card was refused.
        """
        raw, headers = self._call(method, path, params, idempotency_key=idempotency_key)
        kind = KINDS.get(str(raw.get("object")))
        readable = None if kind is None or raw.get("deleted") else self._read(kind, raw)
        return Written(readable, raw, headers.get("request-id"), headers.get("idempotent-replayed") == "true")

    # --- inside ------------------------------------------------------------------------------------------------------

    def _page(self, spec: Kind, rows: list[Raw], *, has_more: bool) -> Page:
        readable, unreadable = [], []
        for raw in rows:
            try:
                readable.append(self._read(spec, raw))
            except UnknownShapeError as error:
                unreadable.append(str(error))
        return Page(tuple(readable), rows[-1]["id"] if rows else None, has_more, tuple(unreadable))

    def _read(self, spec: Kind, raw: Raw) -> Any:
        complete = self._complete(spec, raw) if spec.nested else raw
        try:
            return spec.read(complete)
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownShapeError(
                f"Stripe sent {spec.name} {raw.get('id', 'without id')} in a shape that this version cannot read"
                f" ({error!r}). It needs API version {API_VERSION}; nothing of the object was kept.",
                object_id=raw.get("id"),
            ) from error

    def _complete(self, spec: Kind, raw: Raw) -> Raw:
        """Return the object with all entries of its embedded lists (Stripe embeds at most ten)."""
        whole = dict(raw)
        for name in spec.nested:
            embedded = part(raw, name)
            if not embedded or not embedded.get("has_more"):
                continue
            data = list(embedded["data"])
            params: dict[str, Any] = {"limit": PAGE_SIZE}
            path = embedded["url"]
            if name == "payments":
                path, params = (
                    "/v1/invoice_payments",
                    {**params, "invoice": raw["id"], **_expand(["data.payment.payment_record"])},
                )
            elif name == "items":
                path, params = "/v1/subscription_items", {**params, "subscription": raw["id"]}
            has_more = True
            while has_more:
                answer, _ = self._call("get", path, {**params, "starting_after": data[-1]["id"]} if data else params)
                data += answer["data"]
                has_more = bool(answer["has_more"]) and bool(answer["data"])
            whole[name] = {**embedded, "data": data, "has_more": False}
        return whole

    def _call(
        self, method: str, path: str, params: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        options = {} if idempotency_key is None else {"idempotency_key": idempotency_key}
        attempt = 0
        while True:
            self._limiter.wait()
            try:
                response = self._client.raw_request(method, path, **params, **options)
            except stripe.RateLimitError as error:
                attempt += 1
                if attempt >= ATTEMPTS:
                    raise translate(error, what=f"{method.upper()} {path}", is_write=method != "get") from error
                self._sleep(backoff_seconds(attempt, asked_seconds=_retry_after(error)))
            except stripe.StripeError as error:
                raise translate(error, what=f"{method.upper()} {path}", is_write=method != "get") from error
            else:
                # The SDK hands out OrderedDicts; reading the body again is faster than turning them into plain dicts.
                return json.loads(response.body), {k.lower(): v for k, v in response.headers.items()}


def open_gateway(
    settings: Settings,
    *,
    sandbox_url: str | None = None,
    sleep: Sleep = time.sleep,
    limiter: Callable[[float | None], Limiter] = Limiter,
) -> Gateway:
    """Open the way to Stripe; makes no call (`account()` does).

    Args:
        settings: key, base address, timeout and rate.
        sandbox_url: where the sandbox listens; needed in demo mode unless STRIPE_API_BASE is set.
        sleep: how to wait between tries.
        limiter: makes the limiter from calls per second.

    Raises:
        SettingError: Stripe is switched off, the key is not a secret key, or a live key meets the sandbox.
        GatewayError: the installed SDK speaks another API version than the pinned one.
    """
    if stripe.api_version != API_VERSION:
        raise GatewayError(
            f"The installed stripe package speaks {stripe.api_version}; this product is built for {API_VERSION}."
            " Install the locked version with make setup."
        )
    mode = settings.mode
    if mode is Mode.OFFLINE:
        raise SettingError("BILLING_OFFLINE is set, so Stripe is not asked. Unset it to mirror from Stripe.")
    key = settings.stripe_api_key or SANDBOX_KEY
    base = settings.stripe_api_base or (sandbox_url if mode is Mode.DEMO else None)
    _check_key(key, base, sandbox_url)
    if mode is Mode.DEMO and base is None:
        raise SettingError(
            "The demo's Stripe sandbox does not run. Start it with billing up,"
            " or set STRIPE_API_KEY for a real account."
        )
    client = stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base, "meter_events": base, "files": base, "connect": base} if base else {},
        max_network_retries=SDK_RETRIES,
        http_client=_http_client(settings.stripe_timeout_seconds, base),
    )
    rate = settings.stripe_calls_per_second
    if rate is None and mode is not Mode.DEMO:
        # Stripe allows 100 calls a second live and 25 in test mode; others use the same account.
        rate = 80.0 if mode is Mode.LIVE else 20.0
    return Gateway(mode, base, client, limiter(rate), sleep)


def _check_key(key: str, base: str | None, sandbox_url: str | None) -> None:
    if not key.startswith(("sk_", "rk_")):
        raise SettingError("STRIPE_API_KEY must be a secret or restricted key: it starts with sk_ or rk_.")
    is_local = base is not None and urlsplit(base).hostname in _LOOPBACK
    if "_live_" in key and (is_local or (sandbox_url is not None and base == sandbox_url)):
        raise SettingError(
            "STRIPE_API_KEY is a live key, but the calls would go to a sandbox. Live keys are refused there;"
            " unset STRIPE_API_BASE, or use a test key."
        )


def _http_client(timeout: float, base: str | None) -> stripe.RequestsClient:
    proxies: Any = None
    if base is not None and urlsplit(base).hostname in _LOOPBACK:
        # A proxy named in the environment is for the outside world, not for a server on this machine.
        proxies = {"no_proxy": ",".join(_LOOPBACK)}
    return stripe.RequestsClient(timeout=timeout, proxy=proxies)


def _kind(name: str) -> Kind:
    try:
        return KINDS[name]
    except KeyError:
        raise ValueError(f"no kind of Stripe object is called {name!r}") from None


def _expand(paths: list[str] | tuple[str, ...]) -> dict[str, Any]:
    return {"expand": list(paths)} if paths else {}


def _retry_after(error: stripe.RateLimitError) -> float | None:
    value = {k.lower(): v for k, v in (error.headers or {}).items()}.get("retry-after")
    try:
        return None if value is None else float(value)
    except ValueError:
        return None
