"""The commands that start processes."""

import asyncio
import importlib.util
import logging
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from onetake.cli.database import require_head
from onetake.kit.lifeline import die_with_supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onetake.engine.options import MediaOptions
    from onetake.infra.settings import Settings

MEDIA_PARTS = ("onetake.engine.main", "onetake.engine.http_files")


def media_available() -> bool:
    """Whether this installation contains the media server, both its live and its file side."""
    return all(importlib.util.find_spec(part) is not None for part in MEDIA_PARTS)


def serve() -> None:
    """Start everything, stop everything on Ctrl-C."""
    from onetake.serve import serve as run

    with _process("serve") as settings:
        code = run(settings, with_media=media_available())
    raise typer.Exit(code)


def demo() -> None:
    """Start everything with a live test pattern to look at."""
    from onetake.serve import serve as run

    with _process("serve") as settings:
        code = run(settings, with_media=media_available(), demo=True)
    raise typer.Exit(code)


def api() -> None:
    """Run the web server until SIGTERM or Ctrl-C."""
    with _process("api") as settings:
        from onetake.api import create_app
        from onetake.infra.asgi_server import run_asgi

        code = run_asgi(create_app(settings), settings.bind, settings.http_port, "ONETAKE_HTTP_PORT")
    raise typer.Exit(code)


def worker() -> None:
    """Run the background jobs until SIGTERM or Ctrl-C."""
    with _process("worker") as settings:
        from onetake.worker import run

        run(settings)


class Part(StrEnum):
    """The processes of the media server, spelled as `onetake.engine.main.Role`."""

    LIVE = "live"
    FILES = "files"
    BOTH = "both"


def media(
    standalone: Annotated[
        bool, typer.Option(help="Without the rest of OneTake: open publishing on loopback, record every stream.")
    ] = False,
    part: Annotated[Part, typer.Option(help="The live process, the file process, or both.")] = Part.BOTH,
) -> None:
    """Run the media server until SIGTERM or Ctrl-C."""
    with _process("files" if part is Part.FILES else "media") as settings:
        from onetake.engine.main import Role, run_media
        from onetake.infra.logging import configure_logging

        files_log = partial(configure_logging, "files", settings.log_format, settings.log_level)
        code = run_media(media_options(settings, standalone=standalone), Role(part.value), files_log)
    raise typer.Exit(code)


def media_options(settings: "Settings", *, standalone: bool) -> "MediaOptions":
    """What the media server, which knows no settings, is told."""
    from onetake.engine.options import MediaOptions, RecordingOptions
    from onetake.infra.mediaserver import control_secret, token_secret

    recording = RecordingOptions(
        fsync_interval_s=settings.media_fsync_interval_s,
        floor_bytes=settings.media_min_free_bytes,
        floor_ratio=settings.media_min_free_ratio,
        stop_bytes=settings.media_min_free_bytes // 4,
    )
    return MediaOptions(
        data_dir=settings.data_dir.absolute(),
        bind=settings.bind,
        rtmp_port=settings.rtmp_port,
        http_port=settings.media_port,
        files_port=settings.files_port,
        control_secret="" if standalone else control_secret(settings.data_dir),
        token_secret=b"" if standalone else token_secret(settings.data_dir),
        api_url=None if standalone else callback_url(settings),
        standalone=standalone,
        ffmpeg=str(settings.ffmpeg_path or ""),
        allow_private=settings.pull_allow,
        recording=recording,
    )


def callback_url(settings: "Settings") -> str:
    """Where the media server tells the control plane what happens; on one machine that is the API's own port."""
    from onetake.infra.mediaserver import CALLBACK_PATH

    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.bind, settings.bind)
    return f"http://{host}:{settings.http_port}{CALLBACK_PATH}"


@contextmanager
def _process(role: str) -> "Iterator[Settings]":
    """What every process does first: hang on to the supervisor, read the settings, set up the log, take the folder."""
    supervised = die_with_supervisor()
    if supervised:  # the supervisor has warned already
        logging.getLogger("onetake.infra.settings").setLevel(logging.ERROR)
    from onetake.infra.instance import DataDirLock
    from onetake.infra.logging import configure_logging
    from onetake.infra.settings import load_settings

    settings = load_settings()
    configure_logging(role, settings.log_format, settings.log_level)
    if supervised:
        yield settings
        return
    with DataDirLock.acquire(settings.data_dir, shared=role != "serve"):
        if role == "api":  # `serve` has migrated, the worker waits, the media server knows no database
            asyncio.run(require_head(settings.database_dsn))
        yield settings
