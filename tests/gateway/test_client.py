"""The gateway's manners: which key goes where, how long it waits, what its errors say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from billing_core.errors import GatewayError, SettingError
from billing_core.gateway import API_VERSION, CardRefusedError, Gateway, MissingError, UnknownShapeError, open_gateway
from billing_core.gateway.limits import ATTEMPTS, CAP_SECONDS, Limiter, backoff_seconds
from billing_core.gateway.objects import Deleted
from billing_core.settings import Mode, load_settings
from tests.gateway.conftest import Canned
from tests.sandbox.conftest import Server

LIMITED = {"error": {"type": "rate_limit_error", "message": "Too many requests."}}
PRODUCT = {"id": "prod_1", "object": "product", "name": "Metered", "active": True, "created": 1_700_000_000}


def _list(*rows: Any, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(rows), "has_more": has_more, "url": "/v1/x"}


def test_a_live_key_is_refused_where_the_calls_would_go_to_a_sandbox() -> None:
    """Demo mode and live keys do not meet; the message does not repeat the key."""
    settings = load_settings(STRIPE_API_KEY="sk_live_very_secret", STRIPE_API_BASE="http://127.0.0.1:1234")
    with pytest.raises(SettingError, match="live key") as caught:
        open_gateway(settings)
    assert "very_secret" not in str(caught.value)


def test_a_publishable_key_is_refused() -> None:
    """Only secret and restricted keys may be used on a server."""
    with pytest.raises(SettingError, match="sk_ or rk_"):
        open_gateway(load_settings(STRIPE_API_KEY="pk_test_1"))


def test_stripe_switched_off_is_said() -> None:
    """Offline mode has no gateway."""
    with pytest.raises(SettingError, match="BILLING_OFFLINE"):
        open_gateway(load_settings(offline=True))


def test_demo_mode_without_a_sandbox_says_how_to_start_one() -> None:
    """Without key and without sandbox there is nowhere to go."""
    with pytest.raises(SettingError, match="billing up"):
        open_gateway(load_settings())


def test_a_restricted_key_is_connected_mode() -> None:
    """`rk_test_` works and goes to Stripe itself unless told otherwise."""
    gateway = open_gateway(load_settings(STRIPE_API_KEY="rk_test_1"), sandbox_url="http://127.0.0.1:1")
    assert (gateway.mode, gateway.base_url) == (Mode.TEST, None)


def test_the_keys_never_show_in_the_gateways_repr() -> None:
    """Logging a gateway tells nothing secret."""
    assert "sk_test" not in repr(open_gateway(load_settings(STRIPE_API_KEY="sk_test_hidden")))


def test_another_api_version_is_told_at_the_start(canned: Canned) -> None:
    """`account()` compares the version that the server speaks with the pinned one."""
    account = {"id": "acct_1", "object": "account", "country": "DK", "default_currency": "dkk"}
    canned.say("/v1/account", account, Stripe_Version="2020-08-27")
    canned.say("/v1/account", account, Stripe_Version=API_VERSION)
    with pytest.raises(GatewayError, match="2020-08-27"):
        canned.gateway().account()
    assert canned.gateway().account().country == "DK"


def test_a_429_is_waited_out_and_then_succeeds(canned: Canned) -> None:
    """Two refusals, two waits, an answer; `Retry-After` is honoured."""
    canned.say("/v1/products/prod_1", LIMITED, 429)
    canned.say("/v1/products/prod_1", LIMITED, 429, Retry_After="3")
    canned.say("/v1/products/prod_1", PRODUCT)
    waits: list[float] = []
    assert canned.gateway(sleep=waits.append).retrieve("product", "prod_1").name == "Metered"
    assert len(waits) == 2
    assert 0.25 <= waits[0] <= 0.5
    assert waits[1] == 3.0


def test_a_429_without_end_is_given_up_with_a_sentence(canned: Canned) -> None:
    """The number of tries is bounded; a refused write had no effect."""
    canned.say("/v1/products", LIMITED, 429)
    waits: list[float] = []
    with pytest.raises(GatewayError, match="too many calls") as caught:
        canned.gateway(sleep=waits.append).write("/v1/products", {"name": "x"}, idempotency_key="k")
    assert len(waits) == ATTEMPTS - 1
    assert len(canned.asked) == ATTEMPTS
    assert not caught.value.is_outcome_unknown


def test_the_backoff_doubles_with_jitter_up_to_its_cap() -> None:
    """Half to whole of 0.5, 1, 2, … seconds, never more than the cap, never less than was asked for."""
    assert [backoff_seconds(n, share=1) for n in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert backoff_seconds(1, share=0) == 0.25
    assert backoff_seconds(20, share=1) == CAP_SECONDS
    assert backoff_seconds(1, share=0, asked_seconds=7) == 7


def test_the_limiter_spaces_calls_evenly() -> None:
    """At ten a second, three calls at once go out at 0, 0.1 and 0.2 s."""
    clock, waits = [100.0], list[float]()
    limiter = Limiter(10, sleep=waits.append, clock=lambda: clock[0])
    for _ in range(3):
        limiter.wait()
    assert [round(w, 6) for w in waits] == [0.1, 0.2]
    clock[0] = 200.0
    limiter.wait()
    assert len(waits) == 2


def test_a_dead_server_is_a_sentence_and_a_read_has_no_unknown_outcome() -> None:
    """Nothing listens: the message says where to look."""
    gateway = open_gateway(load_settings(), sandbox_url="http://127.0.0.1:9")
    with pytest.raises(GatewayError, match="STRIPE_API_BASE") as caught:
        gateway.retrieve("product", "prod_1")
    assert not caught.value.is_outcome_unknown


def test_a_write_answered_500_or_not_at_all_has_an_unknown_outcome(canned: Canned) -> None:
    """5xx and a lost connection on a write may have had their effect; 400 had none."""
    canned.say("/v1/broken", {"error": {"type": "api_error", "message": "Oops"}}, 500, Stripe_Should_Retry="false")
    canned.say("/v1/wrong", {"error": {"type": "invalid_request_error", "message": "Bad", "code": "x"}}, 400)
    with pytest.raises(GatewayError, match="may or may not") as caught:
        canned.gateway().write("/v1/broken", {}, idempotency_key="k1")
    assert caught.value.is_outcome_unknown
    assert caught.value.ids["request_id"] == "req_canned"
    with pytest.raises(GatewayError, match="Bad") as caught:
        canned.gateway().write("/v1/wrong", {}, idempotency_key="k2")
    assert not caught.value.is_outcome_unknown
    with pytest.raises(GatewayError) as caught:
        open_gateway(load_settings(), sandbox_url="http://127.0.0.1:9").write("/v1/x", {}, idempotency_key="k3")
    assert caught.value.is_outcome_unknown


def test_an_error_that_quotes_a_key_is_blanked(canned: Canned) -> None:
    """Stripe's own message for a bad key repeats a part of it."""
    said = "Invalid API Key provided: sk_test_abc123, or client secret pi_1_secret_zzz"
    canned.say("/v1/products", {"error": {"type": "invalid_request_error", "message": said}}, 400)
    with pytest.raises(GatewayError) as caught:
        next(canned.gateway().pages("product"))
    assert "abc123" not in str(caught.value)
    assert "zzz" not in str(caught.value)


def test_a_refused_card_says_why(canned: Canned) -> None:
    """402 becomes an error with code and decline code."""
    error = {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "message": "Your card has insufficient funds.",
    }
    canned.say("/v1/invoices/in_1/pay", {"error": error}, 402)
    with pytest.raises(CardRefusedError, match="insufficient funds") as caught:
        canned.gateway().write("/v1/invoices/in_1/pay", {}, idempotency_key="k")
    assert (caught.value.code, caught.value.decline_code) == ("card_declined", "insufficient_funds")


def test_an_unknown_and_a_deleted_object_come_back_as_deleted(canned: Canned) -> None:
    """404 and `deleted: true` are facts, not errors."""
    missing = {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such invoice"}}
    canned.say("/v1/invoices/in_gone", missing, 404)
    canned.say("/v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
    assert canned.gateway().retrieve("invoice", "in_gone") == Deleted("invoice", "in_gone")
    assert canned.gateway().retrieve("customer", "cus_1") == Deleted("customer", "cus_1")


def test_an_object_of_unknown_shape_is_named_and_the_rest_of_the_page_is_read(canned: Canned) -> None:
    """One product without a name does not hide the others."""
    broken = {"id": "prod_2", "object": "product", "active": True}
    canned.say("/v1/products", _list(PRODUCT, broken))
    page = next(canned.gateway().pages("product"))
    assert [p.product_id for p in page.objects] == ["prod_1"]
    assert page.cursor == "prod_2"
    assert "prod_2" in page.unreadable[0]
    with pytest.raises(UnknownShapeError, match="prod_2"):
        list(canned.gateway().objects("product"))


def test_an_answer_that_is_not_json_is_an_error_and_not_a_crash(canned: Canned) -> None:
    """A proxy's HTML page in place of an answer."""
    canned.say("/v1/products", b"<html>sorry</html>")
    with pytest.raises(GatewayError):
        next(canned.gateway().pages("product"))


def test_all_pages_are_read_by_cursor(sandbox: Server, gateway_to: Callable[..., Gateway]) -> None:
    """Seven products in pages of three: three calls, newest first, none twice."""
    made = [sandbox.client().v1.products.create({"name": f"P{i}"}).id for i in range(7)]
    pages = list(gateway_to(sandbox).pages("product", limit=3))
    assert [len(p.objects) for p in pages] == [3, 3, 1]
    assert [p.product_id for page in pages for p in page.objects] == list(reversed(made))
    resumed = gateway_to(sandbox).pages("product", limit=3, after=pages[0].cursor)
    assert [p.product_id for page in resumed for p in page.objects] == list(reversed(made))[3:]


def test_a_cursor_that_names_nothing_is_missing(sandbox: Server, gateway_to: Callable[..., Gateway]) -> None:
    """Stripe says `No such …`; the mirror begins that resource again."""
    with pytest.raises(MissingError):
        next(gateway_to(sandbox).pages("product", after="prod_unknown"))


def test_the_sdk_retries_a_500_and_the_gateway_a_429_of_the_sandbox(
    sandbox: Server, gateway_to: Callable[..., Gateway]
) -> None:
    """Faults on the wire are not seen by who reads."""
    sandbox.client().v1.products.create({"name": "P"})
    sandbox.admin("POST", "/faults", kind="rate_limit", path="/v1/products", times=2)
    waits: list[float] = []
    assert len(list(gateway_to(sandbox, sleep=waits.append).objects("product"))) == 1
    assert len(waits) == 2


def test_a_write_with_the_same_key_is_done_once(sandbox: Server, gateway_to: Callable[..., Gateway]) -> None:
    """The answer comes again and says that it is a replay."""
    gateway = gateway_to(sandbox)
    first = gateway.write("/v1/products", {"name": "Once"}, idempotency_key="the-key")
    again = gateway.write("/v1/products", {"name": "Once"}, idempotency_key="the-key")
    assert first.object == again.object
    assert (first.is_replayed, again.is_replayed) == (False, True)
    assert len(list(gateway.objects("product"))) == 1
