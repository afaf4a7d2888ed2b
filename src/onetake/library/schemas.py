"""What the video endpoints take and give. Unknown fields of a request are refused (C3)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StringConstraints

from onetake.library.models import SourceType
from onetake.sources.models import Visibility
from onetake.sources.schemas import PRINTABLE

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=PRINTABLE),
    Field(description="Title.", examples=["高等数学 第一讲"]),
]
Description = Annotated[
    str,
    StringConstraints(max_length=10_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"),
    Field(description="Description, plain text."),
]
VideoIds = Annotated[
    list[Annotated[StrictInt, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=200, description="Videos.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VideoView(BaseModel):
    """A video as lists and pages show it."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number of the video.")
    title: str = Field(description="Title of the video.")
    description: str = Field(description="Description, plain text.")
    source_type: SourceType = Field(description="Where the video came from.")
    source_id: int | None = Field(description="Number of the source.")
    source_name: str = Field(description="Name of the source.")
    task_id: int | None = Field(description="Number of the recording task.")
    is_live: bool = Field(description="Still being recorded: plays from its beginning, and at its end is live.")
    duration: int = Field(description="Seconds.")
    file_size: int = Field(description="Bytes.")
    file_path: str | None = Field(None, description="Folder below the data folder; for operators only.")
    thumbnail: str | None = Field(None, description="Path of the poster below that folder; for operators only.")
    poster_url: str | None = Field(None, description="Signed path of the poster.")
    storyboard_url: str | None = Field(None, description="Signed path of the storyboard's WebVTT.")
    width: int = Field(description="Pixels across.")
    height: int = Field(description="Pixels down.")
    codecs: str = Field(description="Codecs, as in RFC 6381.")
    view_count: int = Field(description="How often it was watched.")
    visibility: Visibility = Field(description="Who may watch.")
    is_protected: bool = Field(description="Retention never takes it.")
    created_at: datetime = Field(description="When it was made (UTC).")
    updated_at: datetime = Field(description="When it was last changed (UTC).")
    deleted_at: datetime | None = Field(description="Since when it lies in the trash.")
    last_position: int | None = Field(None, description="Where the signed-in viewer stopped, in seconds.")
    link_key: str | None = Field(
        None, description="What makes a link to an unlisted video (`?key=`, sent as `X-Link-Key`); for operators only."
    )


class VideoUpdate(_Body):
    """Fields left out stay as they are."""

    title: Title | None = Field(None, description="Title of the video.")
    description: Description | None = Field(None, description="Description, plain text.")
    visibility: Visibility | None = Field(None, description="Who may watch.")
    is_protected: StrictBool | None = Field(None, description="Retention never takes it.")


class BatchAction(StrEnum):
    """What can be done to many videos at once."""

    TRASH = "trash"
    RESTORE = "restore"
    DELETE = "delete"
    PROTECT = "protect"
    UNPROTECT = "unprotect"
    PUBLISH = "publish"
    UNLIST = "unlist"
    MEMBERS = "members"
    HIDE = "hide"


class Batch(_Body):
    """One act on many videos."""

    ids: VideoIds = Field(description="Numbers of the videos.")
    action: BatchAction = Field(description="What is done to them.")


class BatchResult(BaseModel):
    """What became of each video: `done`, or the code of the error."""

    results: dict[int, str] = Field(description="By video number: `done`, or the code of the error.")
    done: int = Field(description="How many succeeded.")


class PlayView(BaseModel):
    """Signed, path-only addresses; the page puts the media ports in front (or `media.url` of /api/config)."""

    hls_url: str = Field(description="HLS from the beginning.", examples=["/t/AQE…/vod/0199…/index.m3u8"])
    live_url: str | None = Field(description="LL-HLS at the live edge, while it is live.")
    flv_url: str | None = Field(description="HTTP-FLV, while it is live.")
    mp4_url: str = Field(description="The recording as one MP4.")
    download_url: str = Field(description="The same as a download.")
    poster_url: str | None = Field(description="Signed path of the poster.")
    storyboard_url: str | None = Field(description="Signed path of the storyboard's WebVTT.")
    expires_at: datetime = Field(description="Until when playing can be begun.")
    is_live: bool = Field(description="Still being recorded.")
    duration: int = Field(description="Length in seconds.")
    last_position: int = Field(description="Where the signed-in viewer stopped; 0 for others.")


class CopyState(StrEnum):
    """How a compatible MP4 stands."""

    NONE = "none"
    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


class CompatibleView(BaseModel):
    """The compatible MP4 of a video: one progressive file that every player takes."""

    state: CopyState = Field(description="`none`: nobody has asked for it in the last day.")
    progress: float = Field(description="0 to 1, while it is being made.")
    ready_until: datetime | None = Field(description="When it is removed (UTC), unless it is being read then.")
    file_size: int | None = Field(description="Bytes.")
    download_url: str | None = Field(description="Signed path to download it, when it is ready.")
    error_code: str | None = Field(
        description="Why it could not be made: `copy_no_room`, `copy_nothing`, `copy_damaged` or `copy_failed`."
    )
    error_message: str | None = Field(description="The same in words; for those who manage videos.")


class VideoSource(BaseModel):
    """A source that the caller may see videos of."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number of the source.")
    name: str = Field(description="Name of the source.")


class ProgressReport(_Body):
    """Where a viewer is. Sent every few seconds while playing."""

    position: StrictInt = Field(ge=0, le=31_536_000, description="Playhead in seconds.")
    duration: StrictInt = Field(0, ge=0, le=31_536_000, description="Length as the player knows it.")
    watch_duration: StrictInt = Field(0, ge=0, le=3600, description="Seconds watched since the last report.")
    device_type: str = Field(
        "", max_length=16, pattern=r"^[a-z]*$", examples=["desktop"], description="Kind of device."
    )


class ViewReport(_Body):
    """Videos that a viewer has really begun to watch."""

    video_ids: VideoIds = Field(description="Numbers of the videos.")


class PosterChoice(_Body):
    """Which picture shall be the poster."""

    time_s: StrictFloat = Field(
        ge=0,
        le=31_536_000,
        allow_inf_nan=False,
        description="Second of the picture, to the millisecond.",
        examples=[12.4],
    )


class ExpiryReason(StrEnum):
    """Why retention takes a video."""

    AGE = "age"
    DISK = "disk"


class RetentionItem(BaseModel):
    """A video that the next retention run would move to the trash, and why."""

    id: int = Field(description="Number of the video.")
    title: str = Field(description="Title of the video.")
    file_size: int = Field(description="Bytes.")
    created_at: datetime = Field(description="When it was made (UTC).")
    reason: ExpiryReason = Field(description="Too old for its source, or the oldest when the disk is nearly full.")


class RetentionPreview(BaseModel):
    """What the next retention run would do."""

    items: list[RetentionItem] = Field(description="The videos.")
    bytes: int = Field(description="Bytes that those listed would free.")
    truncated: bool = Field(description="True when there are more than are listed.")
