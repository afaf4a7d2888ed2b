"""`onetake serve`: one server from one command, made of supervised processes. Wiring only."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from onetake.infra.logging import COLOR_ENV, configure_logging, use_colors
from onetake.infra.merged_log import MergedLog
from onetake.infra.ports import LISTEN_FD_ENV, check_free, listen
from onetake.infra.supervisor import ProcessSpec, Supervisor
from onetake.kit.lifeline import SUPERVISOR_PID_ENV

if TYPE_CHECKING:
    from onetake.infra.settings import Settings

PASSWORD_ENV = "ONETAKE_ADMIN_PASSWORD"
MEDIA_PORTS = ("media_port", "files_port", "rtmp_port")


def serve(settings: "Settings", *, with_media: bool, demo: bool = False) -> int:
    """Run everything until SIGINT or SIGTERM; the caller holds the data folder. Returns the exit code.

    Raises PortBusy before anything is started.
    """
    web = listen(settings.bind, settings.http_port, "ONETAKE_HTTP_PORT")
    for name in MEDIA_PORTS if with_media else ():
        check_free(settings.bind, getattr(settings, name), f"ONETAKE_{name.upper()}")
    merged = MergedLog(sys.stderr, as_json=settings.log_format == "json", colors=use_colors())
    configure_logging("serve", settings.log_format, settings.log_level, stream=merged.stream("serve"))
    prepare_words = ("prepare", "--demo") if demo else ("prepare",)
    code = subprocess.call(_command(*prepare_words), env={**os.environ, SUPERVISOR_PID_ENV: str(os.getpid())})
    if code != 0:
        return code
    asyncio.run(_supervise(settings, web, merged, with_media=with_media))
    return 0


async def _supervise(settings: "Settings", web: socket.socket, merged: MergedLog, *, with_media: bool) -> None:
    supervisor = Supervisor(
        _processes(web, with_media=with_media),
        settings.data_dir / "run",
        merged.line,
        on_ready=lambda: _tell_address(settings),
    )
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, supervisor.stop)
    await supervisor.run()


def _processes(web: socket.socket, *, with_media: bool) -> list[ProcessSpec]:
    """The process table. The API inherits the listening socket: a restart of it refuses no connection."""
    os.environ.pop(PASSWORD_ENV, None)  # it was for `prepare`
    if use_colors():
        os.environ[COLOR_ENV] = "1"
    table = [
        ProcessSpec("api", _command("api"), (web.fileno(),), {LISTEN_FD_ENV: str(web.fileno())}),
        ProcessSpec("worker", _command("worker"), after="api"),
    ]
    if with_media:
        table.append(ProcessSpec("media", _command("media", "--part=live")))
        table.append(ProcessSpec("files", _command("media", "--part=files"), after="api"))
    return table


def _command(*words: str) -> list[str]:
    """This same program, found through this same interpreter; -P keeps the working directory off the import path."""
    return [sys.executable, "-P", "-m", "onetake", *words]


def _tell_address(settings: "Settings") -> None:
    lines = [f"OneTake is running.  Open  {settings.public_url or _address('127.0.0.1', settings)}"]
    if not settings.public_url and settings.bind not in ("127.0.0.1", "localhost", "::1"):
        lines.append(f"On your network:      {_address(_network_host(settings.bind), settings)}")
    lines.append(f"Data: {settings.data_dir.resolve()}    Stop: Ctrl-C")
    sys.stdout.write("\n" + "".join(f"  {line}\n" for line in lines) + "\n")
    sys.stdout.flush()


def _address(host: str, settings: "Settings") -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}/"


def _network_host(bind: str) -> str:
    """The address that other machines see: of the interface that leads out, when all are listened on."""
    if bind not in ("0.0.0.0", "::"):
        return bind
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737 documentation address; a datagram socket sends nothing here
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


async def prepare(settings: "Settings") -> None:
    """Make the data ready for the processes: schema, key, first administrator (whose made-up password is printed once).

    Runs in a process of its own, so that the supervisor carries none of this in memory. Raises MigrationError.
    """
    from onetake.accounts.service import ensure_admin
    from onetake.infra.db import Database
    from onetake.infra.db.migrate import upgrade
    from onetake.infra.secrets import secret_key

    secret_key(settings.data_dir)
    await _refuse_to_start_empty(settings)
    await upgrade(settings.database_dsn)
    db = Database(settings.database_dsn)
    try:
        given = settings.admin_password.get_secret_value() if settings.admin_password else None
        made_up = await ensure_admin(db, given, settings.admin_username)
    finally:
        await db.dispose()
    if made_up is not None:
        _tell_password(settings.admin_username, made_up)


async def _refuse_to_start_empty(settings: "Settings") -> None:
    """A new database beside old media means a lost file or a wrong address, not a first start (F24)."""
    from onetake.infra.db.migrate import MigrationError, current_revision

    media = settings.data_dir / "media"
    if any(path.is_file() for path in media.rglob("*")) and await current_revision(settings.database_dsn) is None:
        raise MigrationError(
            f"the database is empty but {media} holds files: restore the database from a backup or mend "
            "ONETAKE_DATABASE_URL; to begin anew beside them, run: onetake migrate"
        )


def _tell_password(username: str, password: str) -> None:
    lines = ["First administrator, shown only now:", f"  user      {username}", f"  password  {password}"]
    width = max(len(line) for line in lines) + 2
    framed = [f"  │ {line:<{width}}│" for line in lines]
    sys.stdout.write("\n".join(["", f"  ┌─{'─' * width}┐", *framed, f"  └─{'─' * width}┘", "", ""]))
    sys.stdout.flush()
