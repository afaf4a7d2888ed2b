"""The registry that lets the doctor compare rows with files without knowing any domain.

A domain that keeps files registers a function which yields the paths that its rows name, relative to the data folder.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import Database

MEDIA_FOLDER = "media"
# The media server's mark of the volume (docs/3-operate/media-server.md): ours, but no domain's.
VOLUME_MARK = f"{MEDIA_FOLDER}/.onetake-volume"
NamedFiles = Callable[[AsyncSession], AsyncIterator[str]]
_sources: dict[str, tuple[NamedFiles, bool]] = {}


def names_files(domain: str, *, required: bool = True) -> Callable[[NamedFiles], NamedFiles]:
    """Decorator: the function yields every path, relative to the data folder, that a row of `domain` names.

    A path that ends with a slash names a folder with everything in it. Paths that are not `required` may be missing,
    but what lies there belongs to somebody.
    """

    def register(function: NamedFiles) -> NamedFiles:
        _sources[domain] = (function, required)
        return function

    return register


@dataclass(slots=True)
class Comparison:
    """Paths relative to the data folder; the lists are cut, the counts are not."""

    rows: int = 0
    missing: list[str] = field(default_factory=list)
    missing_count: int = 0
    strays: list[str] = field(default_factory=list)
    stray_count: int = 0


async def compare(db: Database, data_dir: Path, *, keep: int = 20) -> Comparison:
    """Rows whose file is missing, and files below `media/` that no row names. Nothing is changed."""
    found = Comparison()
    named = {VOLUME_MARK}
    async with db.read() as session:
        for source, required in _sources.values():
            async for name in source(session):
                found.rows += 1
                named.add(name)
                if required and not (data_dir / name).exists():
                    found.missing_count += 1
                    found.missing += [name] if len(found.missing) < keep else []
    for name in _files_below(data_dir, MEDIA_FOLDER):
        if not _is_named(name, named):
            found.stray_count += 1
            found.strays += [name] if len(found.strays) < keep else []
    return found


def _files_below(data_dir: Path, folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(data_dir / folder):
        folders.sort()
        for name in sorted(names):
            yield (Path(place) / name).relative_to(data_dir).as_posix()


def _is_named(name: str, named: set[str]) -> bool:
    if name in named:
        return True
    parts = name.split("/")[:-1]
    return any("/".join(parts[:count]) + "/" in named for count in range(len(parts), 0, -1))
