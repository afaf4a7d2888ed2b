"""The private folder of one attempt: `work/<job>/<token>/`. Publishing is a rename at the moment of truth."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path


class WorkDir:
    """Folder of one attempt; an attempt that lost its lease can only spoil its own."""

    def __init__(self, root: Path, job_id: int, token: str) -> None:
        self.path = root / str(job_id) / token

    def make(self) -> Path:
        """Create it if need be."""
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path

    async def seal(self, names: Mapping[str, Path]) -> None:
        """Bring the named files to the disk and check that each is a plain file right here.

        Raises FileNotFoundError for a missing one and ValueError for a name with a path in it.
        """
        await asyncio.to_thread(self._seal, tuple(names))

    def _seal(self, names: tuple[str, ...]) -> None:
        for name in names:
            source = self._source(name)
            with source.open("rb") as file:
                os.fsync(file.fileno())

    def _source(self, name: str) -> Path:
        if Path(name).name != name or name in ("", ".", ".."):
            raise ValueError(f"{name!r} is not a plain file name")
        source = self.path / name
        if source.is_symlink() or not source.is_file():
            raise FileNotFoundError(f"the job did not write {name}")
        return source

    def publish(self, names: Mapping[str, Path]) -> None:
        """Rename the sealed files to their targets, all or none as far as a file system can."""
        moved: list[tuple[Path, Path]] = []
        try:
            for name, target in names.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                source = self._source(name)
                source.replace(target)
                moved.append((source, target))
            for folder in {target.parent for target in names.values()}:
                _sync_folder(folder)
        except OSError:
            self.take_back({source.name: target for source, target in moved})
            raise

    def take_back(self, names: Mapping[str, Path]) -> None:
        """Undo `publish` when the transaction did not commit after all."""
        for name, target in names.items():
            if target.exists():
                target.replace(self.path / name)

    async def remove(self) -> None:
        """Delete the folder, and the job's folder when nothing else is in it."""
        await asyncio.to_thread(remove_attempt, self.path)


def remove_attempt(path: Path) -> None:
    """Delete one attempt's folder and its parent when that is empty."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.parent.rmdir()
    except OSError:
        return  # another attempt's folder is still there, or somebody was faster


def attempts_on_disk(root: Path) -> list[tuple[int, str, Path]]:
    """Every attempt's folder under `root`: (job, token, path)."""
    return [
        (int(job.name), attempt.name, attempt)
        for job in root.glob("*")
        if job.name.isdigit() and job.is_dir()
        for attempt in job.iterdir()
    ]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
