"""The order of a backup, which makes its parts fit together."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onetake import __version__
from onetake.infra.backup.database import dump_database
from onetake.infra.backup.files import LeaveOut, Tally, copy_file, copy_folder, prune
from onetake.infra.backup.lock import BackupError, backing_up
from onetake.infra.settings import Settings
from onetake.infra.stored_files import VOLUME_MARK
from onetake.kit.clock import utc_now

MEDIA, OPEN, KEY = "media", "open", "secret.key"
NOTE = "backup.json"


@dataclass(frozen=True, slots=True)
class Report:
    """What a backup did. `database` is the name of its file, None when somebody else copies it."""

    database: str | None
    tally: Tally
    seconds: float


def back_up(
    settings: Settings,
    target: Path,
    *,
    leave_out: LeaveOut = lambda _folder: False,
    with_database: bool = True,
    pruning: bool = False,
    tell: Callable[[str], None] = lambda _stage: None,
) -> Report:
    """Copy everything that cannot be made again to the folder `target`; what is there already is kept.

    `leave_out` says yes to folders of media that can be made again. With `pruning`, files that are gone here are
    removed from the copy. `tell` hears what is done next. Raises BackupError, `OSError`, `sqlite3.Error`.
    """
    began_s, tally = time.monotonic(), Tally()
    data_dir, target = settings.data_dir.absolute(), target.absolute()
    _check(data_dir, target)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    (target / NOTE).unlink(missing_ok=True)
    with backing_up(data_dir):
        tell("database")
        database = dump_database(settings.database_dsn, target) if with_database else None
        copy_file(data_dir / KEY, target / KEY, tally, mode=0o600)
        tell("recordings")
        _list_open(data_dir, target, tally)
        copy_folder(data_dir / MEDIA, target / MEDIA, tally, leave_out=leave_out)
        copy_folder(data_dir / OPEN, target / OPEN, tally)
        if pruning:
            prune(data_dir / MEDIA, target / MEDIA, tally)
    _note(target, database)
    return Report(database, tally, time.monotonic() - began_s)


def _check(data_dir: Path, target: Path) -> None:
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise BackupError(f"{target} lies in the data folder; a backup belongs on another disk")
    if (data_dir / "media-volume").exists() and not (data_dir / VOLUME_MARK).exists():
        raise BackupError(f"the volume of the recordings is not mounted at {data_dir / MEDIA}")


def _list_open(data_dir: Path, target: Path, tally: Tally) -> None:
    """What is being recorded now, and nothing of an earlier backup.

    One that ends while its files are copied may be caught between its last part and its index. Its marker, which stays
    in the copy, has the start after a restore repair it.
    """
    (target / OPEN).mkdir(exist_ok=True)
    for old in (target / OPEN).iterdir():
        old.unlink()
    copy_folder(data_dir / OPEN, target / OPEN, tally)


def _note(target: Path, database: str | None) -> None:
    """Written last, when all is on the disk: with it the backup is complete."""
    os.sync()
    note = {"onetake": __version__, "database": database, "finished_at": utc_now().isoformat(timespec="seconds")}
    (target / NOTE).write_text(json.dumps(note, indent=2) + "\n", "utf-8")
