"""Documentation that stays true: links, commands, settings, the two READMEs, the form of the decisions."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from onetake.cli import app
from onetake.infra.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
TOP = ("README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = sorted([ROOT / name for name in TOP] + [*(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"\b(ONETAKE_[A-Z][A-Z0-9_]*)\b")
_MAKE = re.compile(r"(?:^|`|&& |' )make ([a-z][a-z-]+)\b", re.MULTILINE)
_ONETAKE = re.compile(r"(?:^|`|/|\s)onetake ([a-z]+)(?: ([a-z]+))?")
KNOWN_ELSEWHERE = {"ONETAKE_API", "ONETAKE_CONTROL_SECRET", "ONETAKE_WORKER", "ONETAKE_JOB", "ONETAKE_TOKEN"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text("utf-8"))


def code(path: Path) -> list[str]:
    blocks = (block.group().split("\n", 1)[1] for block in _FENCE.finditer(path.read_text("utf-8")))
    return [block.removesuffix("```") for block in blocks]


def anchors(path: Path) -> set[str]:
    """The ids that a heading gets on the usual sites."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands() -> dict[str, set[str]]:
    """Commands of `onetake` with their sub-commands."""
    found = {info.name or getattr(info.callback, "__name__", ""): set[str]() for info in app.registered_commands}
    for group in app.registered_groups:
        inner = group.typer_instance
        assert inner is not None
        assert group.name is not None
        names = {info.name or getattr(info.callback, "__name__", "") for info in inner.registered_commands}
        found[group.name] = names
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{name(page)} links to {link}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{name(page)} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_variables_and_commands_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    known = {f"ONETAKE_{field.upper()}" for field in Settings.model_fields} | KNOWN_ELSEWHERE
    unknown = {
        variable
        for variable in _VARIABLE.findall(text)
        if variable not in known and not variable.endswith("_") and not variable.startswith("ONETAKE_TEST_")
    }
    assert unknown == set()
    ours = commands()
    for inline in [*re.findall(r"`[^`\n]+`", prose(page)), *code(page)]:
        for target in _MAKE.findall(inline):
            assert target in make_targets(), f"{name(page)}: make {target}"
        for command, sub in _ONETAKE.findall(inline):
            if command in ours and ours[command] and sub:
                assert sub in ours[command], f"{name(page)}: onetake {command} {sub}"


def test_readme_commands_exist_and_work_together() -> None:
    blocks = [block.strip() for block in code(ROOT / "README.md") if block.startswith("make ")]
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines == ["make run", "make test", "make check"]
    for line in lines:
        done = subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_readmes_are_twins() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert code(english) == code(chinese)
    heads = [re.findall(r"^(#+) ", prose(page), re.MULTILINE) for page in (english, chinese)]
    assert heads[0] == heads[1]
    links = [
        [link for link in _LINK.findall(prose(page)) if not link.startswith("README")] for page in (english, chinese)
    ]
    assert links[0] == [link.replace(".zh-CN.png", ".png") for link in links[1]]


def test_settings_page_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/gen_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_page_can_be_reached() -> None:
    reached: set[Path] = set()
    open_pages = [ROOT / "README.md"]
    while open_pages:
        page = open_pages.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        for link in _LINK.findall(prose(page)):
            target = (page.parent / link.partition("#")[0]).resolve()
            open_pages += sorted(target.glob("*.md")) if target.is_dir() else [target] if target.suffix == ".md" else []
    assert [name(page) for page in PAGES if page not in reached] == []


@pytest.mark.parametrize("page", ADRS, ids=name)
def test_decisions_have_their_form(page: Path) -> None:
    text = page.read_text("utf-8")
    number = page.name[:4]
    if number != "0000":
        assert re.match(rf"# {number} \S", text)
        assert re.search(r"^- Status: (proposed|accepted|superseded by \d{4})$", text, re.MULTILINE)
        assert re.search(r"^- Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert re.search(r"^- Area: \S", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Alternatives"]


def test_decisions_are_numbered_once() -> None:
    numbers = [page.name[:4] for page in ADRS]
    assert len(set(numbers)) == len(numbers)


def test_text_files_are_clean() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        assert "\t" not in _FENCE.sub("", text), name(page)
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), name(page)
        assert text.endswith("\n"), name(page)
        assert not text.endswith("\n\n"), name(page)
