"""What the source endpoints take and give. Unknown fields of a request are refused (C3)."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

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
RetentionDays = Annotated[StrictInt, Field(ge=1, le=36_500, description="Recordings are kept for this many days.")]
GraceSeconds = Annotated[
    StrictInt, Field(ge=0, le=3600, description="A lost stream may return into the same session for this long.")
]
TimeShiftSeconds = Annotated[
    StrictInt, Field(ge=0, le=86_400, description="Rewind window while nothing is recorded; 0 switches it off.")
]

RECORDED = "`manual`: only by hand or call; `schedule`: by its schedules too; `automatic`: whenever it is live."

POSTER = "Signed path of a JPEG of what it shows now, some seconds old; null while it is not live or has no picture."


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SourceCreate(_Body):
    """A new source."""

    name: Name = Field(description="Name of the source.")
    protocol: Protocol = Field(description="How the media arrive.")
    url: Url = Field(None, description="Address to pull from.")
    retention_days: RetentionDays = Field(365, description="Recordings are kept for this many days.")
    is_active: StrictBool = Field(True, description="False switches it off.")
    record_mode: RecordMode = Field(RecordMode.MANUAL, description=RECORDED)
    pull_mode: PullMode = Field(PullMode.ALWAYS, description="When it is pulled.")
    grace_s: GraceSeconds = Field(30, description="A lost stream may return into the same session for this long.")
    time_shift_s: TimeShiftSeconds = Field(0, description="Rewind window while nothing is recorded; 0 switches it off.")
    visibility: Visibility = Field(Visibility.PRIVATE, description="Who may watch.")


class SourceUpdate(_Body):
    """Fields left out stay as they are."""

    name: Name | None = Field(None, description="Name of the source.")
    protocol: Protocol | None = Field(None, description="How the media arrive.")
    url: Url = Field(None, description="Address to pull from.")
    retention_days: RetentionDays | None = Field(None, description="Recordings are kept for this many days.")
    is_active: StrictBool | None = Field(None, description="False switches it off.")
    record_mode: RecordMode | None = Field(None, description=RECORDED)
    pull_mode: PullMode | None = Field(None, description="When it is pulled.")
    grace_s: GraceSeconds | None = Field(
        None, description="A lost stream may return into the same session for this long."
    )
    time_shift_s: TimeShiftSeconds | None = Field(
        None, description="Rewind window while nothing is recorded; 0 switches it off."
    )
    visibility: Visibility | None = Field(None, description="Who may watch.")


class SourceView(BaseModel):
    """A source. A stream key is never in it: only its last characters."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number of the source.")
    name: str = Field(description="Name of the source.")
    protocol: Protocol = Field(description="How the media arrive.")
    url: str | None = Field(description="Address without credentials.")
    stream_name: str = Field(description="Public name on the media server.", examples=["k3v9q2m7x1ab"])
    key_hint: str | None = Field(description="Last four characters of the stream key.", examples=["9f3c"])
    retention_days: int = Field(description="Recordings are kept for this many days.")
    is_active: bool = Field(description="False switches it off.")
    record_mode: RecordMode = Field(description=RECORDED)
    pull_mode: PullMode = Field(description="When it is pulled.")
    grace_s: int = Field(description="A lost stream may return into the same session for this long.")
    time_shift_s: int = Field(description="Rewind window while nothing is recorded; 0 switches it off.")
    visibility: Visibility = Field(description="Who may watch.")
    created_at: datetime = Field(description="When it was made (UTC).")
    updated_at: datetime = Field(description="When it was last changed (UTC).")


class SourceCreated(SourceView):
    """A new source, and for a pushed one the only sight of its key."""

    push_url: str | None = Field(description="RTMP server for the encoder.", examples=["rtmp://192.0.2.1:1935/live"])
    stream_key: str | None = Field(
        description="Stream key for the encoder, shown only now.", examples=["k3v9q2m7x1ab?key=3f…"]
    )


class PushTarget(BaseModel):
    """Where an encoder pushes to, with a new key that replaces the old one."""

    push_url: str = Field(description="RTMP server for the encoder.")
    stream_key: str = Field(description="Stream key for the encoder, shown only now.")


class MediaTrack(BaseModel):
    """One elementary stream, as it really is."""

    kind: str = Field(examples=["video"], description="video or audio.")
    codec: str = Field(examples=["h264"], description="Codec.")
    profile: str | None = Field(None, description="Profile of the codec.")
    level: str | None = Field(None, description="Level of the codec.")
    width: int | None = Field(None, description="Pixels across.")
    height: int | None = Field(None, description="Pixels down.")
    sample_rate: int | None = Field(None, description="Samples per second of audio.")
    channels: int | None = Field(None, description="Audio channels.")


class SourceStatus(BaseModel):
    """What a source is doing now, asked of the media server at this moment."""

    online: bool = Field(description="Whether media arrive, or would as soon as somebody wants them (`idle`).")
    state: str = Field(
        description="offline, idle, connecting, live, stalled, grace, retrying, failed or disabled.", examples=["live"]
    )
    since: datetime | None = Field(description="Since when the present session runs.")
    tracks: list[MediaTrack] = Field(description="Elementary streams.")
    codec: str | None = Field(description="Video codec, or the audio codec of a stream without pictures.")
    resolution: str | None = Field(examples=["1920x1080"], description="Size of the picture.")
    fps: float | None = Field(description="Pictures per second.")
    bitrate_bps: int | None = Field(description="Bits per second.")
    gop_ms: int | None = Field(description="Time between keyframes in milliseconds.")
    viewers: int = Field(description="How many watch now.")
    recording: bool = Field(description="Whether it is being recorded.")
    poster_url: str | None = Field(description=POSTER)
    reconnects: int = Field(description="How often it returned within this session.")
    error_code: str | None = Field(description="Stable code of what went wrong, if anything.")
    last_error: str | None = Field(description="Why there is no picture, in plain words.")


class LiveView(BaseModel):
    """A source as viewers see it."""

    id: int = Field(description="Number of the source.")
    name: str = Field(description="Name of the source.", examples=["大礼堂一号机"])
    visibility: Visibility = Field(description="Who may watch.")
    is_live: bool = Field(description="Whether media arrive now, or may go on arriving after a break.")
    is_interrupted: bool = Field(description="Nothing arrives at the moment: the stream may return within its grace.")
    on_demand: bool = Field(description="It is fetched when somebody watches, so that it can be watched at any time.")
    since: datetime | None = Field(description="Since when it is live.")
    viewers: int = Field(description="How many watch now.")
    poster_url: str | None = Field(description=POSTER, examples=["/t/AQE…/live/k3v9q2m7x1ab/poster.jpg"])
    link_key: str | None = Field(
        None, description="What makes a link to an unlisted source (`?key=`, sent as `X-Link-Key`); for operators only."
    )


class LivePlay(BaseModel):
    """Signed, path-only addresses of a live source; the page puts the media port in front."""

    live_url: str = Field(description="LL-HLS.", examples=["/t/AQE…/live/k3v9q2m7x1ab/index.m3u8"])
    flv_url: str = Field(description="HTTP-FLV.", examples=["/t/AQE…/live/k3v9q2m7x1ab.flv"])
    time_shift_url: str | None = Field(description="HLS of the whole time-shift window; null without one.")
    time_shift_s: int = Field(description="How far back the window goes at most; 0 without one.")
    expires_at: datetime = Field(description="Until when playing can be begun.")


class DeleteResult(BaseModel):
    """What became of the recordings of a deleted source."""

    recordings: Literal["kept", "trashed"] = Field(description="What was chosen for its videos.")
    videos: int = Field(description="How many videos were kept or trashed.", examples=[12])
