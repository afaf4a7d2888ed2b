"""What `onetake doctor` looks at: each check answers with sentences and, where something is wrong, with the remedy."""

import asyncio
import os
import shutil
import socket
import stat
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from onetake.infra.db import Database
from onetake.infra.db.migrate import current_revision, head_revision
from onetake.infra.ffmpeg import ffmpeg_version, is_too_old
from onetake.infra.instance import DataDirBusy, DataDirLock
from onetake.infra.ports import PortBusy, check_free
from onetake.infra.settings import Settings
from onetake.infra.stored_files import compare
from onetake.kit.redact import redact

State = Literal["ok", "warning", "fault"]
LOW_SPACE_BYTES = 5 << 30
LOW_SPACE_RATIO = 0.10
EARLIEST_CLOCK = 1_760_000_000.0
_PORTS = ("http_port", "media_port", "files_port", "rtmp_port")


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of the doctor."""

    check: str
    state: State
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


Check = Callable[[Settings], Awaitable[list[Finding]]]


async def examine(
    settings: Settings, checks: Sequence[Check] = (), *, on_check: Callable[[str], None] = lambda _name: None
) -> list[Finding]:
    """Run every check, naming each to `on_check` first; one that breaks becomes a fault of its own."""
    findings: list[Finding] = []
    for check in checks or CHECKS:
        name = check.__name__.removeprefix("check_")
        on_check(name)
        try:
            findings += await check(settings)
        except Exception as error:
            findings.append(Finding(name, "fault", f"the check broke: {redact(str(error) or repr(error))}"))
    return findings


def exit_code(findings: Sequence[Finding]) -> int:
    """0 all good, 1 warnings, 2 faults."""
    states = {finding.state for finding in findings}
    return 2 if "fault" in states else 1 if "warning" in states else 0


async def check_ffmpeg(settings: Settings) -> list[Finding]:
    """The ffmpeg in use is there and not older than the fixed security holes allow."""
    path, version = await asyncio.to_thread(ffmpeg_version, settings.ffmpeg_path)
    if version is None:
        return [
            Finding("ffmpeg", "fault", f"{path} does not run", "install the package again or set ONETAKE_FFMPEG_PATH")
        ]
    if is_too_old(version):
        remedy = "use the packaged FFmpeg: unset ONETAKE_FFMPEG_PATH"
        return [Finding("ffmpeg", "warning", f"version {version} at {path} has known security holes", remedy)]
    return [Finding("ffmpeg", "ok", f"version {version} at {path}")]


async def check_disk(settings: Settings) -> list[Finding]:
    """The data folder can be written, synced and renamed in, and has room."""
    folder = settings.data_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent  # the first start makes the rest
    problem = await asyncio.to_thread(_write_problem, folder)
    if problem:
        return [
            Finding("disk", "fault", f"{folder}: {problem}", "mend the mount or the rights, or set ONETAKE_DATA_DIR")
        ]
    usage = shutil.disk_usage(folder)
    text = f"{folder} can be written; {usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB free"
    if usage.free < LOW_SPACE_BYTES or usage.free < usage.total * LOW_SPACE_RATIO:
        return [Finding("disk", "warning", text, "free some space or move the data folder")]
    return [Finding("disk", "ok", text)]


def _write_problem(folder: Path) -> str:
    draft, final = folder / f".doctor-{os.getpid()}.part", folder / f".doctor-{os.getpid()}"
    try:
        with draft.open("wb") as file:
            file.write(os.urandom(65536))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(final)
        if final.stat().st_size != 65536:
            return "a written file came back with another size"
    except OSError as error:
        return error.strerror or str(error)
    finally:
        for path in (draft, final):
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return ""


async def check_key(settings: Settings) -> list[Finding]:
    """`secret.key` is private to its owner."""
    path = settings.data_dir / "secret.key"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return [Finding("secret.key", "ok", "not made yet; the first start makes it")]
    if mode & 0o077:
        return [Finding("secret.key", "fault", f"readable by others (mode {mode:04o})", f"run: chmod 600 {path}")]
    return [Finding("secret.key", "ok", "private")]


async def check_ports(settings: Settings) -> list[Finding]:
    """The ports are free, unless our own server holds them."""
    if await asyncio.to_thread(server_runs, settings.data_dir):
        return [Finding("ports", "ok", "a server runs on this data folder and holds them")]
    findings = []
    for name in _PORTS:
        try:
            check_free(settings.bind, getattr(settings, name), f"ONETAKE_{name.upper()}")
        except PortBusy as error:
            findings.append(Finding("ports", "fault", str(error)))
    return findings or [
        Finding("ports", "ok", ", ".join(str(getattr(settings, name)) for name in _PORTS) + " are free")
    ]


def server_runs(data_dir: Path) -> bool:
    """Whether a server or a process of one holds the data folder."""
    if not data_dir.is_dir():
        return False
    try:
        DataDirLock.acquire(data_dir).release()
    except DataDirBusy:
        return True
    except OSError:
        return False
    return False


async def check_database(settings: Settings) -> list[Finding]:
    """The database answers and has this program's schema; rows and files agree."""
    if settings.database_url is None and not (settings.data_dir / "onetake.db").exists():
        return [Finding("database", "ok", "not made yet; the first start makes it")]
    try:
        current, head = await current_revision(settings.database_dsn), head_revision()
    except Exception as error:
        words = redact(str(getattr(error, "orig", None) or error))
        return [Finding("database", "fault", f"cannot be used: {words}", "check ONETAKE_DATABASE_URL and the server")]
    if current != head:
        text = f"is at schema {current}, this program needs {head}"
        return [Finding("database", "fault", text, "run: onetake migrate")]
    return [Finding("database", "ok", f"answers, schema {head}"), *await _files(settings)]


async def _files(settings: Settings) -> list[Finding]:
    db = Database(settings.database_dsn, pool_size=1)
    try:
        found = await compare(db, settings.data_dir)
    finally:
        await db.dispose()
    findings = []
    if found.missing_count:
        text = f"{found.missing_count} rows name a file that is not there: {', '.join(found.missing)}"
        findings.append(Finding("files", "fault", text, "restore the files from a backup; nothing was changed"))
    if found.stray_count:
        text = f"{found.stray_count} files belong to no row: {', '.join(found.strays)}"
        findings.append(
            Finding("files", "warning", text, "look at them before you move them away; nothing was changed")
        )
    return findings or [Finding("files", "ok", f"{found.rows} rows and their files agree")]


async def check_clock(settings: Settings) -> list[Finding]:
    """The clock is plausible and does not run away from the monotonic one; in which time zone the nights are."""
    now = time.time()
    if now < EARLIEST_CLOCK:
        text = f"the system says {time.strftime('%Y-%m-%d %H:%M', time.gmtime(now))} UTC, which is in the past"
        return [Finding("clock", "fault", text, "set the clock (timedatectl set-ntp true)")]
    wall, steady = time.time(), time.monotonic()
    await asyncio.sleep(0.2)
    drift_s = abs((time.time() - wall) - (time.monotonic() - steady))
    if drift_s > 0.05:
        return [
            Finding("clock", "warning", f"jumped by {drift_s:.2f} s while being watched", "check time synchronisation")
        ]
    text = f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(now))}; the nights are those of {settings.local_zone}"
    return [Finding("clock", "ok", text)]


async def check_redis(settings: Settings) -> list[Finding]:
    """Redis answers, when one is configured."""
    if settings.redis_dsn is None:
        return []
    import redis.asyncio

    client = redis.asyncio.from_url(settings.redis_dsn, socket_connect_timeout=3, socket_timeout=3)
    try:
        await client.ping()
    except (redis.RedisError, OSError) as error:
        return [Finding("redis", "fault", f"does not answer: {redact(str(error))}", "check ONETAKE_REDIS_URL")]
    finally:
        await client.aclose()
    return [Finding("redis", "ok", "answers")]


async def check_name(settings: Settings) -> list[Finding]:
    """The public address resolves, when one is configured."""
    from urllib.parse import urlsplit

    host = urlsplit(settings.public_url or "").hostname
    if host is None:
        return []
    try:
        await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        text = f"{host} of ONETAKE_PUBLIC_URL has no address here"
        return [Finding("address", "warning", text, "check the DNS entry")]
    return [Finding("address", "ok", f"{host} resolves")]


CHECKS: tuple[Check, ...] = (
    check_ffmpeg,
    check_disk,
    check_key,
    check_ports,
    check_database,
    check_redis,
    check_name,
    check_clock,
)
