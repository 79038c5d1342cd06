"""`billing import` on the command line: counts out, sentences and exit codes when refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from billing_core.store.database import Database

HEADER = "tenant_id,name,email,country,currency,created_at,deleted_at\n"


def test_import_from_the_command_line(database: Database, tmp_path: Path) -> None:
    """A dry run, the run itself, and a bad file: its sentence on the error stream, exit code 2."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "BILLING_"))}
    environment |= {"DATABASE_URL": database.url, "BILLING_HOME": str(tmp_path)}
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(HEADER + "t1,Sol,,DK,dkk,2026-01-01,\n", encoding="utf-8")
    bad.write_text(HEADER + "t1,Sol,,DK,kroner,2026-01-01,\n", encoding="utf-8")

    def billing(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "billing_core.cli", "import", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    dry = billing("tenants", str(good), "--dry-run", "--json")
    assert json.loads(dry.stdout) == {
        "kind": "tenants", "rows": 1, "inserted": 1, "updated": 0, "unchanged": 0, "dry_run": True,
    }, dry.stderr  # fmt: skip
    run = billing("tenants", str(good))
    assert run.stdout.startswith("tenants: 1 rows, 1 new, 0 changed, 0 as before\n"), run.stderr
    refused = billing("tenants", str(bad))
    assert refused.returncode == 2
    assert "bad.csv has 1 bad cell, nothing was imported: line 2, column currency: 'kroner' is not" in refused.stderr
