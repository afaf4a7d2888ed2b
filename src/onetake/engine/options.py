"""What the media server is told at start: ports, folders, secrets, limits. Frozen; given by the command line."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients may cost, and the times of the session rules (DESIGN §2).

    `grace_s`: how long a lost publisher may come back into the same session. `silent_s`: a publisher without media
    for this long is taken over at once. `displaced_s`: how long the loser of a take-over is refused. `stalled_s`:
    a publisher without media for this long is shown as stalled. `publisher_timeout_s`: read timeout that opens grace.
    `viewer_buffer_bytes`: with more than this unsent a viewer skips to the next keyframe, and is cut off after
    `viewer_slow_s`. `unsent_bytes`: what all viewers together may leave unread; past it the furthest behind are cut.
    `unread_bytes`: how much of our answers an RTMP client may leave unread. `admissions`: how many clients the control
    plane is asked about at once; after `wrong_keys` refusals within `wrong_keys_s` an address is not asked about.
    """

    grace_s: float = 30.0
    silent_s: float = 2.0
    displaced_s: float = 30.0
    stalled_s: float = 3.0
    publisher_timeout_s: float = 10.0
    handshake_s: float = 5.0
    admission_s: float = 10.0
    max_connections: int = 10_000
    viewer_buffer_bytes: int = 8 << 20
    viewer_slow_s: float = 20.0
    unsent_bytes: int = 1 << 30
    unread_bytes: int = 1 << 20
    admissions: int = 20
    wrong_keys: int = 10
    wrong_keys_s: float = 60.0


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """How recordings are written.

    `fsync_interval_s`: most that a power loss costs. `floor_bytes`/`floor_ratio`: with less free space no recording
    starts or resumes (the ratio asks for at most `floor_cap_bytes`). `stop_bytes`: with less, running ones are closed.
    `queue_bytes`: how much of one recording may wait for a slow disk before it is stopped as `disk_slow`.
    """

    fsync_interval_s: float = 2.0
    floor_bytes: int = 256 << 20
    floor_ratio: float = 0.05
    floor_cap_bytes: int = 10 << 30
    stop_bytes: int = 64 << 20
    queue_bytes: int = 64 << 20
    resume_check_s: float = 5.0
    preroll_max_s: float = 60.0


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Live packaging: the RAM ring, and the batch of the FLV fan-out.

    `gop_cache_bytes`, `gop_cache_s`: a longer GOP is not kept, so new viewers wait for the next keyframe. It is no more
    than a viewer may have unsent, or its greeting would make it a slow one.
    """

    ring_s: float = 60.0
    ring_bytes: int = 256 << 20
    batch_ms: int = 100
    gop_cache_bytes: int = 8 << 20
    gop_cache_s: float = 30.0


@dataclass(frozen=True, slots=True)
class MediaOptions:
    """Everything `run_media` needs.

    `control_secret` guards `/control/*` and `/api/v1/*` and signs callbacks; `token_secret` is what playback
    tokens are signed with (empty: none are needed).
    `api_url` is where callbacks go (None: none are sent). `standalone` opens publishing, playing and control to
    loopback clients and records every stream. `allow_private` lists the private networks and hosts that may be pulled
    from. `ffmpeg` is the program for pulls (empty: the packaged one). A port of 0 takes a free one.
    """

    data_dir: Path
    bind: str = "127.0.0.1"
    rtmp_port: int = 1935
    http_port: int = 8080
    files_port: int = 8081
    control_secret: str = ""
    token_secret: bytes = b""
    api_url: str | None = None
    standalone: bool = False
    ffmpeg: str = ""
    allow_private: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    recording: RecordingOptions = field(default_factory=RecordingOptions)
    live: LiveOptions = field(default_factory=LiveOptions)

    @property
    def media_dir(self) -> Path:
        """Where finished and running recordings lie (DESIGN §6)."""
        return self.data_dir / "media"

    @property
    def open_dir(self) -> Path:
        """One marker per recording in progress."""
        return self.data_dir / "open"

    @property
    def spool_dir(self) -> Path:
        """Undelivered events and rolling time-shift windows."""
        return self.data_dir / "spool"

    @property
    def state_path(self) -> Path:
        """The desired state on disk."""
        return self.data_dir / "media-state.json"
