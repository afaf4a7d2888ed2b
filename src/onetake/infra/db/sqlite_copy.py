"""A whole, consistent copy of a SQLite file that is being written, by SQLite's own backup."""

import sqlite3
from contextlib import closing
from pathlib import Path


def copy_sqlite(path: Path, target: Path, *, alone: bool = False) -> None:
    """Copy the database at `path` to `target`. Writers are not held up.

    `alone`: the copy needs no second file beside it, and is checked. Raises `sqlite3.Error`.
    """
    source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        if alone:
            copy.execute("PRAGMA journal_mode=DELETE")
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"the database is damaged: {verdict}")
