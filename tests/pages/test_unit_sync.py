"""The page of unit sync against a sandbox: every state of a plan, seen by those who may act and those who may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from billing_core.services import access, exports, plans, reports, unit_runs, write_policy
from billing_core.services.formatting import Reader, parse_locale
from billing_core.services.stored_plans import Plan
from billing_core.store.database import Database
from billing_core.warehouse.refresh import refresh
from tests.actions.conftest import ASTA, FREJA, MIKKEL, OLIVER, Field, desk, gateway, shop
from tests.pages.conftest import open_page
from tests.sandbox.conftest import Server, advance, client, clock_customer, sandbox
from tests.world import ZONE, World

__all__ = ["advance", "client", "clock_customer", "desk", "gateway", "sandbox", "shop"]

Visit = Callable[..., AppTest]


@pytest.fixture
def visit(
    shop: Field, sandbox: Server, database: Database, tmp_path: Path, enter: Callable[[World], None]
) -> Callable[..., AppTest]:
    """Publish what is there and open the page as somebody, with a plan in the link."""

    def go(person: access.Actor = OLIVER, plan: Plan | None = None, link: str = "", **params: str) -> AppTest:
        refresh(database.url, tmp_path / "warehouse", zone=ZONE, now=datetime.now(UTC))
        enter({"DATABASE_URL": database.url, "BILLING_HOME": str(tmp_path), "STRIPE_API_BASE": sandbox.url})
        plan_id = plan.plan_id if plan else link
        given = {"as": person.email, **({"plan": plan_id} if plan_id else {}), **params}
        return open_page("unit_sync", **given)

    return go


def said(app: AppTest) -> str:
    """Everything a reader is told."""
    assert not app.exception
    kinds = ("title", "markdown", "caption", "subheader", "text", "success", "info", "warning", "error")
    titled = [getattr(e.proto, "title", "") for kind in kinds[5:] for e in getattr(app, kind)]
    return "\n".join([*(e.value for kind in kinds for e in getattr(app, kind)), *titled])


def button(app: AppTest, label: str) -> Any:
    """The button of that label."""
    found = [b for b in app.button if b.label == label]
    assert len(found) == 1, [b.label for b in app.button]
    return found[0]


def state(shop: Field, plan_id: str) -> Plan:
    """A plan as it is kept."""
    return plans.get(shop.desk, ASTA, plan_id)


def plan_of(app: AppTest) -> str:
    """The plan in the link."""
    value = app.query_params["plan"]
    return value[0] if isinstance(value, list) else value


def jobs_count(shop: Field) -> int:
    """How many jobs apply a plan or wait to."""
    with shop.desk.database.connect() as connection:
        query = (
            "select count(*) from procrastinate_jobs"
            " where task_name = 'billing.apply_plan' and status in ('todo', 'doing')"
        )
        return int(connection.scalar(sa.text(query)) or 0)


@pytest.fixture
def small(shop: Field) -> Field:
    """One tenant with 3 units where Stripe holds 2, one without a subscription."""
    shop.tenant("t_1", "licensed", 3, quantity=2)
    shop.tenant("t_2", None, 1)
    return shop


@pytest.fixture
def jump(shop: Field) -> Plan:
    """A plan of Oliver's that takes a second person: 10 → 20 units."""
    shop.tenant("t_1", "licensed", 20, quantity=10)
    return shop.plan(actor=OLIVER)


def test_from_comparing_to_verified(small: Field, visit: Visit) -> None:
    """Compare, look, say why, report, watch, and see what was read back; without a reason nothing happens."""
    app = visit()
    assert "Units have not been reported from here yet." in said(app)
    button(app, "Compare all 2 tenants with Stripe").click().run()
    plan_id = plan_of(app)
    assert "1 tenant is left alone" in said(app)
    assert "Nobody is there to do jobs" in said(app)
    assert [m.value for m in app.metric][:3] == ["1", "1", "0"]
    shown = app.dataframe[0].value
    assert (shown["before_count"].tolist(), shown["after_count"].tolist()) == ([2], [3])
    button(app, "Report 1 tenant to Stripe").click().run()
    assert "A reason is needed" in said(app)
    assert state(small, plan_id).state == "planned"
    app.text_area[0].input("A tenant moved in")
    button(app, "Report 1 tenant to Stripe").click().run()
    assert "It goes on when you leave this page" in said(app)
    assert (state(small, plan_id).state, state(small, plan_id).reason, jobs_count(small)) == (
        "running",
        "A tenant moved in",
        1,
    )
    small.work(state(small, plan_id))
    app.run()
    text = said(app)
    assert "1 change is reported. It was read back from Stripe" in text
    assert "Reported by Oliver Krogh" in text
    assert "A tenant moved in" in text
    assert "read back and right" in text


def test_the_link_of_two_tabs_makes_one_job(small: Field, visit: Visit) -> None:
    """Both press the button of the same plan; the second one only sees that it runs."""
    plan = small.plan(actor=OLIVER)
    one, two = visit(plan=plan), visit(plan=plan)
    for app in (one, two):
        app.text_area[0].input("Now")
        button(app, "Report 1 tenant to Stripe").click().run()
        assert "It goes on when you leave this page" in said(app)
    assert jobs_count(small) == 1


def test_only_the_chosen_tenants_are_compared(small: Field, visit: Visit) -> None:
    """The choice stands in the link, and on the button."""
    app = visit(tenant="t_2")
    button(app, "Compare 1 tenant with Stripe").click().run()
    plan = state(small, plan_of(app))
    assert (plan.scope, plan.actions) == (("t_2",), ())
    assert "There is nothing to report" in said(app)


def test_the_approver_sees_who_asked_and_why(shop: Field, jump: Plan, visit: Visit) -> None:
    """Oliver asks and cannot decide; Mikkel, a manager, approves with a reason, and one job is queued."""
    app = visit(OLIVER, jump)
    assert "A second person has to approve this" in said(app)
    app.text_area[0].input("They bought a house")
    button(app, "Ask for approval to report 1 tenant").click().run()
    assert "You asked for it, so somebody else decides" in said(app)
    assert (state(shop, jump.plan_id).state, jobs_count(shop)) == ("waiting", 0)
    app = visit(MIKKEL)
    assert "**1 plan** waits for approval." in said(app)
    button(app, "Look at it").click().run()
    assert "**Oliver Krogh** asks for this." in said(app)
    assert "They bought a house" in said(app)
    button(app, "Approve, and report 1 tenant to Stripe").click().run()
    assert "A reason is needed" in said(app)
    app.text_area[0].input("I know the house")
    button(app, "Approve, and report 1 tenant to Stripe").click().run()
    assert (state(shop, jump.plan_id).state, jobs_count(shop)) == ("running", 1)
    shop.work(state(shop, jump.plan_id))
    app.run()
    assert "approved by Mikkel Bach" in said(app)


def test_a_rejected_plan_says_by_whom_and_why(shop: Field, jump: Plan, visit: Visit) -> None:
    """Nothing was reported, and there is no button that would."""
    shop.apply(jump, actor=OLIVER)
    app = visit(FREJA, jump)
    app.text_area[0].input("The list is wrong")
    button(app, "Reject").click().run()
    text = said(app)
    assert "Freja Lund rejected it: The list is wrong" in text
    assert state(shop, jump.plan_id).state == "rejected"
    assert not [b for b in app.button if "report" in b.label.lower()]


def test_support_does_not_decide_on_somebody_elses_plan(shop: Field, jump: Plan, visit: Visit) -> None:
    """Sara sees that it waits and who may decide."""
    shop.apply(jump, actor=OLIVER)
    app = visit(access.DEMO_STAFF[2], jump)
    assert "Finance, a manager or an admin decides on it." in said(app)
    assert not [b for b in app.button if b.label.startswith("Approve") or b.label == "Reject"]


def test_a_manager_looks_and_does_not_report(small: Field, visit: Visit) -> None:
    """The button to compare is off; of a plan only the changes are there."""
    app = visit(MIKKEL)
    assert button(app, "Compare all 2 tenants with Stripe").disabled
    app = visit(MIKKEL, small.plan(actor=OLIVER))
    assert not [b for b in app.button if b.label.startswith("Report")]
    assert "Your role looks and approves" in said(app)


def test_what_failed_is_shown_and_only_that_is_tried_again(small: Field, visit: Visit) -> None:
    """Stripe refuses one of two; the page names it with its reason; after the retry both are done."""
    small.tenant("t_3", "licensed", 4, quantity=3)
    small.fault("rate_limit", path="/v1/subscription_items/*", times=None, contains="quantity=4")
    plan = small.apply(small.plan(actor=OLIVER), actor=OLIVER)
    assert (plan.state, plan.counts["done"]) == ("partly_done", 1)
    small.server.admin("DELETE", "/faults")
    app = visit(OLIVER, plan)
    assert "1 of 2 changes are not done" in said(app)
    button(app, "Try the 1 that is not done again").click().run()
    done = small.work(state(small, plan.plan_id))
    assert done.state == "done"
    app.run()
    assert "2 changes are reported. Each was read back" in said(app)


def test_while_writes_are_stopped_nothing_can_be_reported(small: Field, visit: Visit) -> None:
    """A click on a page that was open before reports nothing; the page says who stopped them and why, button off."""
    plan = small.plan(actor=OLIVER)
    app = visit(OLIVER, plan)
    write_policy.set_writes(small.desk, ASTA, is_stopped=True, reason="Prices are being checked")
    app.text_area[0].input("Now")
    button(app, "Report 1 tenant to Stripe").click().run()
    assert "Asta Friis stopped them: Prices are being checked" in said(app)
    assert button(app, "Report 1 tenant to Stripe").disabled
    assert (state(small, plan.plan_id).state, jobs_count(small)) == ("planned", 0)


def test_a_second_run_at_the_same_time_is_refused_in_words(small: Field, visit: Visit) -> None:
    """Another plan of units is being carried out: the page leads to it, and this one stays as it was."""
    small.tenant("t_3", "licensed", 4, quantity=3)
    running = small.apply(small.plan("t_3"), work=False)
    plan = small.plan("t_1", actor=OLIVER)
    app = visit(OLIVER, plan)
    assert button(app, "Watch it")
    app.text_area[0].input("Now")
    button(app, "Report 1 tenant to Stripe").click().run()
    text = said(app)
    assert "Nothing was reported" in text
    assert "has to wait" in text
    assert (state(small, plan.plan_id).state, jobs_count(small)) == ("planned", 1)
    button(app, "Watch it").click().run()
    assert plan_of(app) == running.plan_id


def test_a_plan_that_was_overtaken_is_not_carried_out(small: Field, visit: Visit) -> None:
    """A tenant has moved in since: the job of the plan stops before its first call and says so."""
    plan = small.plan("t_1", actor=OLIVER)
    small.occupy("t_1", [("new", date(2024, 1, 1), None)])
    app = visit(OLIVER, plan)
    app.text_area[0].input("Now")
    button(app, "Report 1 tenant to Stripe").click().run()
    small.work(state(small, plan.plan_id))
    app.run()
    text = said(app)
    assert "1 of 1 changes are not done" in text
    assert "is stale" in text
    button(app, "Compare again").click().run()
    assert button(app, "Compare all 2 tenants with Stripe")


def test_a_stripe_that_does_not_answer_is_an_error_with_nothing_changed(
    small: Field, visit: Visit, sandbox: Server
) -> None:
    """The page stays, says what happened and that nothing was changed."""
    app = visit()
    sandbox.stop()
    button(app, "Compare all 2 tenants with Stripe").click().run()
    text = said(app)
    assert "The comparison could not be made" in text
    assert "Nothing was changed in Stripe." in text


def test_a_plan_that_is_not_there_is_a_remark(small: Field, visit: Visit) -> None:
    """The page begins anew."""
    app = visit(link="plan_' or 1=1 --")
    assert "which is not there" in said(app)
    assert button(app, "Compare all 2 tenants with Stripe")


def test_a_plan_goes_out_as_a_file_with_those_left_alone(small: Field) -> None:
    """One row per change and per tenant left alone; as CSV, workbook and PDF."""
    plan = small.plan(actor=OLIVER)
    report = unit_runs.report(small.desk, plan, {"t_1": "=HYPERLINK(1)"})
    lines = reports.to_csv(report).splitlines()
    assert lines[0].startswith("tenant_id,name,before_count,after_count,change_count,effect_minor,currency")
    assert lines[1].startswith("t_1,'=HYPERLINK(1),2,3,1,")
    assert lines[2].startswith("t_2,,,,,,,,skipped,")
    assert exports.to_xlsx(report)[:2] == b"PK"
    reader = Reader(parse_locale("en-GB"), ZONE, parse_locale("en-GB"))
    assert exports.to_pdf(exports.of_report(report, reader), reader).startswith(b"%PDF")


def test_totals_add_up_apart_by_direction(small: Field) -> None:
    """One unit more here, two fewer there; the effect is the sum of the actions' own."""
    small.tenant("t_3", "licensed", 1, quantity=3)
    plan = small.plan()
    totals = unit_runs.totals(plan)
    assert (totals.tenants_count, totals.more_count, totals.fewer_count) == (2, 1, 2)
    assert totals.effect_minor == {"dkk": sum(a.effect_minor for a in plan.actions)}
    assert [unit_runs.progress(plan).done_ratio, unit_runs.undone_count(plan)] == [0, 2]
