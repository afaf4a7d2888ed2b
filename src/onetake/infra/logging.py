"""Structured logs of every process: readable lines for a person, JSON for a collector, never a credential.

Everything goes to standard error through one standard-library handler, so that uvicorn, SQLAlchemy and our own
loggers look alike. Values are redacted and control characters escaped before they are written (one event, one line).
"""

import contextlib
import logging
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

from onetake.infra.context import current_actor
from onetake.kit.redact import redact_field

COLOR_ENV = "_ONETAKE_COLOR"
LogFormat = Literal["text", "json"]
_QUIET = {
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "asyncio": logging.WARNING,
    "alembic": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}
_ESCAPES = {code: f"\\x{code:02x}" for code in [*range(0x20), 0x7F, *range(0x80, 0xA0)]}
_ESCAPES |= {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_KEEP_LINES = "exception"


def use_colors() -> bool:
    """Whether log lines end on a terminal: directly, or through the supervisor's pipe. `NO_COLOR` is obeyed."""
    return (sys.stderr.isatty() or os.environ.get(COLOR_ENV) == "1") and "NO_COLOR" not in os.environ


def configure_logging(
    role: str,
    fmt: LogFormat = "text",
    level: str = "info",
    *,
    colors: bool | None = None,
    stream: "SupportsWrite[str] | None" = None,
) -> None:
    """Route all logging of this process, named `role`, to standard error or `stream`; call it once, first thing."""
    terminal = use_colors() if colors is None else colors
    as_json = fmt == "json"
    shared = _shared_processors(role)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[*_last_processors(as_json), _renderer(as_json, terminal)],
        )
    )
    _take_over(handler, level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes key/value pairs: `log.info("job failed", job=7)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bind_log_context(**values: str | int | None) -> Mapping[str, Any]:
    """Add `values` (request id, job id …) to every log line of the current task, until `unbind_log_context`."""
    return structlog.contextvars.bind_contextvars(**values)


def unbind_log_context(tokens: Mapping[str, Any]) -> None:
    """Undo `bind_log_context`."""
    structlog.contextvars.reset_contextvars(**tokens)


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """structlog processor: mask secrets by name and by shape, anywhere in the event."""
    for key, value in list(event.items()):
        event[key] = redact_field(key, value)
    return event


def one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """structlog processor: escape control characters, so that no value can forge a line or move a terminal's cursor."""
    for key, value in event.items():
        if isinstance(value, str) and key != _KEEP_LINES:
            event[key] = value.translate(_ESCAPES)
        elif isinstance(value, str):
            event[key] = "\n".join(line.translate(_ESCAPES) for line in value.split("\n"))
    return event


def _shared_processors(role: str) -> list[Processor]:
    def add_role(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", role)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        _add_author,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_role,
    ]


def _add_author(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    actor = current_actor()
    if actor.request_id is not None:
        event.setdefault("request_id", actor.request_id)
    if actor.user_id is not None and "user" not in event:
        event.setdefault("user_id", actor.user_id)
    return event


def _last_processors(as_json: bool) -> list[Processor]:
    exceptions = structlog.processors.format_exc_info
    tail: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, exceptions, redact_event]
    return tail if as_json else [*tail, one_line, _short_time, _drop_role]


def _renderer(as_json: bool, colors: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=0, pad_level=True, exception_formatter=structlog.dev.plain_traceback
    )


def _short_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A person reads local wall time to the second; the date stands in the terminal's own scroll-back."""
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(str(event["timestamp"]))
        event["timestamp"] = moment.astimezone().strftime("%H:%M:%S")
    return event


def _drop_role(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("process", None)  # the supervisor writes it in front of the line
    return event


def _take_over(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "sqlalchemy"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    debug = logging.getLogger().isEnabledFor(logging.DEBUG)
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(logging.NOTSET if debug else floor)
    logging.captureWarnings(True)
