"""`make test`: the web page's unit tests, everything in Python, then the browser tests.

Browser tests have a process of their own: Playwright keeps an event loop running in its thread, in which tests of
asyncio cannot start theirs. The media library has one because only its own tests count for its coverage; what it runs
in child processes is not seen. Arguments are handed to one run of pytest over everything that they name: `-k jobs`.
"""

import os
import sys

from scripts.steps import ROOT, Step, npm, run_all, tool

# The suite kills, freezes and races real processes. On a CI machine that is busy with something else such a test may
# miss its moment: it gets another try there, and the summary names it. At home every failure counts at once.
AGAIN = ["--reruns", "2", "--reruns-delay", "2"] if os.environ.get("CI") == "true" else []
BROWSER = "tests/e2e"
MEDIA = "tests/media"
COVERED = ["--cov=onetake.media", "--cov-branch", "--cov-report=term:skip-covered", "--cov-fail-under=95"]


def pytest(*args: str) -> list[str]:
    """A run of pytest on all cores."""
    return [tool("pytest"), "-n", "auto", "-q", *AGAIN, *args]


def steps(args: list[str]) -> list[Step]:
    """Everything, or what the arguments name."""
    web = Step("web unit tests (vitest)", [npm(), "run", "--silent", "test"], cwd=ROOT / "web")
    if args:
        return [Step("tests (pytest)", pytest(*args))]
    media = Step("media library (coverage)", pytest(MEDIA, *COVERED))
    python = Step("Python tests (pytest)", pytest(f"--ignore={BROWSER}", f"--ignore={MEDIA}"))
    return [web, media, python, Step("browser tests (pytest, Chromium)", pytest(BROWSER))]


if __name__ == "__main__":
    sys.exit(run_all(steps(sys.argv[1:])))
