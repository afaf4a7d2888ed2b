"""`make check`: everything that can be told without running the product."""

import sys

from scripts.steps import ROOT, Step, npm, run_all, tool

WEB = ROOT / "web"
PYTHON = sys.executable
PYTHON_CODE = ("src", "tests", "scripts", "bench", "migrations")

STEPS = [
    Step("lint (ruff)", [tool("ruff"), "check", "."]),
    Step("form (ruff format)", [tool("ruff"), "format", "--check", "--quiet", *PYTHON_CODE]),
    Step("types (mypy)", [tool("mypy")]),
    Step("import direction", [tool("lint-imports"), "--no-cache"]),
    Step(
        "own rules and versions",
        [
            tool("pytest"),
            "-q",
            "-p",
            "no:cacheprovider",
            *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob("test_repo_*.py")),
        ],
    ),
    Step("settings page", [PYTHON, "scripts/gen_docs.py", "--check"]),
    Step("migrations match the models", [PYTHON, "scripts/check_migrations.py"]),
    Step("OpenAPI document", [PYTHON, "scripts/export_openapi.py", "--check"]),
    Step("TypeScript client", [npm(), "run", "--silent", "api:check"], cwd=WEB),
    Step("web: types, lint, texts", [npm(), "run", "--silent", "check"], cwd=WEB),
]

if __name__ == "__main__":
    sys.exit(run_all(STEPS))
