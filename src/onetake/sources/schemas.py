"""What the source endpoints take and give. Unknown fields of a request are refused (C3)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from onetake.sources.models import Protocol, PullMode, RecordMode, Visibility

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=PRINTABLE),
    Field(description="Name of the source.", examples=["大礼堂一号机"]),
]
Url = Annotated[
    str | None,
    Field(
        max_length=512,
        pattern=r"^[\x21-\x7e]*$",
        description="Address to pull from; null for `push` and `test`.",
        examples=["rtmp://203.0.113.7/live/hall"],
    ),
]
RetentionDays = Annotated[int, Field(ge=1, le=36_500, description="Recordings are kept for this many days.")]
GraceSeconds = Annotated[
    int, Field(ge=0, le=3600, description="A lost stream may return into the same session for this long.")
]
TimeShiftSeconds = Annotated[
    int, Field(ge=0, le=86_400, description="Rewind window while nothing is recorded; 0 switches it off.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SourceCreate(_Body):
    """A new source."""

    name: Name
    protocol: Protocol
    url: Url = None
    retention_days: RetentionDays = 365
    is_active: bool = True
    record_mode: RecordMode = RecordMode.MANUAL
    pull_mode: PullMode = PullMode.ALWAYS
    grace_s: GraceSeconds = 30
    time_shift_s: TimeShiftSeconds = 0
    visibility: Visibility = Visibility.PRIVATE


class SourceUpdate(_Body):
    """Fields left out stay as they are."""

    name: Name | None = None
    protocol: Protocol | None = None
    url: Url = None
    retention_days: RetentionDays | None = None
    is_active: bool | None = None
    record_mode: RecordMode | None = None
    pull_mode: PullMode | None = None
    grace_s: GraceSeconds | None = None
    time_shift_s: TimeShiftSeconds | None = None
    visibility: Visibility | None = None


class SourceView(BaseModel):
    """A source. A stream key is never in it: only its last characters."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    protocol: Protocol
    url: str | None = Field(description="Address without credentials.")
    stream_name: str = Field(description="Public name on the media server.", examples=["k3v9q2m7x1ab"])
    key_hint: str | None = Field(description="Last four characters of the stream key.", examples=["9f3c"])
    retention_days: int
    is_active: bool
    record_mode: RecordMode
    pull_mode: PullMode
    grace_s: int
    time_shift_s: int
    visibility: Visibility
    created_at: datetime
    updated_at: datetime


class SourceCreated(SourceView):
    """A new source, and for a pushed one the only sight of its key."""

    push_url: str | None = Field(description="RTMP server for the encoder.", examples=["rtmp://192.0.2.1:1935/live"])
    stream_key: str | None = Field(
        description="Stream key for the encoder, shown only now.", examples=["k3v9q2m7x1ab?key=3f…"]
    )


class PushTarget(BaseModel):
    """Where an encoder pushes to, with a new key that replaces the old one."""

    push_url: str
    stream_key: str


class MediaTrack(BaseModel):
    """One elementary stream, as it really is."""

    kind: str = Field(examples=["video"])
    codec: str = Field(examples=["h264"])
    profile: str | None = None
    level: str | None = None
    width: int | None = None
    height: int | None = None
    sample_rate: int | None = None
    channels: int | None = None


class SourceStatus(BaseModel):
    """What a source is doing now, asked of the media server at this moment."""

    online: bool
    state: str = Field(
        description="offline, connecting, live, stalled, grace, retrying, failed or disabled.", examples=["live"]
    )
    since: datetime | None = Field(description="Since when the present session runs.")
    tracks: list[MediaTrack]
    codec: str | None = Field(description="Video codec, or the audio codec of a stream without pictures.")
    resolution: str | None = Field(examples=["1920x1080"])
    fps: float | None
    bitrate_bps: int | None
    gop_ms: int | None
    viewers: int
    recording: bool
    reconnects: int
    error_code: str | None
    last_error: str | None = Field(description="Why there is no picture, in plain words.")


class DeleteResult(BaseModel):
    """What became of the recordings of a deleted source."""

    recordings: str = Field(description="kept or trashed", examples=["kept"])


Details = dict[str, Any]
