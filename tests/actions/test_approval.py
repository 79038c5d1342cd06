"""Who lets a plan happen: a second person above the thresholds, roles at every call, one job however often asked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from billing_core import worker
from billing_core.errors import BillingError, ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from billing_core.services import access, plans, unit_sync, write_policy
from billing_core.services.access import ALLOWED, SYSTEM, Actor
from billing_core.services.stored_plans import Plan
from billing_core.settings import Settings
from billing_core.store import tables
from tests.actions.conftest import ASTA, FREJA, MIKKEL, OLIVER, SARA, Field

NOBODY = Actor("nobody@example.com", "Nobody", ("admin",))


@pytest.fixture
def jump(shop: Field) -> Plan:
    """A plan of Oliver's that takes a second person: 10 → 20 units."""
    shop.tenant("t_1", "licensed", 20, quantity=10)
    return shop.plan(actor=OLIVER)


def jobs(shop: Field) -> list[Any]:
    """The queued and running jobs that apply plans."""
    with shop.desk.database.connect() as connection:
        query = (
            "select * from procrastinate_jobs where task_name = 'billing.apply_plan' and status in ('todo', 'doing')"
        )
        return list(connection.execute(sa.text(query)))


def test_a_large_change_waits_and_an_approval_starts_it(shop: Field, jump: Plan) -> None:
    """Applying says why it waits; Mikkel's word queues the job."""
    assert jump.approval_needed == ("t_1 changes +100 % against 10.",)
    waiting = shop.apply(jump, actor=OLIVER)
    assert (waiting.state, jobs(shop)) == ("waiting", [])
    approved = plans.approve(shop.desk, MIKKEL, jump.plan_id, "They bought a house")
    assert approved.state == "running"
    assert len(jobs(shop)) == 1
    done = shop.work(approved)
    assert done.state == "done"
    assert done.decision is not None
    assert (done.decision.decided_by, done.decision.reason) == ("mikkel@demo.example", "They bought a house")


def test_an_approval_before_applying_lets_it_through(shop: Field, jump: Plan) -> None:
    """And it does not start anything by itself."""
    assert plans.approve(shop.desk, FREJA, jump.plan_id, "Seen").state == "planned"
    assert shop.apply(jump, actor=OLIVER).state == "done"


def test_nobody_approves_what_he_asked_for(shop: Field) -> None:
    """Not as the one who planned, nor as the one who applied, whatever the role."""
    subscription = shop.tenant("t_1", "licensed", 20, quantity=10)
    plan = shop.plan(actor=ASTA)
    with pytest.raises(ForbiddenError, match="somebody else has to decide"):
        plans.approve(shop.desk, ASTA, plan.plan_id, "I know what I do")
    other = shop.plan(actor=OLIVER)
    shop.apply(other, actor=FREJA)
    with pytest.raises(ForbiddenError, match="somebody else has to decide"):
        plans.approve(shop.desk, FREJA, other.plan_id, "Mine too")
    with pytest.raises(ForbiddenError, match="takes the role"):
        plans.approve(shop.desk, SARA, other.plan_id, "Support cannot")
    assert shop.quantity(subscription) == 10
    assert shop.rows(tables.approvals) == []


def test_a_rejected_plan_never_runs(shop: Field, jump: Plan) -> None:
    """And is not decided on twice."""
    plans.reject(shop.desk, MIKKEL, jump.plan_id, "Typing error in the occupancies")
    with pytest.raises(ConflictError, match="was rejected: Typing error"):
        shop.apply(jump, actor=OLIVER)
    with pytest.raises(ConflictError, match=r"mikkel@demo\.example has rejected"):
        plans.approve(shop.desk, FREJA, jump.plan_id, "Yet")


def test_a_small_plan_needs_nobody(shop: Field) -> None:
    """And cannot be approved."""
    shop.tenant("t_1", "licensed", 8, quantity=7)
    plan = shop.plan()
    with pytest.raises(ConflictError, match="needs no approval"):
        plans.approve(shop.desk, MIKKEL, plan.plan_id, "Fine")


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 2001, "a\x00b", "half \ud800"])
def test_a_reason_is_a_text(shop: Field, jump: Plan, reason: str) -> None:
    """Blank, too long, NUL, half a character: nothing is decided."""
    with pytest.raises(InvalidInputError):
        plans.approve(shop.desk, MIKKEL, jump.plan_id, reason)
    assert shop.rows(tables.approvals) == []


def test_an_approval_cannot_be_edited_afterwards(shop: Field, jump: Plan) -> None:
    """Not even by the owner of the tables."""
    plans.approve(shop.desk, MIKKEL, jump.plan_id, "Seen")
    with pytest.raises(sa.exc.ProgrammingError, match="refused"), shop.desk.database.begin() as connection:
        connection.execute(sa.update(tables.approvals).values(decided_by="oliver@demo.example"))


def test_thresholds_are_a_setting(shop: Field, jump: Plan) -> None:
    """With 200 % and a million nothing stands out; what cannot be read is said."""
    value: dict[str, Any] = {"units_percent": 200, "change_minor": {"dkk": 100_000_000}}
    with shop.desk.database.begin() as connection:
        connection.execute(sa.insert(tables.settings).values(key=write_policy.THRESHOLDS, value=value))
    assert shop.plan().approval_needed == ()
    with shop.desk.database.begin() as connection:
        connection.execute(sa.update(tables.settings).values(value={"units_percent": "many"}))
    with pytest.raises(BillingError, match="approval_thresholds cannot be read"):
        shop.plan()


def test_fifty_submits_at_once_are_one_job(shop: Field) -> None:
    """All of them get the running plan; it is carried out once."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=7)
    plan = shop.plan()
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda _: plans.submit(shop.desk, ASTA, plan.plan_id), range(50)))
    assert {f.state for f in found} == {"running"}
    assert len({f.job_id for f in found}) == 1
    assert len(jobs(shop)) == 1
    assert shop.work(plan).state == "done"
    assert shop.quantity(subscription) == 8
    assert len(shop.rows(tables.intents)) == 1


def test_one_run_of_units_at_a_time(shop: Field) -> None:
    """A second plan is refused while one runs, and a worker that comes to a locked lane leaves it alone."""
    shop.tenant("t_1", "licensed", 8, quantity=7)
    first, second = shop.plan(), shop.plan()
    shop.apply(first, work=False)
    with pytest.raises(ConflictError, match=f"{first.plan_id} is running"):
        plans.submit(shop.desk, ASTA, second.plan_id)
    shop.work(first)
    assert shop.work(first).state == "done"
    with pytest.raises(ConflictError, match="is stale"):
        shop.apply(second)


def test_a_worker_does_what_was_handed_over(shop: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queued job is a job of the worker's, by its name."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=7)
    plan = shop.apply(shop.plan(), work=False)
    monkeypatch.setenv("DATABASE_URL", shop.desk.database.url)
    monkeypatch.setenv("STRIPE_API_BASE", shop.server.url)
    worker.run_worker(Settings(home=shop.desk.settings.home), is_until_idle=True)
    assert plans.get(shop.desk, ASTA, plan.plan_id).state == "done"
    assert shop.quantity(subscription) == 8


def test_a_demotion_stops_a_run_that_was_handed_over(shop: Field) -> None:
    """Oliver lost his role between the click and the job: nothing is called."""
    subscription = shop.tenant("t_1", "licensed", 8, quantity=7)
    running = shop.apply(shop.plan(actor=OLIVER), actor=OLIVER, work=False)
    access.revoke(shop.desk, ASTA, OLIVER.email, "support")
    refused = shop.work(running)
    assert refused.state == "failed"
    assert "not on the staff list" in (refused.trouble or "")
    assert shop.quantity(subscription) == 7


def test_a_plan_that_is_not_there_is_said(shop: Field) -> None:
    """By its id."""
    for call in (plans.get, plans.submit):
        with pytest.raises(NotFoundError, match="no plan 'plan_nope'"):
            call(shop.desk, ASTA, "plan_nope")


def _actions(shop: Field, plan: Plan) -> dict[str, tuple[str, Callable[[Actor], object]]]:
    """Every public action: the permission it takes, and a call of it."""
    desk, gateway, now = shop.desk, shop.gateway, shop.clock()
    return {
        "plan": ("units.sync", lambda who: unit_sync.plan(desk, who, gateway, now=now)),
        "apply": ("units.sync", lambda who: unit_sync.apply(desk, who, gateway, plan.plan_id, now=now)),
        "submit": ("units.sync", lambda who: plans.submit(desk, who, plan.plan_id)),
        "approve": ("plan.approve", lambda who: plans.approve(desk, who, plan.plan_id, "Seen")),
        "reject": ("plan.approve", lambda who: plans.reject(desk, who, plan.plan_id, "Seen")),
        "get": ("reports.read", lambda who: plans.get(desk, who, plan.plan_id)),
        "history": ("reports.read", lambda who: plans.history(desk, who)),
        "set_writes": (
            "writes.stop",
            lambda who: write_policy.set_writes(desk, who, is_stopped=False, reason="Seen"),
        ),
    }


def test_every_action_for_every_role_and_nobody(shop: Field, jump: Plan) -> None:
    """Allowed or refused as the table of permissions says; allowed may still find that the plan's state forbids it."""
    for name, (permission, call) in _actions(shop, jump).items():
        for who in (FREJA, SARA, MIKKEL, ASTA, SYSTEM, NOBODY):
            roles = who.roles if who is not NOBODY else ()
            is_allowed = bool(ALLOWED[permission][1].intersection(roles))
            assert _is_let_through(call, who) == is_allowed, (name, who.email)


def _is_let_through(call: Callable[[Actor], object], who: Actor) -> bool:
    """Whether the role was enough, whatever the plan's state or its requester then say."""
    try:
        call(who)
    except ForbiddenError as error:
        return "somebody else has to decide" in str(error)
    except ConflictError:
        return True
    return True
