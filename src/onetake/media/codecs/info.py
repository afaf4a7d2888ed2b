"""What the headers of an elementary stream tell about it."""

from dataclasses import dataclass

MAX_FRAMES = 256
"""Audio frames in one message: more than ten seconds of MP3."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Facts of a sequence header. `fps` is nominal, 0.0 when the stream does not say; `reorder` is the number of
    pictures that may precede another in decode order and follow it in display order, None when not said.
    """

    profile: str
    level: str
    width: int
    height: int
    fps: float = 0.0
    reorder: int | None = None


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Facts of an audio configuration; `frame_samples` is what one access unit decodes to (0 = varies)."""

    profile: str
    sample_rate: int
    channels: int
    frame_samples: int
