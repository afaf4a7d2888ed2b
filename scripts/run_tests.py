"""`make test`: the web page's unit tests, then everything in Python, the browser tests included.

Arguments are handed to pytest: `run_tests.py -k jobs`.
"""

import os
import sys

from scripts.steps import ROOT, Step, npm, run_all, tool

# The suite kills, freezes and races real processes. On a CI machine that is busy with something else such a test may
# miss its moment: it gets another try there, and the summary names it. At home every failure counts at once.
AGAIN = ["--reruns", "2", "--reruns-delay", "2"] if os.environ.get("CI") == "true" else []

if __name__ == "__main__":
    sys.exit(
        run_all(
            [
                Step("web unit tests (vitest)", [npm(), "run", "--silent", "test"], cwd=ROOT / "web"),
                Step("Python and browser tests (pytest)", [tool("pytest"), "-n", "auto", "-q", *AGAIN, *sys.argv[1:]]),
            ]
        )
    )
