"""What an RTMP connection tells its owner. Media comes as `FlvTag`: an RTMP body is an FLV tag body."""

from dataclasses import dataclass, field
from typing import TypeAlias

from onetake.media.flv.tags import FlvTag


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """`connect`: answer with `accept` or `reject`. `query` is what stood behind `?` in the application name."""

    transaction: float
    app: str
    query: str
    tc_url: str
    flash_version: str = ""
    page_url: str = ""
    fourccs: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """`publish`: answer with `accept` or `reject`. `type` is `live`, `record` or `append`."""

    stream_id: int
    app: str
    name: str
    query: str
    type: str


@dataclass(frozen=True, slots=True)
class PlayRequested:
    """`play`: answer with `accept` or `reject`. Times in seconds; -2 = live or recorded, -1 = live."""

    stream_id: int
    app: str
    name: str
    query: str
    start_s: float = -2.0


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The publisher said that it stops."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PlayStopped:
    """The player closed its stream."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PauseChanged:
    """The player paused or went on."""

    stream_id: int
    paused: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A request was refused (by the server's own rules, or, for a client, by its server): send, then close."""

    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Started:
    """Client: the server lets the stream go (`NetStream.Publish.Start` or `NetStream.Play.Start`)."""

    code: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Client: the server says that the played stream ended, or was unpublished."""

    code: str


Request: TypeAlias = ConnectRequested | PublishRequested | PlayRequested
ServerEvent: TypeAlias = Request | FlvTag | Unpublished | PlayStopped | PauseChanged | Refused
ClientEvent: TypeAlias = FlvTag | Started | Ended | Refused
