"""Where the Chromium for browser tests and screenshots is, and how it is started."""

import os
import shutil

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
)


def find_chromium() -> str | None:
    """Path of a Chromium: from `ONETAKE_TEST_CHROMIUM`, or the first that is installed."""
    wanted = os.environ.get("ONETAKE_TEST_CHROMIUM")
    return wanted or next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
