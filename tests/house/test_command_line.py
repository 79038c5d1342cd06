"""The command line: errors are sentences with exit codes, help is quick, every command is documented."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from billing_core.cli import app

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("streamlit", "duckdb", "stripe", "sqlalchemy", "pandas", "pyarrow", "procrastinate", "alembic", "starlette")


def test_version_is_the_packages(billing):
    """`billing --version` names the product and its version."""
    done = billing("--version")
    assert (done.returncode, done.stdout) == (0, "Billing Desk 0.1.0\n")


def test_help_imports_no_heavy_room():
    """`billing --help` answers at once because nothing heavy is imported for it."""
    code = f"import sys, billing_core.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_broken_setting_is_one_sentence_naming_the_variable(billing):
    """A bad value names the variable, the value and where to correct it; exit code 6, no traceback."""
    done = billing("migrate", BILLING_PORT="abc")
    assert done.returncode == 6
    assert done.stderr.startswith("billing: BILLING_PORT is 'abc'")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BILLING_HOST", "no.such.host.invalid", "which is not an address of this machine"),
        ("BILLING_HOST", "203.0.113.7", "which is not an address of this machine"),
        ("STRIPE_API_KEY", "pk_test_neverShown", "starts with sk_ or rk_"),
        ("STRIPE_API_KEY", "neverShown", "starts with sk_ or rk_"),
        ("STRIPE_API_BASE", "127.0.0.1:12111", "not an address"),
        ("BILLING_MIRROR_SECONDS", "inf", "less than or equal to 3600"),
        ("BILLING_REFRESH_SECONDS", "0", "greater than 0"),
    ],
)
def test_setting_that_would_only_fail_later_is_refused_at_once(billing, home: Path, name: str, value: str, said: str):
    """Nothing is started with it, and no key is repeated."""
    done = billing("up", **{name: value})
    assert done.returncode == 6
    assert done.stderr.startswith(f"billing: {name} is ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "neverShown" not in done.stderr
    assert not (home / "postgres").exists()


def test_variable_set_to_nothing_is_not_set(billing):
    """As a copied .env leaves it: the default holds, and an empty BILLING_HOME is not the working directory."""
    done = billing("doctor", "--json", BILLING_HOME="", BILLING_PORT="", DATABASE_URL="", BILLING_MIRROR_SECONDS="")
    facts = {fact["variable"]: fact for fact in json.loads(done.stdout)["settings"]}
    assert facts["BILLING_HOME"]["value"] == ".billing"
    assert (facts["BILLING_PORT"]["value"], facts["BILLING_PORT"]["source"]) == ("8501", "default")


def test_tilde_in_a_file_is_the_users_home(billing, environment, tmp_path: Path):
    """A shell would have expanded it; a .env file does not."""
    (tmp_path / ".env").write_text("BILLING_SOURCE_SQL=~/views.sql\n")
    facts = {f["variable"]: f["value"] for f in json.loads(billing("doctor", "--json", HOME="/h").stdout)["settings"]}
    assert facts["BILLING_SOURCE_SQL"] == "/h/views.sql"


@pytest.mark.parametrize("command", [("up",), ("init", "--empty"), ("migrate",), ("sandbox", "--empty"), ("postgres",)])
def test_home_that_cannot_be_written_to_is_one_sentence(billing, tmp_path: Path, command):
    """A file stands where the directory should be."""
    (tmp_path / "file").touch()
    done = billing(*command, BILLING_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 6
    assert done.stderr.count("\n") == 1
    assert "set BILLING_HOME to another" in done.stderr


def test_unknown_option_is_a_usage_error(billing):
    """A misspelt option ends with 2 and points to the help."""
    done = billing("doctor", "--jsn")
    assert done.returncode == 2
    assert "--jsn" in done.stderr
    assert "Traceback" not in done.stderr


def test_command_without_data_says_how_to_begin(billing, home: Path):
    """A command on an empty home says what makes one, and makes nothing itself."""
    done = billing("mirror")
    assert done.returncode == 3
    assert "billing up" in done.stderr
    assert "billing init --empty" in done.stderr
    assert not (home / "postgres").exists()


def test_pending_migration_is_named(billing, environment, home: Path):
    """A command on a Postgres without the data model says which command brings it there."""
    from billing_core.store import embedded

    embedded.start(home)
    done = billing("mirror")
    assert done.returncode == 8
    assert "billing migrate" in done.stderr


def test_busy_port_is_one_sentence_naming_port_and_option(billing):
    """A port that another program holds is named together with the way out; nothing is left behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = billing("up", "--port", str(port), "--no-browser")
    assert done.returncode == 5
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr
    assert f"--port {port + 1}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("up",), ("up", "--no-browser")])
def test_live_key_needs_a_confirmation(billing, command, home: Path):
    """A live key is refused without --live, before anything is started."""
    done = billing(*command, STRIPE_API_KEY="sk_live_abcdefghijkl")
    assert done.returncode == 2
    assert "--live" in done.stderr
    assert "abcdefghijkl" not in done.stderr + done.stdout
    assert not (home / "postgres").exists()


def test_live_option_without_a_live_key_is_refused(billing):
    """--live is a confirmation of a live key and means nothing else."""
    done = billing("up", "--live")
    assert done.returncode == 2
    assert "live key" in done.stderr


def test_demo_is_refused_with_a_stripe_key(billing):
    """The demo is never made beside a real account."""
    done = billing("init", "--demo", STRIPE_API_KEY="sk_test_abcdefghijkl")
    assert done.returncode == 5
    assert "Unset it" in done.stderr


def test_bug_shows_a_reference_and_keeps_the_details(environment, home: Path):
    """An unexpected exception ends with 70, shows no traceback and leaves one in logs/errors.log."""
    code = (
        "import billing_core.cli as cli\n"
        "@cli.app.command('boom')\n"
        "def boom() -> None:\n"
        "    raise ZeroDivisionError('seven')\n"
        "cli.main()\n"
    )
    arguments = [sys.executable, "-c", code, "boom"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    reference = re.search(r"reference ([0-9a-f]{8})", done.stderr)
    assert reference
    log = (home / "logs" / "errors.log").read_text()
    assert reference[1] in log
    assert "ZeroDivisionError: seven" in log
    shown = subprocess.run(
        arguments, env={**environment, "BILLING_DEBUG": "1"}, capture_output=True, text=True, check=False
    )
    assert "ZeroDivisionError: seven" in shown.stderr


def _commands(group, prefix: str = "billing"):
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_and_its_options_are_documented(name: str):
    """docs/command-line.md has a section for every command that names every option."""
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `(billing[^`]*)`\n(.*?)(?=^## |\Z)", page, flags=re.M | re.S))
    section = next((text for title, text in sections.items() if re.match(rf"{name}( [A-Z\[].*)?$", title)), None)
    assert section is not None, f"no section for `{name}`"
    options = [max(p.opts, key=len) for p in COMMANDS[name].params if not getattr(p, "hidden", False)]
    missing = [option for option in options if option.startswith("--") and option != "--help" and option not in section]
    assert not missing, f"{name}: {missing} not documented"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_has_help(name: str):
    """Every command says in its help what it does."""
    assert COMMANDS[name].help
