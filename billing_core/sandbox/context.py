"""What every route and every timer works with: the state, the clocks, timers and events.

Clocks: the account has a main clock (Unix seconds in `state.meta["now"]`), and each test clock one of its own, as in
Stripe. Time moves only in `advance`, which runs the timers that fall due in order of time, each seeing its own moment
as now. A timer names an action and an object; its handler must look at the object as it is then, because much may have
happened since the timer was set.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from billing_core.sandbox.errors import missing
from billing_core.sandbox.state import Obj, State

TEST_CLOCK = "test_helpers.test_clock"
API_VERSION = "2026-10-28.endive"

TimerHandler = Callable[["Context", str], None]
_TIMERS: dict[str, TimerHandler] = {}


def timer(action: str) -> Callable[[TimerHandler], TimerHandler]:
    """Register what happens when a timer of this action falls due: `handler(ctx, object_id)`."""

    def register(handler: TimerHandler) -> TimerHandler:
        _TIMERS[action] = handler
        return handler

    return register


@dataclass(frozen=True)
class Request:
    """The request that is being answered; events carry its id and key. `credential` is the bearer token as sent."""

    id: str | None = None
    idempotency_key: str | None = None
    api_version: str = API_VERSION
    credential: str | None = None


@dataclass
class Context:
    """The account and the request at hand."""

    state: State
    request: Request = field(default_factory=Request)
    # Where this server is reached; links (`hosted_invoice_url`, …) are made from it when an object is rendered, never
    # stored.
    base_url: str = "http://127.0.0.1"
    # Rendering lives above this module; the server sets it so that events can hold objects as the API shows them.
    render: Callable[[Context, Obj], Obj] = field(
        default=lambda ctx, obj: {k: v for k, v in obj.items() if k[0] != "_"}
    )

    # --- objects -----------------------------------------------------------------------------------------------------

    def need(self, kind: str, object_id: str, param: str = "id") -> Obj:
        """Return an object to read, or raise Stripe's resource_missing; a deleted customer is missing too."""
        obj = self.state.get(kind, object_id)
        if obj is None or obj.get("deleted") is True:
            raise missing(kind, object_id, param)
        return obj

    # --- time --------------------------------------------------------------------------------------------------------

    def clock_of(self, obj: Obj | None) -> str | None:
        """Return the id of the test clock an object lives on (its own, or its customer's), None for the main clock."""
        if not obj:
            return None
        if obj.get("object") == TEST_CLOCK:
            return str(obj["id"])
        if obj.get("test_clock"):
            return str(obj["test_clock"])
        # Objects that Stripe shows without their customer (a refund, a dispute) keep it as `_customer`.
        customer = obj.get("customer") or obj.get("_customer")
        return self.clock_of(self.state.get("customer", customer)) if isinstance(customer, str) else None

    def now(self, obj: Obj | None = None) -> int:
        """Return the time in Unix seconds on the clock that an object lives on; without one, the account's."""
        clock = self.clock_of(obj)
        if clock is None:
            return int(self.state.meta.get("now", 0))
        return int(self.need(TEST_CLOCK, clock)["frozen_time"])

    def schedule(self, at: int, action: str, ref: str, *, owner: Obj) -> str:
        """Set a timer.

        Args:
            at: Unix seconds.
            action: a name registered with `@timer`.
            ref: id of the object it is about.
            owner: any object on the clock to use (usually the object itself).

        Returns:
            The timer's id.
        """
        if action not in _TIMERS:
            raise KeyError(f"no timer action {action}")
        clock = self.clock_of(owner)
        entry = self.state.insert(
            {"object": "_timer", "id": self.state.new_id("tmr"), "at": at, "action": action, "ref": ref, "clock": clock}
        )
        return str(entry["id"])

    def timers(self, ref: str, action: str | None = None) -> list[Obj]:
        """Return the timers set for an object."""
        return [t for t in self.state.where("_timer", "ref", ref) if action in (None, t["action"])]

    def cancel_timers(self, ref: str, action: str | None = None) -> None:
        """Remove the timers set for an object."""
        for entry in self.timers(ref, action):
            self.state.delete("_timer", entry["id"])

    def advance(self, to: int, *, clock: str | None = None, max_timers: int | None = None) -> int:
        """Move a clock forward, running what falls due on the way in order of time.

        Each timer runs in a transaction of its own when the caller has none open, so that a long catch-up survives
        being cut.

        Args:
            to: Unix seconds; a time in the past moves nothing.
            clock: a test clock, or None for the account's.
            max_timers: stop after so many (the clock then stands at the last one).

        Returns:
            How many timers ran.
        """
        queue = [(t["at"], t["_seq"], t["id"]) for t in self.state.all("_timer") if t["clock"] == clock]
        heapq.heapify(queue)
        known = {entry[2] for entry in queue}
        ran = 0
        while queue and queue[0][0] <= to:
            if max_timers is not None and ran >= max_timers:
                return ran
            at, _, timer_id = heapq.heappop(queue)
            entry = self.state.get("_timer", timer_id)
            if entry is None:
                continue
            sequence = self.state.meta["sequence"]
            with self.state.transaction():
                self._set_time(clock, at)
                self.state.delete("_timer", timer_id)
                _TIMERS[entry["action"]](self, entry["ref"])
            ran += 1
            for new in self._timers_since(sequence, clock):
                if new["id"] not in known:
                    known.add(new["id"])
                    heapq.heappush(queue, (new["at"], new["_seq"], new["id"]))
        with self.state.transaction():
            self._set_time(clock, to)
        return ran

    def _timers_since(self, sequence: int, clock: str | None) -> Iterator[Obj]:
        # New timers are at the end of the insertion order, so looking backwards stops early.
        for timer_id in self.state.newest("_timer"):
            entry = self.state.get("_timer", timer_id)
            if entry is None or entry["_seq"] <= sequence:
                return
            if entry["clock"] == clock:
                yield entry

    def _set_time(self, clock: str | None, at: int) -> None:
        if clock is None:
            self.state.set_meta(now=max(at, int(self.state.meta.get("now", 0))))
        elif at > self.need(TEST_CLOCK, clock)["frozen_time"]:
            self.state.edit(TEST_CLOCK, clock)["frozen_time"] = at

    # --- events ------------------------------------------------------------------------------------------------------

    def emit(self, type: str, obj: Obj, previous: Obj | None = None) -> Obj:
        """Record an event about an object as it is now.

        Args:
            type: Stripe's event type.
            obj: the stored object; rendered without expansion.
            previous: the changed attributes as they were, for `*.updated`.
        """
        data: Obj = {"object": self.render(self, obj)}
        if previous is not None:
            data["previous_attributes"] = previous
        # `invoice.upcoming` describes an invoice that does not exist yet: its object has no id.
        event = {
            "id": self.state.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(obj),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.request.id, "idempotency_key": self.request.idempotency_key},
            "type": type,
        }
        return self.state.insert(event)

    @contextmanager
    def as_request(self, request: Request) -> Iterator[None]:
        """Answer a request: events made inside carry its id."""
        before, self.request = self.request, request
        try:
            yield
        finally:
            self.request = before
