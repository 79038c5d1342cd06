"""What moves the clocks: the account's follows real time plus an offset, test clocks move when they are told to.

Everything here runs on the engine's thread in small steps, so that other requests get their turn and a killed process
loses at most the step it was in.
"""

from __future__ import annotations

import logging
import time

from billing_core.sandbox import idempotency, webhooks
from billing_core.sandbox.context import TEST_CLOCK, Context

log = logging.getLogger("billing.sandbox")

STEP_TIMERS = 25
MAX_FAILURES = 3


class Clockwork:
    """The clocks of one account."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        if "offset" not in ctx.state.meta:
            with ctx.state.transaction():
                ctx.state.set_meta(offset=0)
        self._last_tidy = 0.0

    @property
    def target(self) -> int:
        """Where the account's clock should stand: real time plus the offset, in Unix seconds."""
        return int(time.time()) + int(self._ctx.state.meta["offset"])

    def behind(self) -> int:
        """Return how many seconds of due work the account's clock has yet to go through; 0 when nothing is due."""
        target = self.target
        due = [t["at"] for t in self._ctx.state.all("_timer") if t["clock"] is None and t["at"] <= target]
        return max(1, target - min(due)) if due else 0

    def step(self) -> bool:
        """Run a bounded number of due timers; True when the account's clock has arrived."""
        target = self.target
        if not any(t["clock"] is None and t["at"] <= target for t in self._ctx.state.all("_timer")):
            # Nothing is due: time passes without a write to disk every second.
            self._ctx.state.note_meta(now=max(target, self._ctx.now()))
            self._after(0)
            return True
        try:
            ran = self._ctx.advance(target, max_timers=STEP_TIMERS)
        except Exception:
            # A timer that fails is a bug of ours. It must not hold up everything after it for ever.
            log.exception("a timer failed")
            self._put_off()
            return False
        self._after(ran)
        return ran < STEP_TIMERS

    def _put_off(self) -> None:
        """Let the timer that is first in line wait an hour, and drop it when that did not help."""
        timers = [t for t in self._ctx.state.all("_timer") if t["clock"] is None]
        first = min(timers, key=lambda t: (t["at"], t["_seq"]))
        with self._ctx.state.transaction():
            self._ctx.state.delete("_timer", first["id"])
            failures = first.get("failures", 0) + 1
            if failures > MAX_FAILURES:
                log.error("timer %s of %s was dropped", first["action"], first["ref"])
                return
            again = {k: v for k, v in first.items() if k != "_seq"} | {"at": self.target + 3600, "failures": failures}
            self._ctx.state.insert(again)

    def move(self, seconds: int) -> None:
        """Set the account's clock ahead of real time by so much more."""
        with self._ctx.state.transaction():
            self._ctx.state.set_meta(offset=int(self._ctx.state.meta["offset"]) + seconds)

    def advancing(self) -> list[str]:
        """Return the test clocks that are on their way."""
        return [c["id"] for c in self._ctx.state.all(TEST_CLOCK) if c["status"] == "advancing"]

    def step_test_clock(self, clock_id: str) -> bool:
        """Run a bounded number of a test clock's timers; True when it has arrived and is ready again."""
        ctx = self._ctx
        clock = ctx.state.get(TEST_CLOCK, clock_id)
        if clock is None:
            return True
        ran = ctx.advance(clock["_target"], clock=clock_id, max_timers=STEP_TIMERS)
        self._after(ran)
        if ran == STEP_TIMERS:
            return False
        with ctx.state.transaction():
            ready = ctx.state.edit(TEST_CLOCK, clock_id)
            ready["status"] = "ready"
            ready["status_details"] = {}
            ctx.emit("test_helpers.test_clock.ready", ready)
            webhooks.enqueue(ctx)
        return True

    def _after(self, ran: int) -> None:
        if ran:
            with self._ctx.state.transaction():
                webhooks.enqueue(self._ctx)
        elif time.monotonic() - self._last_tidy > 60:
            self._last_tidy = time.monotonic()
            with self._ctx.state.transaction():
                idempotency.forget_old(self._ctx)
