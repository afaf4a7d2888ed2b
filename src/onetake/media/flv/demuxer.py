"""From FLV tags to tracks and units."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from onetake.kit.clock import steady_ms
from onetake.media import amf
from onetake.media.bits import CodecError
from onetake.media.codecs import AudioParser, frame_ticks, video_parser
from onetake.media.codecs.video import Av1Video, NalVideo
from onetake.media.flv import tags
from onetake.media.flv.enhanced import Packet, split_audio, split_video
from onetake.media.flv.tags import AudioPacket, FlvError, FlvTag, FrameType, TagKind, VideoPacket
from onetake.media.timestamps import MillisecondClock
from onetake.media.units import Codec, Kind, Track, Unit

_TICKS_PER_MS = 90
_SET_DATA_FRAME = "@setDataFrame"
_VIDEO_CODECS = {tags.VIDEO_CODEC_AVC: Codec.H264, tags.VIDEO_CODEC_HEVC: Codec.HEVC}
_LEGACY_SOUND = {tags.SOUND_MP3: Codec.MP3, tags.SOUND_MP3_8K: Codec.MP3, tags.SOUND_AAC: Codec.AAC}


@dataclass(frozen=True, slots=True)
class Metadata:
    """A script tag: its name (`onMetaData`, …) and the object behind it, empty when it has none."""

    name: str
    values: dict[str, amf.Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The stream carries a codec that cannot be taken; told once per codec, its units are left out."""

    kind: Kind
    codec: str


class _Coded(NamedTuple):
    """One video packet, legacy or enhanced."""

    kind: int
    time_ms: int
    offset_ms: int
    flagged: bool
    payload: bytes


Output: TypeAlias = Track | Unit | Metadata | Unsupported


class FlvDemuxer:
    """One FLV or RTMP stream: legacy and enhanced bodies in, tracks and units out.

    A `Track` is given before its first unit and again whenever its configuration changes, also in-band; an equal
    one is not repeated. Video is track 1, audio track 2. Times are unwrapped to 64 bits but otherwise as sent:
    `timestamps.Normalizer` makes them fit for use. A single unit that cannot be understood is counted in
    `discarded_units` and left out. A video header that cannot be understood raises FlvError, an audio one is told as
    `Unsupported`.
    """

    def __init__(self, now_ms: Callable[[], int] = steady_ms) -> None:
        self._now_ms = now_ms
        self._clock = MillisecondClock()
        self._video: tuple[Codec, NalVideo | Av1Video] | None = None
        self._audio: tuple[Codec, AudioParser] | None = None
        self._refused: set[str] = set()
        self.discarded_units = 0

    def push(self, tag: FlvTag) -> list[Output]:
        """What one tag holds. Raises FlvError."""
        if not tag.body:
            return []
        if tag.kind is TagKind.SCRIPT:
            return self._script(tag.body)
        time_ms = self._clock.unwrap(tag.timestamp_ms)
        return self._push_video(time_ms, tag.body) if tag.kind is TagKind.VIDEO else self._push_audio(time_ms, tag.body)

    def _script(self, body: bytes) -> list[Output]:
        values, _ = amf.decode_prefix(body)
        if values and values[0] == _SET_DATA_FRAME:
            values = values[1:]
        if not values or not isinstance(values[0], str):
            return []
        named = values[1] if len(values) > 1 and isinstance(values[1], dict) else {}
        return [Metadata(values[0], named)]

    # -- video ---------------------------------------------------------------------------------------------------

    def _push_video(self, time_ms: int, body: bytes) -> list[Output]:
        if body[0] & tags.EX_VIDEO:
            return self._enhanced_video(time_ms, body)
        frame_type, codec_id = body[0] >> 4, body[0] & 0x0F
        codec = _VIDEO_CODECS.get(codec_id)
        if frame_type == FrameType.COMMAND:
            return []
        if codec is None:
            return self._unsupported(Kind.VIDEO, f"FLV video codec {codec_id}")
        if len(body) < 5:
            return []
        flagged = frame_type == FrameType.KEY
        return self._video_packet(codec, _Coded(body[1], time_ms, _signed_24(body, 2), flagged, body[5:]))

    def _enhanced_video(self, time_ms: int, body: bytes) -> list[Output]:
        frame_type = body[0] >> 4 & 7
        if frame_type == FrameType.COMMAND and body[0] & 0x0F != VideoPacket.METADATA:
            return []
        packet = split_video(body)
        if packet is None or packet.kind in (VideoPacket.METADATA, VideoPacket.MPEG2TS_SEQUENCE_START):
            return []
        codec = tags.CODEC_BY_FOURCC.get(packet.fourcc)
        if codec is None or codec.kind is not Kind.VIDEO:
            return self._unsupported(Kind.VIDEO, _printable(packet.fourcc))
        offset_ms, start = 0, 0
        if packet.kind == VideoPacket.CODED_FRAMES and codec is not Codec.AV1:
            if len(packet.body) < 3:
                raise FlvError("composition time ends too early")
            offset_ms, start = _signed_24(packet.body, 0), 3
        payload = packet.body[start:] if start else packet.body
        return self._video_packet(codec, _Coded(packet.kind, time_ms, offset_ms, frame_type == FrameType.KEY, payload))

    def _video_packet(self, codec: Codec, coded: _Coded) -> list[Output]:
        parser = self._video_parser(codec)
        if coded.kind == VideoPacket.SEQUENCE_START:
            return _configured_video(parser, coded.payload)
        if coded.kind not in (VideoPacket.CODED_FRAMES, VideoPacket.CODED_FRAMES_X):
            return []
        try:
            picture = parser.parse(coded.payload, coded.flagged)
        except CodecError:
            self.discarded_units += 1
            return []
        if picture is None:
            return []
        found: list[Output] = [picture.track] if picture.track else []
        if picture.payload:
            dts = coded.time_ms * _TICKS_PER_MS
            pts = dts + coded.offset_ms * _TICKS_PER_MS
            found.append(Unit(tags.VIDEO_TRACK_ID, dts, pts, picture.keyframe, picture.payload, self._now_ms()))
        return found

    def _video_parser(self, codec: Codec) -> NalVideo | Av1Video:
        if self._video is None or self._video[0] is not codec:
            self._video = codec, video_parser(codec, tags.VIDEO_TRACK_ID)
        return self._video[1]

    # -- audio ---------------------------------------------------------------------------------------------------

    def _push_audio(self, time_ms: int, body: bytes) -> list[Output]:
        sound = body[0] >> 4
        if sound == tags.EX_AUDIO:
            packet = split_audio(body)
            codec = tags.CODEC_BY_FOURCC.get(packet.fourcc) if packet else None
            name = _printable(packet.fourcc) if packet else ""
        else:
            codec, name = _LEGACY_SOUND.get(sound), f"FLV sound format {sound}"
            packet = _legacy_audio(codec, body)
        if packet is None or packet.kind == AudioPacket.MULTICHANNEL_CONFIG:
            return []
        if codec is None or codec.kind is not Kind.AUDIO:
            return self._unsupported(Kind.AUDIO, name)
        parser = self._audio_parser(codec)
        if packet.kind == AudioPacket.SEQUENCE_START:
            return self._configured_audio(parser, codec, packet.body)
        return self._audio_frames(parser, time_ms, packet.body) if packet.kind == AudioPacket.CODED_FRAMES else []

    def _configured_audio(self, parser: AudioParser, codec: Codec, config: bytes) -> list[Output]:
        """Sound that cannot be taken must not end the picture."""
        try:
            track = parser.configure(config)
        except CodecError as error:
            return self._unsupported(Kind.AUDIO, f"{codec}: {error}")
        return [track] if track else []

    def _audio_frames(self, parser: AudioParser, time_ms: int, payload: bytes) -> list[Output]:
        if not payload:
            return []
        try:
            changed, frames = parser.parse(payload)
        except CodecError:
            self.discarded_units += 1
            return []
        track = parser.track
        if track is None:
            return []
        found: list[Output] = [changed] if changed else []
        dts, wall_ms = (time_ms * track.timescale + 500) // 1000, self._now_ms()
        for frame in frames:
            found.append(Unit(tags.AUDIO_TRACK_ID, dts, dts, True, frame, wall_ms))
            dts += frame_ticks(track, frame) if len(frames) > 1 else 0
        return found

    def _audio_parser(self, codec: Codec) -> AudioParser:
        if self._audio is None or self._audio[0] is not codec:
            self._audio = codec, AudioParser(codec, tags.AUDIO_TRACK_ID)
        return self._audio[1]

    def _unsupported(self, kind: Kind, name: str) -> list[Output]:
        if name in self._refused or len(self._refused) >= 8:
            return []
        self._refused.add(name)
        return [Unsupported(kind, name)]


def _legacy_audio(codec: Codec | None, body: bytes) -> Packet | None:
    """A legacy audio body as a packet: AAC has a packet type byte, the others are frames."""
    if codec is not Codec.AAC:
        return Packet(AudioPacket.CODED_FRAMES, b"", body[1:])
    return Packet(min(body[1], AudioPacket.SEQUENCE_END), b"", body[2:]) if len(body) > 1 else None


def _configured_video(parser: NalVideo | Av1Video, record: bytes) -> list[Output]:
    """The track; an empty record is what some encoders announce before the real one."""
    if not record:
        return []
    try:
        track = parser.configure(record)
    except CodecError as error:
        raise FlvError(f"sequence header: {error}") from error
    return [track] if track else []


def _signed_24(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 3], "big", signed=True)


def _printable(fourcc: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in fourcc)
