"""Chromium: the machine's, or Debian's package, installed where that is allowed."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",  # in a container the tests run as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
INSTALL = (
    ("apt-get", "update"),
    ("apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"),
)


def program() -> str:
    """Its path: what `CHROMIUM` says, or what is on PATH, or what apt-get installs now."""
    if named := os.environ.get("CHROMIUM"):
        return named
    with (Path(tempfile.gettempdir()) / "moat-tests-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _installed()
        if found is None:
            may_install = shutil.which("apt-get") is not None and os.geteuid() == 0
            assert may_install, (
                "these tests need Chromium: install it (Debian: apt-get install chromium), or name one in CHROMIUM"
            )
            environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            for command in INSTALL:
                done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=900, check=False)
            found = _installed()
            assert found is not None, f"Chromium cannot be installed; apt-get said: {done.stderr}"
        return found


def _installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)
