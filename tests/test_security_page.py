"""docs/4-develop/security.md names files that exist, and every rule and checklist line."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/4-develop/security.md").read_text("utf-8")
LINES = {"A": 6, "S": 5, "C": 6, "U": 6, "N": 3, "G": 4, "W": 5, "K": 3, "L": 4, "X": 4, "O": 2}


def rows() -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")
    ]


def test_named_tests_exist() -> None:
    named = re.findall(r"tests/[\w/]+\.py", PAGE)
    assert len(named) > 50
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_named_code_exists() -> None:
    named = re.findall(r"\b(?:accounts|infra|engine|media|kit)/[\w/]+\.py", re.sub(r"tests/[\w/]+\.py", "", PAGE))
    assert len(named) > 30
    assert [name for name in named if not (ROOT / "src/onetake" / name).is_file()] == []


def test_every_rule_and_line_has_a_row() -> None:
    heads = " ".join(row[0] for row in rows())
    for number in range(1, 32):
        assert re.search(rf"\bR{number}\b", heads), f"R{number}"
    for letter, count in LINES.items():
        for number in range(1, count + 1):
            assert re.search(rf"\b{letter}{number}\b", heads), f"{letter}{number}"


def test_a_row_without_a_test_says_that_its_part_is_not_there_yet() -> None:
    for row in rows():
        if row[-1] == "—":
            assert re.search(r"\bcomes?\b", row[1]), row
