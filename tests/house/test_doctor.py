"""The doctor: explains every setting, finds what is wrong, never shows a secret."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from billing_core.services.doctor import masked, setting_facts
from billing_core.settings import Settings

SECRETS = {
    "STRIPE_API_KEY": "sk_test_51ShouldNeverBeShown",
    "STRIPE_WEBHOOK_SECRETS": "whsec_neverShown1,whsec_neverShown2",
    "DATABASE_URL": "postgresql://billing:neverShown3@127.0.0.1:1/billing",
}


def _checks(done) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_new_home_is_healthy_and_nothing_is_made(billing, home: Path):
    """On a machine where nothing was started yet nothing fails, and looking makes nothing."""
    done = billing("doctor", "--json", BILLING_PORT="0")
    assert done.returncode == 0, done.stdout
    checks = _checks(done)
    assert {"Python", "Time zone", "Disk", "Postgres", "Stripe", "Warehouse", "Processes", "Port", "Home"} <= set(
        checks
    )
    assert not home.exists()


def test_every_setting_is_explained_with_its_source(billing):
    """Each setting shows its value, where it came from and what it does."""
    settings = json.loads(billing("doctor", "--json", BILLING_PORT="8655").stdout)["settings"]
    facts = {fact["variable"]: fact for fact in settings}
    assert len(facts) == len(Settings.model_fields)
    assert (facts["BILLING_PORT"]["value"], facts["BILLING_PORT"]["source"]) == ("8655", "environment")
    assert facts["BILLING_HOST"]["source"] == "default"
    assert all(fact["description"] for fact in facts.values())


def test_value_from_a_file_is_said_to_come_from_there(billing, tmp_path: Path):
    """A value in .env is shown as such."""
    (tmp_path / ".env").write_text("BILLING_DEMO_TENANTS=33\n")
    settings = json.loads(billing("doctor", "--json").stdout)["settings"]
    fact = next(fact for fact in settings if fact["variable"] == "BILLING_DEMO_TENANTS")
    assert (fact["value"], fact["source"]) == ("33", ".env")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_secret_is_shown_whatever_fails(billing, form):
    """A key, a signing secret or a password never leaves the process, also when what they open cannot be reached."""
    done = billing("doctor", *form, STRIPE_API_BASE="http://127.0.0.1:1", BILLING_STRIPE_TIMEOUT_SECONDS="1", **SECRETS)
    assert done.returncode == 1
    everything = done.stdout + done.stderr
    assert "everShown" not in everything
    assert "NeverBeShown" not in everything
    assert "secret test key" in everything


def test_unreachable_postgres_fails_with_advice(billing):
    """A Postgres that does not answer is one failed check, and the others still ran."""
    done = billing("doctor", "--json", DATABASE_URL=SECRETS["DATABASE_URL"])
    checks = _checks(done)
    assert done.returncode == 1
    assert checks["Postgres"]["status"] == "fail"
    assert "DATABASE_URL" in checks["Postgres"]["advice"]
    assert checks["Python"]["status"] == "ok"


def test_broken_setting_is_found_and_named(billing):
    """A setting that cannot be read is the finding itself; nothing else can be checked before it is right."""
    done = billing("doctor", "--json", BILLING_REPORTING_TIMEZONE="Mars/Olympus")
    checks = _checks(done)
    assert done.returncode == 1
    assert list(checks) == ["Settings"]
    assert "BILLING_REPORTING_TIMEZONE" in checks["Settings"]["detail"]
    assert "Europe/Copenhagen" in checks["Settings"]["detail"]


def test_port_of_another_program_fails(billing):
    """A taken port is found before `billing up` stumbles over it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check = _checks(billing("doctor", "--json", BILLING_PORT=str(port)))["Port"]
    assert check["status"] == "fail"
    assert str(port) in check["detail"]
    assert "--port" in check["advice"]


def test_half_made_demo_and_killed_run_are_warned_about(billing, home: Path):
    """What a killed first start leaves is named together with the way on."""
    home.mkdir(parents=True)
    (home / "home.json").write_text('{"kind": "demo", "is_complete": false, "made_on": "2026-11-22"}')
    dead = '{"name": "up", "pid": 4194305, "created": 0.0, "url": null}'
    (home / "run.json").write_text(f'{{"parent": {dead}, "mode": "demo", "children": []}}')
    checks = _checks(billing("doctor", "--json"))
    assert checks["Home"]["status"] == "warn"
    assert "half made" in checks["Home"]["detail"]
    assert checks["Processes"]["status"] == "warn"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("stripe_api_key", "rk_live_abc", "rk_live_… (restricted live key)"),
        ("stripe_api_key", "hunter2", "not a Stripe secret key"),
        ("database_url", "postgresql://u:p@h/d", "postgresql://u:…@h/d"),
        ("database_url", "postgresql://u:p@q@h/d?x=1&password=r", "postgresql://u:…@h/d?x=1&password=…"),
        ("database_url", "postgresql://h/d", "postgresql://h/d"),
        ("database_url", "host=h user=u password='a b' dbname=d", "host=h user=u password=… dbname=d"),
        ("stripe_webhook_secrets", "whsec_a,whsec_b", "2 set"),
        ("actor", None, "–"),
    ],
)
def test_values_are_masked(name: str, value: str | None, shown: str):
    """Keys show their kind, URLs lose their password, secrets are only counted."""
    assert masked(name, value) == shown


def test_facts_follow_the_settings_order():
    """The list reads like the definition."""
    variables = [fact.variable for fact in setting_facts(Settings())]
    assert variables[:2] == ["BILLING_HOME", "DATABASE_URL"]
