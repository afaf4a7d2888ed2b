"""Writes docs/5-reference/openapi.json and api.md from the application; `--check` only compares them."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from onetake.api import create_app
from onetake.infra.settings import Settings
from onetake.infra.web.openapi import operations

FOLDER = Path(__file__).parent.parent / "docs/5-reference"


def reference(document: dict[str, Any]) -> str:
    """The API page: the general part and one table per tag."""
    lines = [
        "# API reference",
        "",
        "Written by scripts/export_openapi.py together with [openapi.json](openapi.json); do not edit.",
        "",
    ]
    lines += [document["info"]["description"].strip(), ""]
    for tag in document["tags"]:
        lines += [f"## {tag['name']}", "", tag["description"], "", "| call | does | answers |", "| --- | --- | --- |"]
        lines += [_row(*entry) for entry in operations(document) if entry[2]["tags"] == [tag["name"]]]
        lines.append("")
    return "\n".join(lines)


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    about = f"**{operation['summary']}.** {operation['description']}".replace("\n", " ").replace("|", "\\|")
    return f"| `{method} {path}` | {about} | {' '.join(operation['responses'])} |"


def main() -> int:
    """Returns 1 when `--check` finds a difference."""
    with tempfile.TemporaryDirectory() as folder:
        document = create_app(Settings(data_dir=Path(folder))).openapi()
    wanted = {
        FOLDER / "openapi.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        FOLDER / "api.md": reference(document),
    }
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.name} is not what the application says; run: python scripts/export_openapi.py")
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path], "utf-8")
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
