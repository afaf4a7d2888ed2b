"""One readable stream out of the logs of several processes."""

import contextlib
import json
from typing import Protocol

_COLORS = {"serve": "\x1b[32m", "api": "\x1b[36m", "worker": "\x1b[33m", "media": "\x1b[35m", "files": "\x1b[34m"}
_OTHER_COLOR = "\x1b[37m"
_RESET = "\x1b[0m"
_WIDTH = 7


class Sink(Protocol):
    """Where the lines go, as `sys.stderr`."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class MergedLog:
    """Writes each line with the name of its process: in front of it for a person, as a field in JSON."""

    def __init__(self, sink: Sink, *, as_json: bool, colors: bool) -> None:
        self._sink = sink
        self._as_json = as_json
        self._colors = colors

    def line(self, role: str, text: str) -> None:
        """Write one line of `role`. A terminal that has gone away is no reason to stop."""
        if not text.strip():
            return
        with contextlib.suppress(OSError, ValueError):
            self._sink.write((self._json(role, text) if self._as_json else self._prefixed(role, text)) + "\n")
            self._sink.flush()

    def stream(self, role: str) -> "RoleStream":
        """A text stream whose lines are lines of `role`."""
        return RoleStream(self, role)

    def _prefixed(self, role: str, text: str) -> str:
        name = f"{role:<{_WIDTH}}│"
        return f"{_COLORS.get(role, _OTHER_COLOR)}{name}{_RESET} {text}" if self._colors else f"{name} {text}"

    def _json(self, role: str, text: str) -> str:
        """Lines that are JSON objects already pass; others (of a library, or the interpreter's end) are wrapped."""
        if text.startswith("{") and text.endswith("}"):
            return text
        return json.dumps({"event": text, "level": "info", "process": role, "raw": True}, ensure_ascii=False)


class RoleStream:
    """A minimal text stream for `logging.StreamHandler`."""

    def __init__(self, log: MergedLog, role: str) -> None:
        self._log = log
        self._role = role

    def write(self, text: str) -> int:
        """Pass every line on."""
        for line in text.splitlines():
            self._log.line(self._role, line)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
