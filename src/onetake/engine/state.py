"""The desired state: which streams may be published, how they are recorded and pulled. Kept on disk, pushed by the API.

The control plane holds the truth; this copy lets the media server admit a known key and start an automatic recording
while the API is away. Keys are stored as SHA-256 hashes only (R16: they are random, ≥ 128 bit).
"""

import asyncio
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from onetake.engine.errors import (
    BadName,
    NameTwice,
    NotAnObject,
    NotBoolean,
    NotHashes,
    NotInRange,
    NotOneOf,
    NotShortList,
    PullWithoutUrl,
    UnknownField,
)

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")
MAX_STREAMS = 10_000
MAX_KEYS = 16
MAX_VERSION = (1 << 63) - 1


class RecordMode(StrEnum):
    """`auto` records whenever the stream is live; `manual` only on a control call."""

    MANUAL = "manual"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """What is wanted of one stream.

    `grace_s` None means the server's default. `time_shift_s` > 0 keeps a rolling window when nothing is recorded.
    `rotate_s`/`rotate_bytes` > 0 start a new file at the next keyframe past the limit. `gated` streams need a playback
    token. `pull` is the source to fetch (`url` and options), None for pushed streams.
    """

    name: str
    enabled: bool = True
    key_hashes: tuple[str, ...] = ()
    record: RecordMode = RecordMode.MANUAL
    grace_s: float | None = None
    time_shift_s: float = 0.0
    rotate_s: float = 0.0
    rotate_bytes: int = 0
    gated: bool = False
    pull: Mapping[str, Any] | None = None

    def accepts_key(self, key: str) -> bool:
        """True when `key` is one of the stream's keys."""
        return bool(key) and hash_key(key) in self.key_hashes


@dataclass(frozen=True, slots=True)
class DesiredState:
    """All streams by name. `version` rises with each full push of the control plane."""

    version: int = 0
    streams: Mapping[str, StreamConfig] = field(default_factory=dict)

    def with_stream(self, config: StreamConfig) -> "DesiredState":
        """The state with one stream added or replaced."""
        return replace(self, streams={**self.streams, config.name: config})

    def without_stream(self, name: str) -> "DesiredState":
        """The state without the stream `name`."""
        return replace(self, streams={k: v for k, v in self.streams.items() if k != name})


def hash_key(key: str) -> str:
    """The stored form of a stream key: SHA-256, lower-case hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def parse_stream(raw: object) -> StreamConfig:
    """A stream from JSON; raises `BadField` naming the first wrong field."""
    if not isinstance(raw, dict):
        raise NotAnObject("stream")
    unknown = set(raw) - set(StreamConfig.__dataclass_fields__)
    if unknown:
        raise UnknownField(sorted(unknown)[0][:64])
    pull = raw.get("pull")
    if pull is not None and not (isinstance(pull, dict) and isinstance(pull.get("url"), str)):
        raise PullWithoutUrl("pull")
    return StreamConfig(
        name=_name(raw.get("name")),
        enabled=_flag(raw, "enabled", True),
        key_hashes=_hashes(raw.get("key_hashes", [])),
        record=_record(raw.get("record", "manual")),
        grace_s=None if raw.get("grace_s") is None else _number(raw, "grace_s", 3600),
        time_shift_s=_number(raw, "time_shift_s", 7 * 86_400),
        rotate_s=_number(raw, "rotate_s", 7 * 86_400),
        rotate_bytes=int(_number(raw, "rotate_bytes", 1 << 50)),
        gated=_flag(raw, "gated", False),
        pull=pull,
    )


def parse_state(raw: object) -> DesiredState:
    """A full desired state from JSON: `{"version": n, "streams": [...]}`; raises `BadField`."""
    if not isinstance(raw, dict):
        raise NotAnObject("state")
    version, streams = raw.get("version", 0), raw.get("streams", [])
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version <= MAX_VERSION:
        raise NotInRange("version", most=MAX_VERSION)
    if not isinstance(streams, list) or len(streams) > MAX_STREAMS:
        raise NotShortList("streams", most=MAX_STREAMS)
    parsed = [parse_stream(item) for item in streams]
    by_name = {config.name: config for config in parsed}
    if len(by_name) != len(parsed):
        raise NameTwice("name")
    return DesiredState(version, by_name)


def dump_stream(config: StreamConfig) -> dict[str, Any]:
    """The JSON form of one stream."""
    return asdict(config)


def dump_state(state: DesiredState) -> dict[str, Any]:
    """The JSON form of the whole state."""
    return {"version": state.version, "streams": [dump_stream(config) for config in state.streams.values()]}


class StateStore:
    """Keeps the desired state in memory and on disk, and tells listeners what changed.

    Loop only. Writing (tmp file, fsync, rename) happens in a thread, one write at a time, newest state wins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = DesiredState()
        self._listeners: list[Callable[[StreamConfig | None, StreamConfig | None], None]] = []
        self._lock = asyncio.Lock()
        self._saved: DesiredState | None = None

    def load(self) -> None:
        """Read the file at start-up. A missing file is an empty state; a broken one is moved aside, never deleted."""
        try:
            self.state = parse_state(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return
        except (ValueError, RecursionError) as error:
            aside = self.path.with_suffix(".broken")
            log.error("desired state unreadable, moved to %s: %s", aside.name, error)
            self.path.replace(aside)

    def on_change(self, listener: Callable[[StreamConfig | None, StreamConfig | None], None]) -> None:
        """Call `listener(old, new)` for each stream that appears, changes or goes (None = not there)."""
        self._listeners.append(listener)

    def get(self, name: str) -> StreamConfig | None:
        """The configuration of one stream, None when unknown."""
        return self.state.streams.get(name)

    async def replace(self, state: DesiredState) -> bool:
        """Take over a full state; False (and nothing happens) when its version is older than ours."""
        if state.version < self.state.version:
            return False
        await self._apply(state)
        return True

    async def put_stream(self, config: StreamConfig) -> None:
        """Add or change one stream."""
        await self._apply(self.state.with_stream(config))

    async def delete_stream(self, name: str) -> None:
        """Forget one stream."""
        await self._apply(self.state.without_stream(name))

    async def _apply(self, state: DesiredState) -> None:
        before, self.state = self.state.streams, state
        for name in before.keys() | state.streams.keys():
            old, new = before.get(name), state.streams.get(name)
            if old != new:
                for listener in self._listeners:
                    listener(old, new)
        await self._save()

    async def _save(self) -> None:
        async with self._lock:
            if self._saved is not self.state:
                state = self.state
                await asyncio.to_thread(write_atomically, self.path, json.dumps(dump_state(state)).encode())
                self._saved = state


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that after a crash either the old or the new content is there (mode 0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _name(value: object) -> str:
    if not isinstance(value, str) or not NAME.match(value):
        raise BadName("name")
    return value


def _flag(raw: dict[str, Any], name: str, default: bool) -> bool:
    value = raw.get(name, default)
    if not isinstance(value, bool):
        raise NotBoolean(name)
    return value


def _number(raw: dict[str, Any], name: str, most: float) -> float:
    value = raw.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise NotInRange(name, most=most)
    return value


def _hashes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_KEYS:
        raise NotShortList("key_hashes", most=MAX_KEYS)
    if not all(isinstance(item, str) and _HASH.match(item) for item in value):
        raise NotHashes("key_hashes")
    return tuple(value)


def _record(value: object) -> RecordMode:
    try:
        return RecordMode(str(value))
    except ValueError:
        raise NotOneOf("record", choices="manual, auto") from None
