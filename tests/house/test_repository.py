"""Facts about the repository itself: locks, generated pages, what the pages may import, nothing of one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
# Rooms that only `billing_core` may open: the app and its pages go through services.
CLOSED_TO_PAGES = {"duckdb", "stripe", "sqlalchemy", "psycopg", "adbc_driver_postgresql", "procrastinate"}
CLOSED_ROOMS = ("billing_core.warehouse", "billing_core.store", "billing_core.gateway", "billing_core.sandbox")
TEXT = {".py", ".md", ".toml", ".sql", ".lock", ".cfg", ".ini", ".yml", ".yaml", ".json", ".csv", ".txt", ".html", ""}


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def _pinned(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.\-]+)==([^ ;\\]+)", (ROOT / lock).read_text(), flags=re.M))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_a_hash_for_everything_and_names_no_registry(lock: str):
    """Every package is pinned with hashes, and where packages come from is the machine's own matter."""
    text = (ROOT / lock).read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)
    bare = [entry.split()[0] for entry in entries if entry.strip() and "--hash=sha256:" not in entry]
    assert not bare
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_development_lock_holds_the_same_versions():
    """What is tested is what is run: both locks agree on every package of the first."""
    run, develop = _pinned("requirements.lock"), _pinned("requirements-dev.lock")
    assert run
    assert {name: develop.get(name) for name in run} == run


def test_locks_hold_every_dependency_of_the_project():
    """A dependency that was added to pyproject.toml is in the locks too, the build's included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["build"]
    for lock, names in (
        ("requirements.lock", wanted),
        ("requirements-dev.lock", wanted + project["optional-dependencies"]["dev"]),
    ):
        pinned = {re.sub(r"[-_.]+", "-", name).lower() for name in _pinned(lock)}
        named = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~! ]", name)[0]).lower() for name in names}
        assert named <= pinned, f"{lock}: {named - pinned}"


def test_no_tracked_file_names_this_machine():
    """A path of the machine it was written on would work there only."""
    home = str(Path.home())
    needles = [str(ROOT) + "/"] + ([home + "/"] if len(home) > len("/root") else [])
    found = [
        f"{path.relative_to(ROOT)}: {needle}"
        for path in _tracked()
        if path.suffix in TEXT
        for needle in needles
        if needle in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert not found


def test_settings_page_equals_the_settings():
    """docs/settings.md is what `make docs` writes."""
    from billing_core.services.doctor import settings_page

    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page(), "run `make docs`"


def test_pages_go_through_services_only():
    """The app and its pages import no database, no Stripe and none of the rooms behind the services."""
    wrong = []
    for path in [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            wrong += [
                f"{path.relative_to(ROOT)}:{node.lineno} imports {name}"
                for name in names
                if name.split(".")[0] in CLOSED_TO_PAGES or name.startswith(CLOSED_ROOMS)
            ]
    assert not wrong


def test_makefile_finds_no_python_with_one_sentence(tmp_path: Path):
    """Without a usable interpreter `make setup` says which one is needed, and makes nothing."""
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "rm", "touch", "make"):
        found = subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, text=True, check=True)
        (tools / tool).symlink_to(found.stdout.strip())
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    done = subprocess.run(
        ["make", "setup"], cwd=checkout, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("ci", ["", "true"])
def test_missing_chromium_is_said_and_fails_in_ci_only(tmp_path: Path, ci: str):
    """Without a browser `make test` goes on and says how to get one; CI does not go on."""
    done = subprocess.run(
        [sys.executable, "tests/browser/chromium.py"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (1 if ci else 0)
    assert "apt-get install chromium" in done.stdout
