"""Writes the generated pages of docs/5-reference; with --check, fails when one differs."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from onetake.infra.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "5-reference" / "settings.md"
SOURCE = ROOT / "src" / "onetake" / "infra" / "settings.py"
HEAD = """<!-- Written by scripts/gen_docs.py from src/onetake/infra/settings.py. Do not edit. -->

# Settings

Every setting is an environment variable. The same names without `ONETAKE_` and in lower case may stand in a TOML file
that `ONETAKE_CONFIG` names; the environment wins over the file. Lists are comma-separated in the environment. An empty
variable counts as not set. `onetake config show` prints what is in force and where it comes from, secrets masked; an
unusable value ends the start with one sentence that names the variable (exit code 2).
"""


def main() -> int:
    """Write the page, or compare it."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if not PAGE.is_file() or PAGE.read_text("utf-8") != text:
        print(f"{PAGE.relative_to(ROOT)} is out of date; run: python scripts/gen_docs.py")
        return 1
    return 0


def page() -> str:
    """The settings page."""
    parts = [HEAD]
    for title, names in _groups():
        parts.append(f"\n## {title}\n\n| variable | default | meaning |\n| --- | --- | --- |\n")
        parts += [_row(name, Settings.model_fields[name]) for name in names]
    return "".join(parts)


def _groups() -> Iterator[tuple[str, list[str]]]:
    """Settings by the `# --- title ---` lines of their module, in its order."""
    title, names = "General", list[str]()
    for line in SOURCE.read_text("utf-8").splitlines():
        stripped = line.strip()
        if stripped.startswith("# --- "):
            if names:
                yield title, names
            title, names = _sentence(stripped.strip("# -")), []
        name = stripped.partition(":")[0]
        if name in Settings.model_fields and line.startswith("    ") and not line.startswith("     "):
            names.append(name)
    if names:
        yield title, names


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _row(name: str, field: FieldInfo) -> str:
    meaning = " ".join(filter(None, [field.description, _bounds(field)])).replace("|", "\\|")
    return f"| `ONETAKE_{name.upper()}` | {_default(field.default)} | {meaning} |\n"


def _default(value: Any) -> str:
    if value is None or value == () or isinstance(value, SecretStr):
        return "not set"
    text = (
        ",".join(value) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else str(value)
    )
    return f"`{text}`"


def _bounds(field: FieldInfo) -> str:
    found = {
        kind: value
        for item in field.metadata
        for kind in ("ge", "gt", "le", "lt")
        if (value := getattr(item, kind, None)) is not None
    }
    low, high = found.get("ge", found.get("gt")), found.get("le", found.get("lt"))
    if low is None or high is None:
        return ""
    return f"({'above ' if 'gt' in found else ''}{low:,} to {high:,})".replace(",", " ")


if __name__ == "__main__":
    sys.exit(main())
