"""AAC: AudioSpecificConfig (ISO 14496-3 § 1.6.2.1) and ADTS headers (§ 1.A.3)."""

from onetake.media.bits import BitReader, CodecError
from onetake.media.codecs.info import MAX_FRAMES, AudioInfo

SAMPLE_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8, 0)
_NAMES = {1: "Main", 2: "LC", 3: "SSR", 4: "LTP", 5: "HE-AAC", 29: "HE-AACv2"}
_SBR, _PS = 5, 29
_GENERAL_AUDIO = frozenset({1, 2, 3, 4})
_SYNC_SBR, _SYNC_PS = 0x2B7, 0x548
_ADTS_HEADER_BYTES = 7


class _Config:
    """An AudioSpecificConfig while it is parsed."""

    def __init__(self, data: bytes) -> None:
        bits = BitReader(data)
        self.object_type = self.signalled = _object_type(bits)
        self.sample_rate = self.output_rate = _sample_rate(bits)
        self.channel_config = bits.read(4)
        if self.object_type in (_SBR, _PS):
            self.output_rate = _sample_rate(bits)
            self.object_type = _object_type(bits)
        if self.object_type not in _GENERAL_AUDIO:
            raise CodecError(f"AAC object type {self.object_type} is not supported")
        self.frame_length = 960 if bits.flag() else 1024
        if bits.flag():
            bits.skip(14)
        bits.skip(1)
        self.channels = _CHANNELS[self.channel_config] or _program_channels(bits, self.channel_config)
        if self.signalled == self.object_type:
            self._read_sync_extension(bits)
        if self.signalled == _PS:
            self.channels = 2

    def _read_sync_extension(self, bits: BitReader) -> None:
        """Backward compatible signalling of SBR and PS behind the core configuration."""
        if bits.left < 16 or bits.read(11) != _SYNC_SBR or _object_type(bits) != _SBR or not bits.flag():
            return
        self.signalled, self.output_rate = _SBR, _sample_rate(bits)
        if bits.left >= 12 and bits.read(11) == _SYNC_PS and bits.flag():
            self.signalled = _PS


def _object_type(bits: BitReader) -> int:
    value = bits.read(5)
    return 32 + bits.read(6) if value == 31 else value


def _sample_rate(bits: BitReader) -> int:
    index = bits.read(4)
    if index == 15:
        rate = bits.read(24)
    elif index < len(SAMPLE_RATES):
        rate = SAMPLE_RATES[index]
    else:
        raise CodecError(f"AAC sample rate index {index} does not exist")
    if not 1000 <= rate <= 192_000:
        raise CodecError(f"AAC sample rate {rate} makes no sense")
    return rate


def _program_channels(bits: BitReader, channel_config: int) -> int:
    """Channels of a program config element (§ 4.4.1.1), which follows when the channel configuration is 0.

    Front, side and back elements have one channel or a pair, effect elements one.
    """
    if channel_config != 0:
        raise CodecError(f"AAC channel configuration {channel_config} does not exist")
    bits.skip(10)
    elements = bits.read(4) + bits.read(4) + bits.read(4)
    channels = bits.read(2)
    bits.skip(7)
    bits.skip(4 * bits.read(1))
    bits.skip(4 * bits.read(1))
    bits.skip(3 * bits.read(1))
    for _ in range(elements):
        channels += 1 + bits.read(1)
        bits.skip(4)
    if not channels:
        raise CodecError("AAC program without channels")
    return channels


def audio_info(config: bytes) -> AudioInfo:
    """Rate, channels and frame size of an AudioSpecificConfig. Raises CodecError.

    With SBR signalled, `sample_rate` is that of the output, and a frame decodes to twice the core's samples.
    """
    parsed = _Config(config)
    samples = parsed.frame_length * parsed.output_rate // parsed.sample_rate
    return AudioInfo(_NAMES.get(parsed.signalled, "AAC"), parsed.output_rate, parsed.channels, samples)


def codec_string(config: bytes) -> str:
    """RFC 6381 § 3.3: `mp4a.40.` and the object type that the configuration signals. Raises CodecError."""
    return f"mp4a.40.{_Config(config).signalled}"


def build_config(object_type: int, rate_index: int, channel_config: int) -> bytes:
    """The 2-byte AudioSpecificConfig of a plain AAC stream."""
    return (object_type << 11 | rate_index << 7 | channel_config << 3).to_bytes(2, "big")


def split_adts(payload: bytes) -> tuple[bytes, list[bytes]] | None:
    """AudioSpecificConfig and raw frames of a payload made of ADTS frames, None when it is not. Raises CodecError.

    A raw access unit never starts with the sync word: its first element would be the end marker.
    """
    if not _is_adts(payload, 0):
        return None
    rate_index = payload[2] >> 2 & 0x0F
    config = build_config((payload[2] >> 6) + 1, rate_index, (payload[2] & 1) << 2 | payload[3] >> 6)
    frames, position = list[bytes](), 0
    while position < len(payload):
        if len(frames) == MAX_FRAMES:
            raise CodecError(f"more than {MAX_FRAMES} audio frames in one message")
        header_bytes = _ADTS_HEADER_BYTES + (0 if payload[position + 1] & 1 else 2)
        size = (payload[position + 3] & 3) << 11 | payload[position + 4] << 3 | payload[position + 5] >> 5
        end = position + size
        if size < header_bytes or end > len(payload) or (end < len(payload) and not _is_adts(payload, end)):
            raise CodecError("ADTS frame with a wrong length")
        frames.append(payload[position + header_bytes : end])
        position = end
    return config, [frame for frame in frames if frame]


def _is_adts(payload: bytes, position: int) -> bool:
    if len(payload) - position < _ADTS_HEADER_BYTES:
        return False
    return payload[position] == 0xFF and payload[position + 1] & 0xF6 == 0xF0
