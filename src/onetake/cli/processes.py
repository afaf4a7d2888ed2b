"""The commands that start processes."""

import importlib
import importlib.util
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from onetake.kit.lifeline import die_with_supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onetake.infra.settings import Settings

MEDIA_ENTRY = "onetake.engine.process"
"""The module that the media server brings along; `media` exists as a command and as a process once it is there."""


def media_available() -> bool:
    """Whether this installation contains the media server."""
    return importlib.util.find_spec(MEDIA_ENTRY) is not None


def serve() -> None:
    """Start everything, stop everything on Ctrl-C."""
    from onetake.serve import serve as run

    with _process("serve") as settings:
        code = run(settings, with_media=media_available())
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


def media() -> None:
    """Run the media server until SIGTERM or Ctrl-C."""
    with _process("media") as settings:
        importlib.import_module(MEDIA_ENTRY).main(settings)


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
        yield settings
