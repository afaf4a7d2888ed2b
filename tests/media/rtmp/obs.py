"""What OBS sends, written from the behaviour of its RTMP library (a fork of librtmp).

It announces a chunk size of 4096 before `connect`; commands go on chunk stream 3, the first with a full header, the
others without stream id; `publish` and all media go on chunk stream 4; a message of the same size and type as the one
before has only a time delta. It ends with `FCUnpublish` and `deleteStream`.
"""

from dataclasses import dataclass

from tests.media.rtmp.wire import C0_C1, C2, chunk

from onetake.media import amf
from onetake.media.flv import FlvMuxer, FlvTag, TagKind
from onetake.media.units import Codec, Track, Unit

CHUNK_BYTES = 4096
SPS = bytes.fromhex("6764000dacd941519e226c0440000003004000000c83c50a6580")
AVCC = b"\x01\x64\x00\x0d\xff\xe1" + len(SPS).to_bytes(2, "big") + SPS + bytes.fromhex("01000468ef8fcb")
TRACKS = (
    Track(1, Codec.H264, 90_000, AVCC, width=322, height=182),
    Track(2, Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2),
)


@dataclass
class _Last:
    kind: int
    length: int
    time_ms: int


class ObsWriter:
    """Writes messages with the header compression of librtmp."""

    def __init__(self) -> None:
        self._last: dict[int, _Last] = {}
        self.data = bytearray(C0_C1 + C2)

    def send(self, csid: int, kind: int, body: bytes, *, time_ms: int = 0, stream: int = 0, full: bool = False) -> None:
        last = self._last.get(csid)
        header, delta = 0, time_ms
        if last and not full:
            delta = time_ms - last.time_ms
            header = 2 if (last.kind, last.length) == (kind, len(body)) else 1
        size = CHUNK_BYTES if self._last else 128
        self.data += chunk(header, csid, body[:size], time=delta, length=len(body), kind=kind, stream=stream)
        for start in range(size, len(body), size):
            self.data += chunk(3, csid, body[start : start + size], time=delta if delta >= 0xFFFFFF else 0)
        self._last[csid] = _Last(kind, len(body), time_ms)

    def command(self, *values: amf.Writable, full: bool = False) -> None:
        self.send(3, 20, amf.encode(*values), full=full)


def media() -> list[FlvTag]:
    """Metadata, headers, and two seconds of picture and sound as OBS interleaves them."""
    muxer = FlvMuxer(TRACKS)
    values = amf.EcmaArray({"width": 322.0, "height": 182.0, "framerate": 25.0, "encoder": "obs-output module"})
    tags = [FlvTag(TagKind.SCRIPT, 0, amf.encode("@setDataFrame", "onMetaData", values)), *muxer.sequence_messages()]
    sound = 0
    for index in range(50):
        key = index % 25 == 0
        nal = bytes((0x65 if key else 0x41,)) + bytes([7]) * (9000 if key else 700 + index % 3)
        payload = len(nal).to_bytes(4, "big") + nal
        tags.append(muxer.message(Unit(1, index * 3600, (index + 2) * 3600, key, payload)))
        while sound * 1024 / 48 < (index + 1) * 40:
            tags.append(muxer.message(Unit(2, sound * 1024, sound * 1024, True, bytes([sound]) * 340)))
            sound += 1
    return tags


def conversation(name: str = "camera?key=s3cret") -> bytes:
    """All that OBS sends in one short stream."""
    writer = ObsWriter()
    writer.send(2, 1, CHUNK_BYTES.to_bytes(4, "big"), full=True)
    url = "rtmp://live.example.org/live"
    properties = {"app": "live", "type": "nonprivate", "flashVer": "FMLE/3.0 (compatible; FMSc/1.0)"}
    writer.command("connect", 1, {**properties, "swfUrl": url, "tcUrl": url}, full=True)
    writer.command("releaseStream", 2, None, name)
    writer.command("FCPublish", 3, None, name)
    writer.command("createStream", 4, None)
    writer.send(4, 20, amf.encode("publish", 5, None, name, "live"), stream=1, full=True)
    for tag in media():
        writer.send(4, int(tag.kind), tag.body, time_ms=tag.timestamp_ms, stream=1, full=tag.timestamp_ms == 0)
    writer.command("FCUnpublish", 6, None, name)
    writer.command("deleteStream", 7, None, 1)
    return bytes(writer.data)
