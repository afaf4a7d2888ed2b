"""`make test`: the web page's unit tests, then everything in Python, the browser tests included.

Arguments are handed to pytest: `run_tests.py -k jobs`.
"""

import sys

from scripts.steps import ROOT, Step, npm, run_all, tool

if __name__ == "__main__":
    sys.exit(
        run_all(
            [
                Step("web unit tests (vitest)", [npm(), "run", "--silent", "test"], cwd=ROOT / "web"),
                Step("Python and browser tests (pytest)", [tool("pytest"), "-n", "auto", "-q", *sys.argv[1:]]),
            ]
        )
    )
