"""RTMP (Adobe 1.0, with E-RTMP v2 codecs) without input or output: bytes in, events out, bytes to send.

connection = ServerConnection()
events = connection.receive(data)       # RtmpError: write what is queued, close
connection.accept(events[0])            # a request; nothing behind it is read before
transport.write(connection.data_to_send())
events = connection.receive(b"")        # what came in meanwhile
"""

from onetake.media.rtmp.client import ClientConnection, RtmpUrl, parse_url
from onetake.media.rtmp.events import (
    ClientEvent,
    ConnectRequested,
    Ended,
    PauseChanged,
    PlayRequested,
    PlayStopped,
    PublishRequested,
    Refused,
    Request,
    ServerEvent,
    Started,
    Unpublished,
)
from onetake.media.rtmp.messages import Limits, RtmpError
from onetake.media.rtmp.peer import encode_media
from onetake.media.rtmp.server import ServerConnection

__all__ = [
    "ClientConnection",
    "ClientEvent",
    "ConnectRequested",
    "Ended",
    "Limits",
    "PauseChanged",
    "PlayRequested",
    "PlayStopped",
    "PublishRequested",
    "Refused",
    "Request",
    "RtmpError",
    "RtmpUrl",
    "ServerConnection",
    "ServerEvent",
    "Started",
    "Unpublished",
    "encode_media",
    "parse_url",
]
