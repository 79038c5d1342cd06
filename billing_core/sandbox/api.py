"""One HTTP request to its answer, on the engine's thread: key, version, contract, idempotency, handler, commit.

The answer is made inside the transaction of its effect and leaves only after the commit: what a client was told is on
disk.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
from dataclasses import dataclass, field, replace

from billing_core.sandbox import faults, idempotency, webhooks
from billing_core.sandbox.context import API_VERSION, Context, Request
from billing_core.sandbox.errors import StripeFault, invalid
from billing_core.sandbox.inprocess import prepare, run
from billing_core.sandbox.render import render
from billing_core.sandbox.routes import Raw
from billing_core.sandbox.state import Obj
from billing_core.sandbox.wire import decode_form, decode_json, error_body

log = logging.getLogger("billing.sandbox")


@dataclass(frozen=True)
class Incoming:
    """A request as it came; header names in lower case."""

    method: str
    path: str
    query: bytes
    body: bytes
    headers: dict[str, str]
    id: str = field(default_factory=lambda: "req_" + binascii.hexlify(os.urandom(8)).decode())

    @property
    def is_v2(self) -> bool:
        """Whether it speaks JSON."""
        return self.path.startswith("/v2/")

    @property
    def key(self) -> str | None:
        """The idempotency key of a request that changes something."""
        return self.headers.get("idempotency-key") if self.method != "GET" else None

    @property
    def credential(self) -> str | None:
        """The API key or token, from bearer or basic authentication."""
        scheme, _, rest = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return rest.strip() or None
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(rest).decode().partition(":")[0] or None
            except (ValueError, UnicodeDecodeError):
                return None
        return None


@dataclass(frozen=True)
class Answer:
    """What goes back; `is_cut` after half of it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def authenticate(incoming: Incoming) -> None:
    """Let any test key in.

    Raises:
        StripeFault: 401 for no key, a live key, or something that is no key.
    """
    key = incoming.credential
    if incoming.path == "/v2/billing/meter_event_stream" and key:
        # That stream takes a session's token; its handler knows them.
        return
    if not key:
        raise StripeFault(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer"
            " auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for"
            " details, or we can help at https://support.stripe.com/.",
            status=401,
        )
    if key.startswith(("sk_live_", "rk_live_", "pk_live_")):
        raise StripeFault(
            "This is the Stripe sandbox of Billing Desk; it refuses live keys. Use any key that begins with sk_test_.",
            status=401,
            code="api_key_expired",
        )
    if key.startswith("pk_"):
        raise StripeFault(
            "This API call cannot be made with a publishable API key. Please use a secret API key.",
            status=403,
            code="secret_key_required",
        )
    if not key.startswith(("sk_test_", "rk_test_")) or len(key) <= len("sk_test_"):
        shown = key[:8] + "*" * max(0, min(len(key) - 12, 12)) + key[-4:] if len(key) > 12 else "*" * len(key)
        raise StripeFault(f"Invalid API Key provided: {shown}", status=401)


def _check_headers(incoming: Incoming) -> None:
    version = incoming.headers.get("stripe-version", API_VERSION)
    if version != API_VERSION:
        raise invalid(f"Invalid Stripe API version: {version}. This sandbox speaks {API_VERSION}.")
    if incoming.headers.get("stripe-account") or incoming.headers.get("stripe-context"):
        raise StripeFault(
            f"The provided key does not have access to account '{incoming.headers.get('stripe-account', '')}' (or that"
            " account does not exist). This sandbox holds one account and no connected ones.",
            status=403,
            code="account_invalid",
        )


def parameters(incoming: Incoming) -> Obj:
    """Return a request's parameters, decoded but not yet checked.

    Raises:
        StripeFault: they cannot be read.
    """
    if incoming.is_v2 and incoming.method != "GET":
        return decode_json(incoming.body)
    if incoming.method in ("GET", "DELETE"):
        return decode_form(b"&".join(part for part in (incoming.query, incoming.body) if part))
    kind = incoming.headers.get("content-type", "")
    if kind and not kind.startswith("application/x-www-form-urlencoded") and incoming.body:
        raise invalid(
            "Invalid request: the API takes parameters as application/x-www-form-urlencoded; the content type was"
            f" {kind}."
        )
    return decode_form(incoming.body or incoming.query)


def failed(ctx: Context, fault: StripeFault, incoming: Incoming) -> Answer:
    """Return an error's answer; objects inside it are rendered."""
    for name, value in fault.fields.items():
        if isinstance(value, dict) and "_seq" in value:
            fault.fields[name] = render(ctx, value)
    headers = {}
    if fault.status >= 500:
        headers["Stripe-Should-Retry"] = "false" if fault.status == 501 else "true"
    return Answer(fault.status, json.dumps(error_body(fault, incoming.id)).encode(), headers)


def answer(ctx: Context, incoming: Incoming, rule: faults.Rule | None = None) -> Answer:
    """Answer a request to `/v1` or `/v2`, or a hosted page.

    Args:
        ctx: the account, its clock set.
        incoming: the request.
        rule: a fault with an effect on what is kept (`server_error`), already picked for this request.
    """
    is_page = not incoming.path.startswith(("/v1/", "/v2/"))
    key = incoming.key
    mark = idempotency.fingerprint(incoming.method, incoming.path, incoming.body or incoming.query)
    try:
        if not is_page:
            authenticate(incoming)
            _check_headers(incoming)
        if key:
            idempotency.check_key(key)
            kept = idempotency.recall(ctx, key, mark, incoming.path)
            if kept:
                headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
                return _final(Answer(kept.status, kept.body.encode(), headers))
        prepared = prepare(incoming.method, incoming.path, parameters(incoming))
    except StripeFault as fault:
        return failed(ctx, fault, incoming)
    given: Answer | None = None
    saved = key and (rule is None or rule.is_saved)

    def save(result: Answer) -> Answer:
        if saved and key and result.status != 429:
            kept = idempotency.Kept(result.status, result.body.decode(), incoming.id)
            idempotency.keep(ctx, key, mark, incoming.path, kept)
            return _final(result)
        return result

    request = Request(id=incoming.id, idempotency_key=key, credential=incoming.credential)
    try:
        with ctx.state.transaction(), ctx.as_request(request):
            if rule is not None and rule.effect == "before":
                raise faults.server_error()
            try:
                found = run(ctx, prepared)
            except StripeFault as fault:
                if not fault.is_kept:
                    raise
                given = failed(ctx, fault, incoming)
            else:
                if isinstance(found, Raw):
                    return Answer(200, found.body, {}, found.content_type)
                given = Answer(200, json.dumps(found, ensure_ascii=False).encode())
            if rule is not None:
                given = failed(ctx, faults.server_error(), incoming)
            given = save(given)
            webhooks.enqueue(ctx)
        return given
    except StripeFault as fault:
        given = failed(ctx, fault, incoming)
    except Exception:
        # A bug of ours must look like Stripe's 500, and must not leave half an effect: the transaction undid it.
        log.exception("%s %s failed (%s)", incoming.method, incoming.path, incoming.id)
        given = failed(ctx, faults.server_error(), incoming)
    with ctx.state.transaction():
        return save(given)


def _final(given: Answer) -> Answer:
    """Say of an error that is kept under its key that trying again would only bring the same answer."""
    return replace(given, headers={**given.headers, "Stripe-Should-Retry": "false"}) if given.status >= 500 else given


def plainly(fault: StripeFault, incoming: Incoming, **headers: str) -> Answer:
    """Return an error that never reached the engine."""
    return Answer(fault.status, json.dumps(error_body(fault, incoming.id)).encode(), dict(headers))


def with_common_headers(given: Answer, incoming: Incoming) -> Answer:
    """Add the headers that every answer of the API carries."""
    headers = {"Request-Id": incoming.id, "Stripe-Version": API_VERSION, **given.headers}
    if incoming.key:
        headers["Idempotency-Key"] = incoming.key
    return replace(given, headers=headers)
