"""The command that makes a backup."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def backup(
    target: Annotated[Path, typer.Argument(help="Folder of the backup; what is in it already is kept.")],
    database: Annotated[bool, typer.Option(help="Copy the database too, or leave that to somebody else.")] = True,
    prune: Annotated[bool, typer.Option(help="Also remove from it what is gone here.")] = False,
) -> None:
    """Copy database, key and recordings, also while everything runs."""
    from onetake.infra.backup import back_up
    from onetake.infra.settings import load_settings
    from onetake.library.service.stored import is_made_again

    report = back_up(
        load_settings(), target, leave_out=is_made_again, with_database=database, pruning=prune, tell=_tell
    )
    tally, what = report.tally, report.database or "no database"
    removed = f", {tally.pruned} removed" if prune else ""
    copied = f"{tally.copied} files copied ({tally.copied_bytes / 1e6:.1f} MB)"
    typer.echo(
        f"Backed up to {target} in {report.seconds:.1f} s: {what}, {copied}, {tally.same} were there already{removed}."
    )


def _tell(stage: str) -> None:
    """On a terminal, what takes long."""
    if sys.stderr.isatty():
        typer.echo(f"{stage} …", err=True)
