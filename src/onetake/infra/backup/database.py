"""A whole copy of the database while it is being used: SQLite's own backup, `pg_dump`, or `mariadb-dump`."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import URL

from onetake.infra.backup.lock import BackupError
from onetake.infra.db.sqlite_copy import copy_sqlite
from onetake.infra.db.urls import async_url, sqlite_path


def dump_database(url: str, folder: Path) -> str:
    """Copy the database of `url` into `folder`; the name of the file.

    Raises BackupError, `sqlite3.Error`, `OSError`.
    """
    parsed = async_url(url)
    name, dump = _KINDS[parsed.get_backend_name()]
    part = _private_file(folder / f"{name}.part")
    dump(parsed, part)
    part.replace(folder / name)
    return name


def _private_file(path: Path) -> Path:
    """An empty file for what nobody else may read."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def _sqlite(url: URL, target: Path) -> None:
    path = sqlite_path(url)
    if path is None or not path.is_file():
        raise BackupError(f"there is no database at {path}")
    copy_sqlite(path, target, alone=True)


def _postgresql(url: URL, target: Path) -> None:
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    host = url.query.get("host", url.host)
    words = ["--format=custom", "--no-owner", f"--file={target}", f"--dbname={url.database}"]
    words += [f"--host={host}"] if host else []
    words += [f"--port={url.port}"] if url.port else []
    words += [f"--username={url.username}"] if url.username else []
    _run(("pg_dump",), words, password)


def _mysql(url: URL, target: Path) -> None:
    password = {"MYSQL_PWD": str(url.password)} if url.password else {}
    socket = url.query.get("unix_socket")
    words = ["--single-transaction", "--quick", "--hex-blob", "--no-tablespaces", "--default-character-set=utf8mb4"]
    words += [f"--socket={socket}"] if socket else [f"--host={url.host or '127.0.0.1'}", f"--port={url.port or 3306}"]
    words += [f"--user={url.username}"] if url.username else []
    _run(("mariadb-dump", "mysqldump"), [*words, f"--result-file={target}", str(url.database)], password)


_KINDS: dict[str, tuple[str, Callable[[URL, Path], None]]] = {
    "sqlite": ("onetake.db", _sqlite),
    "postgresql": ("onetake.pgdump", _postgresql),
    "mysql": ("onetake.sql", _mysql),
}


def _run(programs: Sequence[str], words: Sequence[str], secrets: dict[str, str]) -> None:
    """Run the first of `programs` that is installed; passwords go by environment, where other users cannot see them."""
    program = next((found for name in programs if (found := shutil.which(name))), None)
    if program is None:
        raise BackupError(f"{' or '.join(programs)} is not installed; it is needed to copy the database")
    done = subprocess.run([program, *words], env={**os.environ, **secrets}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise BackupError(f"{programs[0]} ended with code {done.returncode}: {reason}")
