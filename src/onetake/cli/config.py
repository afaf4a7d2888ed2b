"""Commands that look at the installation: settings, version, doctor."""

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from onetake.infra.doctor import Finding

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def version() -> None:
    """Print the version of OneTake."""
    from onetake import __version__

    typer.echo(f"onetake {__version__}")


@app.command(help="Show every setting, its value and where it comes from; secrets are masked.")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False) -> None:
    """Print the settings in force."""
    from onetake.infra.settings import load_settings

    settings = load_settings()
    rows = [
        {"variable": f"ONETAKE_{name.upper()}", "value": _shown(getattr(settings, name)), "source": _source(name)}
        for name in type(settings).model_fields
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("variable", "value", "source", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["variable"], str(row["value"]), row["source"])
    Console(soft_wrap=True).print(table)


def _shown(value: object) -> Any:
    from pydantic import SecretStr

    from onetake.kit.redact import MASK, redact

    if isinstance(value, SecretStr):
        plain = value.get_secret_value()
        return redact(plain) if "://" in plain else MASK
    if isinstance(value, tuple):
        return ",".join(value)
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _source(name: str) -> str:
    from pathlib import Path

    from onetake.infra.settings_errors import read_toml

    if any(value and key.upper() == f"ONETAKE_{name.upper()}" for key, value in os.environ.items()):
        return "environment"
    file = os.environ.get("ONETAKE_CONFIG")
    if file and name in read_toml(Path(file)):
        return file
    return "default"


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check this installation and say what to mend."""
    from onetake.infra.doctor import exit_code

    findings = _examine()
    if as_json:
        typer.echo(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False, indent=2))
    else:
        _print_findings(findings)
    raise typer.Exit(exit_code(findings))


def _examine() -> "list[Finding]":
    """Run the checks behind a progress bar, which only a terminal sees: comparing many files takes its time."""
    import asyncio

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    import onetake.library.service.stored
    import onetake.recordings.service.stored  # noqa: F401 - both tell the doctor which files their rows name
    from onetake.infra.doctor import CHECKS, examine
    from onetake.infra.settings import load_settings

    settings = load_settings()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(CHECKS))
        return asyncio.run(examine(settings, on_check=lambda name: progress.update(bar, advance=1, description=name)))


def _print_findings(findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.text import Text

    marks = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "fault": ("FAIL", "bold red")}
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        mark, style = marks[finding.state]
        console.print(Text.assemble((mark, style), f"  {finding.check:<12} {finding.text}"))
        if finding.remedy:
            console.print(f"      {'':<12} → {finding.remedy}", markup=False)
