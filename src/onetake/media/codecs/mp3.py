"""MPEG audio layer III frame headers (ISO 11172-3 § 2.4.1.3, ISO 13818-3)."""

from dataclasses import dataclass

from onetake.media.bits import CodecError
from onetake.media.codecs.info import MAX_FRAMES, AudioInfo

_KBPS_V1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44_100, 48_000, 32_000)
_VERSION_SHIFT = {3: 0, 2: 1, 0: 2}  # MPEG-1, MPEG-2, MPEG-2.5 halve the rate each


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """One frame header; `size_bytes` counts the header too."""

    mpeg1: bool
    sample_rate: int
    channels: int
    size_bytes: int

    @property
    def samples(self) -> int:
        """Samples per channel of one frame."""
        return 1152 if self.mpeg1 else 576


def parse_header(data: bytes, position: int = 0) -> FrameHeader:
    """The layer III frame header at `position`. Raises CodecError."""
    if len(data) < position + 4 or data[position] != 0xFF or data[position + 1] & 0xE6 != 0xE2:
        raise CodecError("not an MPEG layer III frame")
    version, rate_index, kbps_index = data[position + 1] >> 3 & 3, data[position + 2] >> 2 & 3, data[position + 2] >> 4
    if version == 1 or rate_index == 3 or not 0 < kbps_index < 15:
        raise CodecError("MPEG audio header with reserved values")
    mpeg1 = version == 3
    rate = _RATES[rate_index] >> _VERSION_SHIFT[version]
    kbps = (_KBPS_V1 if mpeg1 else _KBPS_V2)[kbps_index]
    size = (144_000 if mpeg1 else 72_000) * kbps // rate + (data[position + 2] >> 1 & 1)
    return FrameHeader(mpeg1, rate, 1 if data[position + 3] >> 6 == 3 else 2, size)


def split_frames(payload: bytes) -> list[bytes]:
    """The frames of a payload that starts with one; a cut last frame is kept as it is. Raises CodecError."""
    frames, position = list[bytes](), 0
    while position < len(payload):
        if len(frames) == MAX_FRAMES:
            raise CodecError(f"more than {MAX_FRAMES} audio frames in one message")
        end = position + parse_header(payload, position).size_bytes
        frames.append(payload[position:end])
        position = end
    return frames


def audio_info(frame: bytes) -> AudioInfo:
    """Rate and channels of the stream that a frame belongs to. Raises CodecError."""
    header = parse_header(frame)
    return AudioInfo("Layer III", header.sample_rate, header.channels, header.samples)
