"""Copies folders of recordings that may be growing: what is new or has changed, each file whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PART = ".backup-part"
_PASSING = (".tmp", PART)
LeaveOut = Callable[[Path], bool]


@dataclass(slots=True)
class Tally:
    """What was done: files copied with their bytes, files that were the same already, files removed from the copy."""

    copied: int = 0
    copied_bytes: int = 0
    same: int = 0
    pruned: int = 0


def copy_folder(source: Path, target: Path, tally: Tally, *, leave_out: LeaveOut = lambda _folder: False) -> None:
    """Bring `target` up to date with `source`, without the folders below it that `leave_out` says yes to.

    Names in their order: an index is copied before the MP4 that it describes, which therefore holds all that the index
    names. What vanishes meanwhile is passed over. Raises `OSError`.
    """
    for path in _files(source, leave_out):
        copy_file(path, target / path.relative_to(source), tally)


def copy_file(source: Path, target: Path, tally: Tally, *, mode: int | None = None) -> None:
    """Copy one file unless `target` has its size and time. The time is the one from before, so growth is seen later."""
    part = target.with_name(target.name + PART)
    try:
        before = source.stat()
        if _is_same(before, target):
            tally.same += 1
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
        part.chmod(mode if mode is not None else before.st_mode & 0o777)
        os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
        tally.copied += 1
        tally.copied_bytes += part.stat().st_size
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        if not isinstance(error, FileNotFoundError) or source.exists():
            raise


def prune(source: Path, target: Path, tally: Tally) -> None:
    """Remove from the copy what the source has no more."""
    for path in list(_files(target, lambda _folder: False)):
        if not (source / path.relative_to(target)).exists():
            path.unlink()
            tally.pruned += 1
    for folder, _, _ in os.walk(target, topdown=False):
        with suppress(OSError):  # not empty
            Path(folder).rmdir()


def _files(folder: Path, leave_out: LeaveOut) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_stop):
        folders[:] = sorted(name for name in folders if not leave_out(Path(place) / name))
        yield from (Path(place) / name for name in sorted(names) if not name.endswith(_PASSING))


def _stop(error: OSError) -> None:
    """A folder that cannot be read is a hole in the backup; one that is gone was not to be kept."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _is_same(wanted: os.stat_result, target: Path) -> bool:
    try:
        found = target.stat()
    except FileNotFoundError:
        return False
    return (found.st_size, found.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns)
