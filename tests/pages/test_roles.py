"""Who may see a page, however it is reached."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from billing_core.services import access
from billing_core.store.tables import staff
from pages import _desk
from pages._registry import HERE, PAGES

NAMES = [page.name for page in PAGES]
World = dict[str, str]


def words(app: AppTest) -> str:
    """Everything a refused reader is told."""
    return "\n".join(element.value for element in [*app.title, *app.warning, *app.markdown])


@pytest.mark.parametrize("name", NAMES)
def test_a_page_file_run_by_itself_still_checks_the_role(
    enter: Callable[[World], None], company_world: World, name: str
) -> None:
    """Connected to Stripe and nobody signed in: running the file directly shows no figure."""
    enter({**company_world, "STRIPE_API_KEY": "sk_test_nobody"})
    app = AppTest.from_file(str(HERE / f"{name}.py"), default_timeout=60).run()
    assert not app.exception
    assert "Nobody is signed in" in words(app)
    assert not app.dataframe
    assert not app.get("plotly_chart")
    assert not app.metric


@pytest.mark.parametrize("name", NAMES)
def test_outside_the_demo_a_link_cannot_say_who_one_is(
    enter: Callable[[World], None], company_world: World, name: str
) -> None:
    """`?as=` means nothing when a real account is connected."""
    enter({**company_world, "STRIPE_API_KEY": "sk_test_nobody"})
    app = AppTest.from_file(str(HERE / "ui.py"), default_timeout=60)
    app.query_params["as"] = access.DEMO_ADMIN.email
    app.run()
    app = app.switch_page(f"{name}.py").run()
    assert "Nobody is signed in" in words(app)
    assert not app.dataframe


def test_on_a_machine_of_ones_own_the_actor_may_be_a_setting(
    enter: Callable[[World], None], company_world: World
) -> None:
    """BILLING_ACTOR counts while the app listens on loopback, and not when it listens to the world."""
    enter(company_world)
    access.seed_demo_staff(_desk.desk().database)
    local = {**company_world, "STRIPE_API_KEY": "sk_test_nobody", "BILLING_ACTOR": access.DEMO_ADMIN.email}
    enter(local)
    assert AppTest.from_file(str(HERE / "revenue.py"), default_timeout=60).run().dataframe
    enter({**local, "BILLING_HOST": "0.0.0.0"})
    assert "Nobody is signed in" in words(AppTest.from_file(str(HERE / "revenue.py"), default_timeout=60).run())


def test_somebody_who_is_not_staff_is_told_what_to_do(enter: Callable[[World], None], company_world: World) -> None:
    """The sentence names the command that makes one staff."""
    enter({**company_world, "STRIPE_API_KEY": "sk_test_nobody", "BILLING_ACTOR": "who@example.com"})
    app = AppTest.from_file(str(HERE / "overview.py"), default_timeout=60).run()
    assert "who@example.com is not among the staff" in words(app)


def test_a_role_taken_away_is_gone_at_the_next_run(enter: Callable[[World], None], company_world: World) -> None:
    """The session stays open; the role is read again from Postgres on every run."""
    person = access.DEMO_STAFF[3]
    enter(company_world)
    database = _desk.desk().database
    access.seed_demo_staff(database)
    enter({**company_world, "STRIPE_API_KEY": "sk_test_nobody", "BILLING_ACTOR": person.email})
    app = AppTest.from_file(str(HERE / "revenue.py"), default_timeout=60).run()
    assert app.dataframe
    try:
        with database.begin() as connection:
            connection.execute(sa.update(staff).where(staff.c.email == person.email).values(is_active=False))
        app.run()
        assert not app.dataframe
        assert "not among the staff" in words(app)
    finally:
        with database.begin() as connection:
            connection.execute(sa.update(staff).where(staff.c.email == person.email).values(is_active=True))
