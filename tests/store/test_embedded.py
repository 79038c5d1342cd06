"""The embedded server starts, is shared, survives kill -9 of anybody, and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from billing_core.errors import StoreError
from billing_core.store import embedded

START = "import sys; from pathlib import Path; from billing_core.store import embedded; "


@pytest.fixture
def home(fresh_home: Path) -> Path:
    """A home that does not exist yet."""
    return fresh_home / "home"


def run_python(script: str, home: Path) -> subprocess.Popen[str]:
    """Start another Python that runs a script about a home."""
    return subprocess.Popen([sys.executable, "-c", START + script, str(home)], stdout=subprocess.PIPE, text=True)


def write_rows(url: str, count: int) -> None:
    """Commit rows to look for later."""
    with psycopg.connect(url) as connection:
        connection.execute("create table if not exists kept (n int)")
        connection.execute("insert into kept select generate_series(1, %s)", (count,))


def count_rows(url: str) -> int:
    """Return how many of the rows are there."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    assert row is not None
    return int(row[0])


def test_start_attach_status_and_stop(home: Path) -> None:
    """Start twice is one server; stop says whether there was one; fsync is on and only the socket is listened on."""
    assert not embedded.status(home).is_running
    url = embedded.start(home)
    status = embedded.status(home)
    assert (status.is_running, status.url) == (True, url)
    assert embedded.start(home) == url
    assert embedded.status(home).pid == status.pid
    with psycopg.connect(url) as connection:
        assert connection.execute("show fsync").fetchone() == ("on",)
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        assert connection.execute("show timezone").fetchone() == ("UTC",)
    assert embedded.stop(home) is True
    assert embedded.stop(home) is False
    assert not embedded.status(home).is_running


def test_a_server_without_a_free_connection_still_runs(home: Path) -> None:
    """Every slot is taken: the server counts as running, and starting it does not wait for a slot."""
    url = embedded.start(home)
    held: list[psycopg.Connection] = []
    try:
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            held.extend(psycopg.connect(url) for _ in range(200))
        assert embedded.start(home) == url
        assert embedded.status(home).is_running
    finally:
        for connection in held:
            connection.close()


def test_killed_postmaster_is_started_again_with_all_committed_rows(home: Path) -> None:
    """`kill -9` of the server, twice in a row, right after a commit: the next start finds every row."""
    for total in (1000, 2000):
        url = embedded.start(home)
        write_rows(url, 1000)
        pid = embedded.status(home).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert count_rows(embedded.start(home)) == total


def test_killed_python_leaves_the_server_running_for_the_next(home: Path) -> None:
    """`kill -9` of the process that started the server: another one attaches to the same server, rows and all."""
    script = (
        "import time, psycopg; url = embedded.start(Path(sys.argv[1])); "
        "c = psycopg.connect(url, autocommit=True); c.execute('create table kept (n int)'); "
        "c.execute('insert into kept select generate_series(1, 500)'); print('ready', flush=True); time.sleep(60)"
    )
    holder = run_python(script, home)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    before = embedded.status(home)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    url = embedded.start(home)
    assert embedded.status(home).pid == before.pid
    assert count_rows(url) == 500


def test_two_processes_that_start_at_once_share_one_server(home: Path) -> None:
    """Both create, or one creates and the other waits: they end on the same server."""
    script = "embedded.start(Path(sys.argv[1])); print(embedded.status(Path(sys.argv[1])).pid)"
    both = [run_python(script, home) for _ in range(2)]
    pids = [process.communicate(timeout=60)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert pids[0] == pids[1] == str(embedded.status(home).pid)


@pytest.mark.parametrize("name", ["deep/" * 60 + "home", "with blank, comma and 'quote'", "100%æøå"])
def test_any_path_will_do(fresh_home: Path, name: str) -> None:
    """A home may be deeper than a socket's path can be long, and hold characters that mean something in a URI."""
    home = fresh_home / name
    url = embedded.start(home)
    try:
        write_rows(url, 3)
        assert count_rows(embedded.start(home)) == 3
        assert len(str(embedded._socket_dir(embedded._place(home)))) < 60
    finally:
        embedded.stop(home)
    assert not embedded._socket_dir(embedded._place(home)).exists()


def test_a_pid_file_that_names_another_living_process_is_stale(home: Path) -> None:
    """After a reboot the number may belong to anybody; here it is this test's own."""
    write_rows(embedded.start(home), 10)
    embedded.stop(home)
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{home}/postgres/data\n1\n5432\n/tmp\n\n1 1\nready\n", encoding="ascii")
    assert not embedded.status(home).is_running
    assert count_rows(embedded.start(home)) == 10


def test_a_crash_while_the_cluster_is_made_leaves_no_half_of_one(home: Path) -> None:
    """What an interrupted first start left behind is thrown away by the next."""
    half = home / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n", encoding="ascii")
    write_rows(embedded.start(home), 1)
    assert not half.exists()


def test_a_home_that_is_a_file_is_one_clear_sentence(tmp_path: Path) -> None:
    """Nothing can live there, and the message says where and what to do."""
    (tmp_path / "home").write_text("", encoding="ascii")
    with pytest.raises(StoreError, match=r"cannot use .*postgres: Not a directory.*BILLING_HOME"):
        embedded.start(tmp_path / "home")


def test_a_cluster_of_another_version_is_refused(home: Path) -> None:
    """An old cluster is not touched."""
    (home / "postgres" / "data").mkdir(parents=True)
    (home / "postgres" / "data" / "PG_VERSION").write_text("16\n", encoding="ascii")
    with pytest.raises(StoreError, match="made by Postgres 16, this is 18"):
        embedded.start(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user run the server")
def test_as_root_the_server_belongs_to_somebody_else_and_parents_stay_unlistable(fresh_home: Path) -> None:
    """Root's private directory is opened for passing through, not for listing, and the data is its user's alone."""
    private = fresh_home / "private"
    private.mkdir(mode=0o700)
    home = private / "home"
    embedded.start(home)
    try:
        assert private.stat().st_mode & 0o777 == 0o701
        assert (home / "postgres").stat().st_uid != 0
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
    finally:
        embedded.stop(home)
