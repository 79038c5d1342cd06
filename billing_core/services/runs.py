"""Runs: every kind of plan and what carries it out, for the worker and for a command that does not wait for one."""

from __future__ import annotations

import time
from collections.abc import Callable

from billing_core.gateway import Gateway
from billing_core.services import unit_sync
from billing_core.services.apply import Clock, Executors, run_plan
from billing_core.services.desk import Desk
from billing_core.services.stored_plans import Plan
from billing_core.store import jobs

EXECUTORS: Executors = {unit_sync.ACTION: unit_sync.executor}


def run(
    desk: Desk,
    gateway: Gateway,
    plan_id: str,
    *,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
    should_stop: Callable[[], bool] = lambda: False,
) -> Plan:
    """Carry out a plan that was handed over; see `apply.run_plan`."""
    return run_plan(desk, gateway, plan_id, EXECUTORS, clock=clock, sleep=sleep, should_stop=should_stop)


def has_worker(desk: Desk) -> bool:
    """Tell whether a worker is there to do what was handed over."""
    with desk.database.connect() as connection:
        return jobs.has_worker(connection)
