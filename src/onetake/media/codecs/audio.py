"""From what an encoder sends to the payload form of `media.units`, for audio."""

from onetake.media.bits import CodecError
from onetake.media.codecs import aac, mp3, opus
from onetake.media.codecs.info import AudioInfo
from onetake.media.units import Codec, Track


class AudioParser:
    """One audio elementary stream: its present track, and how to read the next payload."""

    def __init__(self, codec: Codec, track_id: int) -> None:
        self._codec = codec
        self._track_id = track_id
        self.track: Track | None = None

    def configure(self, config: bytes) -> Track | None:
        """Take an AudioSpecificConfig or an OpusHead/`dOps`; the new track if it differs. Raises CodecError.

        AAC encoders that announce an empty configuration send ADTS frames later; that is no error.
        """
        if self._codec is Codec.AAC and not config:
            return None
        if self._codec is Codec.OPUS and config.startswith(b"OpusHead"):
            config = opus.dops_from_head(config)
        return self._set_track(config, audio_info(self._codec, config))

    def parse(self, payload: bytes) -> tuple[Track | None, list[bytes]]:
        """The new track, if this payload changes it, and the access units inside. Raises CodecError."""
        changed = None
        frames = [payload] if payload else []
        if self._codec is Codec.AAC:
            adts = aac.split_adts(payload)
            if adts:
                changed, frames = self._announce(adts[0]), adts[1]
        elif self._codec is Codec.MP3 and payload:
            frames = mp3.split_frames(payload)
            changed = self._set_track(b"", mp3.audio_info(payload))
        if self.track is None:
            raise CodecError("audio before its configuration")
        return changed, frames

    def _announce(self, config: bytes) -> Track | None:
        """An ADTS header only knows the core: it does not overrule a configuration that came before."""
        return self._set_track(config, aac.audio_info(config)) if self.track is None else None

    def _set_track(self, config: bytes, info: AudioInfo) -> Track | None:
        rate = info.sample_rate
        track = Track(self._track_id, self._codec, rate, config, sample_rate=rate, channels=info.channels)
        if track == self.track:
            return None
        self.track = track
        return track


def audio_info(codec: Codec, config: bytes) -> AudioInfo:
    """What a configuration tells. Raises CodecError. MP3 has none; its first frame tells (`mp3.audio_info`)."""
    if codec is Codec.AAC:
        return aac.audio_info(config)
    if codec is Codec.OPUS:
        return opus.audio_info(config)
    raise CodecError(f"{codec} has no configuration")


def frame_ticks(track: Track, payload: bytes) -> int:
    """How long an audio access unit plays, in ticks of its track; 0 when that cannot be told."""
    try:
        if track.codec is Codec.OPUS:
            return opus.packet_samples(payload)
        if track.codec is Codec.MP3:
            return mp3.parse_header(payload).samples
        return aac.audio_info(track.config).frame_samples
    except CodecError:
        return 0
