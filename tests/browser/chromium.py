"""Find an installed Chromium for the browser tests; nothing is ever downloaded.

Run as a script (`make test` does) it says how to get one where there is none, and fails when CI=true.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/snap/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
ADVICE = (
    "No Chromium found, so the browser tests are left out. To run them: sudo apt-get install chromium (Debian, "
    "Ubuntu), "
    "or set CHROMIUM to the path of a Chromium or Chrome."
)


def find() -> Path | None:
    """Return the browser that `CHROMIUM` names, else the first known one that is installed."""
    for name in (os.environ.get("CHROMIUM", ""), *NAMES):
        found = shutil.which(name) if name else None
        if found:
            return Path(found)
    return None


def is_ci() -> bool:
    """Whether a missing browser is a failure."""
    return os.environ.get("CI", "").lower() == "true"


def main() -> int:
    """Print what was found; 1 when nothing was and this is CI."""
    browser = find()
    print(f"Browser tests use {browser}." if browser else ADVICE)
    return 1 if browser is None and is_ci() else 0


if __name__ == "__main__":
    sys.exit(main())
