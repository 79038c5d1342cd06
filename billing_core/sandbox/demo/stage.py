"""The course of time: what people and programs do, in order, with the account's clock running in between.

Everything that happens is put on a list of moments; `run` takes them in order, advances the clock to each (which makes
Stripe do its part) and lets listeners hear the events that this caused.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from billing_core.periods import epoch, local_date, start_of_day, utc
from billing_core.sandbox.context import Context
from billing_core.sandbox.inprocess import call
from billing_core.sandbox.state import Obj, sequence_of

ZONE = ZoneInfo("Europe/Copenhagen")
HOUR = 3600
DAY = 86400

Action = Callable[[], None]


class Stage:
    """The account, the list of moments and who listens."""

    def __init__(self, ctx: Context, begins: int, ends: int) -> None:
        self.ctx = ctx
        self.begins = begins
        self.ends = ends
        self._moments: list[tuple[int, int, Action]] = []
        self._count = 0
        self._heard = 0
        self._listeners: dict[str, list[Callable[[Obj], None]]] = {}

    @property
    def now(self) -> int:
        """The account's time in Unix seconds."""
        return self.ctx.now()

    @property
    def today(self) -> date:
        """The account's local date."""
        return day_of(self.now)

    def at(self, when: int, action: Action) -> None:
        """Put something on the list; what lies after the end never happens."""
        if when < self.ends:
            self._count += 1
            heapq.heappush(self._moments, (max(when, self.now), self._count, action))

    def on(self, event_type: str, listener: Callable[[Obj], None]) -> None:
        """Hear events of a type, with their object."""
        self._listeners.setdefault(event_type, []).append(listener)

    def call(self, method: str, path: str, /, **params: Any) -> Obj:
        """Call the API as the platform or the back office would; `path` without `/v1/`."""
        return call(self.ctx, method, f"/v1/{path}", params)

    def run(self, progress: Callable[[float], None]) -> None:
        """Let time pass until the end; `progress` gets the share that is over."""
        span, last = max(1, self.ends - self.begins), 0.0
        while self._moments:
            when, _, action = heapq.heappop(self._moments)
            if when > self.now:
                self.ctx.advance(when)
                self._hear()
            action()
            share = (when - self.begins) / span
            if share - last >= 0.01:
                progress(share)
                last = share
        self.ctx.advance(self.ends)
        progress(1.0)

    def _hear(self) -> None:
        marks = [(f'"type": "{name}"', name) for name in self._listeners]
        state, found = self.ctx.state, []
        for event_id in state.newest("event"):
            text = state.text("event", event_id)
            if sequence_of(text) <= self._heard:
                break
            found.append(text)
        self._heard = int(state.meta["sequence"])
        for text in reversed(found):
            for mark, name in marks:
                if mark in text:
                    event = json.loads(text)
                    if event["type"] == name:
                        for listener in self._listeners[name]:
                            listener(event["data"]["object"])


def at_local(day: date, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    """Return a local time of day as Unix seconds."""
    return epoch(start_of_day(day, ZONE) + timedelta(hours=hour, minutes=minute, seconds=second))


def day_of(when: int) -> date:
    """Return the local date of an instant."""
    return local_date(utc(when), ZONE)


def instant_of(today: date | datetime) -> int:
    """Return when a history that ends on a day ends: at the instant given, or as the local day begins."""
    return epoch(today) if isinstance(today, datetime) else at_local(today)
