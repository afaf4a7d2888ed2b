"""From tracks and units to FLV: legacy bodies for H.264, AAC and MP3, enhanced ones for HEVC, AV1 and Opus."""

import struct
from collections.abc import Iterable, Sequence

from onetake.media import amf
from onetake.media.bits import CodecError
from onetake.media.codecs import describe, opus
from onetake.media.flv import tags
from onetake.media.flv.tags import AudioPacket, FlvError, FlvTag, FrameType, TagKind, VideoPacket, encode_tag
from onetake.media.units import Codec, Kind, Track, Unit

WALL_CLOCK = "onWallClock"
_MP3_LEGACY_RATES = {44_100: 3, 48_000: 3, 22_050: 2, 11_025: 1}  # 48 kHz is stored as 44.1: players read the frame
_AAC_FLAGS = tags.SOUND_AAC << 4 | 0x0F  # rate, size and channels are fixed for AAC (E.4.2.1)


class FlvMuxer:
    """Writes one stream as FLV. `tag` and `message` are pure in the unit: make them once, share them with all."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._tracks = {track.id: track for track in tracks}
        kinds = [track.kind for track in self._tracks.values()]
        if not kinds or len(set(kinds)) != len(kinds):
            raise FlvError("FLV holds one video and one audio track at most, and at least one of them")

    @property
    def tracks(self) -> Sequence[Track]:
        """The tracks that are written."""
        return tuple(self._tracks.values())

    def header(self) -> bytes:
        """File header and PreviousTagSize0 (E.2, E.3)."""
        kinds = {track.kind for track in self._tracks.values()}
        flags = (Kind.AUDIO in kinds) << 2 | (Kind.VIDEO in kinds)
        return b"FLV\x01" + bytes((flags,)) + b"\0\0\0\x09\0\0\0\0"

    def metadata(self) -> FlvTag:
        """The `onMetaData` message of the tracks; live, so without a duration."""
        values = amf.EcmaArray({"encoder": "OneTake"})
        for track in self._tracks.values():
            values.update(_metadata_of(track))
        return FlvTag(TagKind.SCRIPT, 0, amf.encode("onMetaData", values))

    def sequence_messages(self, dts_ms: int = 0) -> list[FlvTag]:
        """The decoder configurations as messages; MP3 has none."""
        found = []
        for track in self._tracks.values():
            body = _sequence_body(track)
            if body:
                kind = TagKind.VIDEO if track.kind is Kind.VIDEO else TagKind.AUDIO
                found.append(FlvTag(kind, dts_ms & 0xFFFFFFFF, body))
        return found

    def sequence_headers(self, dts_ms: int = 0) -> bytes:
        """`onMetaData` and the decoder configurations as tags: what a new viewer gets first."""
        messages = [FlvTag(TagKind.SCRIPT, dts_ms & 0xFFFFFFFF, self.metadata().body), *self.sequence_messages(dts_ms)]
        return b"".join(encode_tag(each.kind, each.timestamp_ms, each.body) for each in messages)

    def tag(self, unit: Unit) -> bytes:
        """One unit as a whole tag with its PreviousTagSize. Raises FlvError when it is too long for FLV."""
        kind, dts_ms, head = self._head(unit)
        return encode_tag(kind, dts_ms, head, unit.payload)

    def message(self, unit: Unit) -> FlvTag:
        """One unit as a message body, for RTMP."""
        kind, dts_ms, head = self._head(unit)
        return FlvTag(kind, dts_ms & 0xFFFFFFFF, head + unit.payload)

    def wall_clock(self, dts_ms: int, wall_ms: int) -> FlvTag:
        """A script message that says when the unit at `dts_ms` arrived (Unix ms): players measure latency by it."""
        body = amf.encode(WALL_CLOCK, amf.EcmaArray({"unix_ms": float(wall_ms), "dts_ms": float(dts_ms)}))
        return FlvTag(TagKind.SCRIPT, dts_ms, body)

    def _head(self, unit: Unit) -> tuple[TagKind, int, bytes]:
        track = self._tracks[unit.track_id]
        scale = track.timescale
        dts_ms = (unit.dts * 1000 + scale // 2) // scale
        if track.kind is Kind.AUDIO:
            return TagKind.AUDIO, dts_ms, _audio_head(track, unit.payload)
        offset_ms = (unit.pts * 1000 + scale // 2) // scale - dts_ms
        return TagKind.VIDEO, dts_ms, _video_head(track.codec, unit.keyframe, offset_ms)


def _video_head(codec: Codec, keyframe: bool, offset_ms: int) -> bytes:
    frame = FrameType.KEY if keyframe else FrameType.INTER
    if codec is Codec.H264:
        return bytes((frame << 4 | tags.VIDEO_CODEC_AVC, VideoPacket.CODED_FRAMES)) + _composition(offset_ms)
    fourcc = tags.FOURCC[codec]
    if codec is Codec.AV1:
        return bytes((tags.EX_VIDEO | frame << 4 | VideoPacket.CODED_FRAMES,)) + fourcc
    if offset_ms == 0:
        return bytes((tags.EX_VIDEO | frame << 4 | VideoPacket.CODED_FRAMES_X,)) + fourcc
    return bytes((tags.EX_VIDEO | frame << 4 | VideoPacket.CODED_FRAMES,)) + fourcc + _composition(offset_ms)


def _composition(offset_ms: int) -> bytes:
    return struct.pack(">i", max(-0x800000, min(offset_ms, 0x7FFFFF)))[1:]


def _audio_head(track: Track, payload: bytes) -> bytes:
    if track.codec is Codec.AAC:
        return bytes((_AAC_FLAGS, AudioPacket.CODED_FRAMES))
    if track.codec is Codec.MP3 and (flags := _mp3_flags(track)):
        return flags
    return bytes((tags.EX_AUDIO << 4 | AudioPacket.CODED_FRAMES,)) + tags.FOURCC[track.codec]


def _mp3_flags(track: Track) -> bytes:
    """The legacy sound byte, empty for a rate that it cannot say."""
    stereo = track.channels > 1
    if track.sample_rate == 8000:
        return bytes((tags.SOUND_MP3_8K << 4 | 2 | stereo,))
    rate = _MP3_LEGACY_RATES.get(track.sample_rate)
    return b"" if rate is None else bytes((tags.SOUND_MP3 << 4 | rate << 2 | 2 | stereo,))


def _sequence_body(track: Track) -> bytes:
    if track.codec is Codec.H264:
        head = bytes((FrameType.KEY << 4 | tags.VIDEO_CODEC_AVC, VideoPacket.SEQUENCE_START, 0, 0, 0))
        return head + track.config
    if track.codec is Codec.AAC:
        return bytes((_AAC_FLAGS, AudioPacket.SEQUENCE_START)) + track.config
    if track.codec is Codec.MP3:
        return b""
    if track.codec is Codec.OPUS:
        head = bytes((tags.EX_AUDIO << 4 | AudioPacket.SEQUENCE_START,))
        return head + tags.FOURCC[track.codec] + opus.head_from_dops(track.config)
    head = bytes((tags.EX_VIDEO | FrameType.KEY << 4 | VideoPacket.SEQUENCE_START,))
    return head + tags.FOURCC[track.codec] + track.config


def _metadata_of(track: Track) -> dict[str, amf.Value]:
    fourcc = float(int.from_bytes(tags.FOURCC[track.codec], "big"))
    if track.kind is Kind.AUDIO:
        legacy = {Codec.AAC: float(tags.SOUND_AAC), Codec.MP3: float(tags.SOUND_MP3)}
        return {
            "audiocodecid": legacy.get(track.codec, fourcc),
            "audiosamplerate": float(track.sample_rate),
            "audiosamplesize": 16.0,
            "audiochannels": float(track.channels),
            "stereo": track.channels > 1,
        }
    values: dict[str, amf.Value] = {
        "videocodecid": float(tags.VIDEO_CODEC_AVC) if track.codec is Codec.H264 else fourcc,
        "width": float(track.width),
        "height": float(track.height),
    }
    if fps := _nominal_fps(track):
        values["framerate"] = fps
    return values


def _nominal_fps(track: Track) -> float:
    try:
        return describe(track).fps
    except CodecError:
        return 0.0
