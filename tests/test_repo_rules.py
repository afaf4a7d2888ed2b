"""Rules of this repository that no linter knows (docs/4-develop/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "onetake"
LAYERS_BELOW = {"infra", "kit", "media", "engine", "cli", "webui", "migrations", "__pycache__"}
DOMAINS = sorted(path.name for path in SRC.iterdir() if path.is_dir() and path.name not in LAYERS_BELOW)
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
MAX_VUE_LINES = 250


def sources(folder: Path = SRC) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "webui" not in path.parts)


def domain_sources() -> list[Path]:
    return [path for domain in DOMAINS for path in sources(SRC / domain)]


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the last part of the called name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""), node


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of every import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def is_assembled(node: ast.expr) -> bool:
    """Whether a text is put together at run time: f-string, +, %, .format or .join."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return not (isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant))
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join")


def sql_faults(tree: ast.AST) -> list[int]:
    """Lines that hand assembled SQL to the database (R8)."""
    return [
        node.lineno
        for name, node in calls(tree)
        if name in ("text", "exec_driver_sql") and node.args and is_assembled(node.args[0])
    ]


def shell_faults(tree: ast.AST) -> list[int]:
    """Lines that start a shell (R5)."""
    found = []
    for name, node in calls(tree):
        by_keyword = any(
            word.arg == "shell" and not (isinstance(word.value, ast.Constant) and word.value.value is False)
            for word in node.keywords
        )
        function = node.func
        by_os = (
            isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "os"
        )
        by_name = name in ("create_subprocess_shell", "getoutput", "getstatusoutput")
        if by_keyword or by_name or (by_os and name in ("system", "popen")):
            found.append(node.lineno)
    return found


def report(path: Path, lines: list[int]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{line}" for line in lines]


@pytest.mark.parametrize(
    "code",
    ['text(f"SELECT {x}")', 'text("a" + x)', 'sa.text("%s" % x)', 'text("{}".format(x))', 'c.exec_driver_sql(f"{x}")'],
)
def test_sql_rule_bites(code: str) -> None:
    assert sql_faults(ast.parse(code)) == [1]


@pytest.mark.parametrize(
    "code",
    ["run(x, shell=True)", "run(x, shell=flag)", "os.system(x)", "os.popen(x)", "asyncio.create_subprocess_shell(x)"],
)
def test_shell_rule_bites(code: str) -> None:
    assert shell_faults(ast.parse(code)) == [1]


def test_no_sql_is_assembled_from_text() -> None:
    found = [place for path in sources() for place in report(path, sql_faults(ast.parse(path.read_text())))]
    assert found == []


def test_no_shell() -> None:
    found = [place for path in sources() for place in report(path, shell_faults(ast.parse(path.read_text())))]
    assert found == []


def test_commit_only_at_the_edge() -> None:
    """`Database.write()` commits; a second place would split a unit of work."""
    allowed = {SRC / "infra" / "db" / "database.py"}
    found = [
        place
        for path in sources()
        if path not in allowed and "engine" not in path.parts and "media" not in path.parts
        for place in report(
            path, [node.lineno for name, node in calls(ast.parse(path.read_text())) if name == "commit"]
        )
    ]
    assert found == []


def test_domains_start_no_programs() -> None:
    found = []
    for path in domain_sources():
        tree = ast.parse(path.read_text())
        found += [str(path.relative_to(ROOT)) for module, _ in imported(tree) if module == "subprocess"]
        found += report(path, [node.lineno for name, node in calls(tree) if name.startswith("create_subprocess")])
    assert found == [], "programs are started through ctx.run of a job"


def test_sql_of_domains_stands_in_their_repositories() -> None:
    statements = {"select", "insert", "update", "delete", "text"}
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in domain_sources()
        if "repository" not in {path.stem, path.parent.name}
        for module, name in imported(ast.parse(path.read_text()))
        if module.startswith("sqlalchemy") and name in statements
    ]
    assert found == []


def test_files_and_functions_stay_small() -> None:
    long_files, long_functions = [], []
    for path in sources():
        text = path.read_text()
        if text.count("\n") > MAX_FILE_LINES:
            long_files.append(str(path.relative_to(ROOT)))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long_functions.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} ({lines})")
    assert (long_files, long_functions) == ([], [])


def test_vue_files_stay_small() -> None:
    found = [
        f"{path.relative_to(ROOT)} ({lines})"
        for path in sorted((ROOT / "web" / "src").rglob("*.vue"))
        if (lines := path.read_text().count("\n")) > MAX_VUE_LINES
    ]
    assert found == []


def test_wiring_stays_wiring() -> None:
    found = [
        f"{path.name} ({lines})"
        for path in (SRC / name for name in ("serve.py", "api.py", "worker.py", "models.py", "cli/__init__.py"))
        if (lines := path.read_text().count("\n")) > 150
    ]
    assert found == []


def test_every_module_says_what_it_is() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert found == []
