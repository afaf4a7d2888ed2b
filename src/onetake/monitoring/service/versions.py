"""Versions of everything that a bug report should name. Looked up once; nothing of it changes while a process runs."""

import asyncio
import hashlib
import platform
from pathlib import Path

import onetake
from onetake.infra.db import Database
from onetake.infra.ffmpeg import ffmpeg_version
from onetake.infra.settings import Settings

_SERVERS = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL"}


async def read_versions(settings: Settings, db: Database) -> dict[str, str]:
    """Versions by part; a part that cannot be asked is `unknown`."""
    _, ffmpeg = await asyncio.to_thread(ffmpeg_version, settings.ffmpeg_path)
    return {
        "onetake": onetake.__version__,
        "python": platform.python_version(),
        "ffmpeg": ffmpeg or "missing",
        "database": await _database(db),
        "web_ui": await asyncio.to_thread(_web_ui),
        "os": f"{platform.system()} {platform.release()} ({platform.machine()})",
    }


async def _database(db: Database) -> str:
    """The driver knows it once a connection was made."""
    try:
        async with db.read():
            pass
    except Exception:
        return "unknown"
    dialect = db.reader.dialect
    name = "MariaDB" if getattr(dialect, "is_mariadb", False) else _SERVERS.get(dialect.name, dialect.name)
    numbers = getattr(dialect, "server_version_info", None) or ()
    return f"{name} {'.'.join(str(number) for number in numbers if isinstance(number, int))}".strip()


def _web_ui() -> str:
    """The first digits of the hash of its start page, which names every other file by hash."""
    page = Path(onetake.__file__).parent / "webui" / "index.html"
    try:
        return hashlib.sha256(page.read_bytes()).hexdigest()[:12]
    except OSError:
        return "missing"
