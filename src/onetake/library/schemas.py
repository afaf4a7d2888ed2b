"""What the video endpoints take and give. Unknown fields of a request are refused (C3)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

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
    list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=200, description="Videos.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VideoView(BaseModel):
    """A video as lists and pages show it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    description: str
    source_type: SourceType
    source_id: int | None
    source_name: str
    task_id: int | None
    is_live: bool = Field(description="Still being recorded: plays from its beginning, and at its end is live.")
    duration: int = Field(description="Seconds.")
    file_size: int = Field(description="Bytes.")
    file_path: str | None = Field(None, description="Folder below the data folder; for operators only.")
    thumbnail: str | None = Field(None, description="Path of the poster below that folder; for operators only.")
    poster_url: str | None = Field(None, description="Signed path of the poster.")
    storyboard_url: str | None = Field(None, description="Signed path of the storyboard's WebVTT.")
    width: int
    height: int
    codecs: str
    view_count: int
    visibility: Visibility
    is_protected: bool = Field(description="Retention never takes it.")
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(description="Since when it lies in the trash.")
    last_position: int | None = Field(None, description="Where the signed-in viewer stopped, in seconds.")


class VideoUpdate(_Body):
    """Fields left out stay as they are."""

    title: Title | None = None
    description: Description | None = None
    visibility: Visibility | None = None
    is_protected: bool | None = None


class BatchAction(StrEnum):
    """What can be done to many videos at once."""

    TRASH = "trash"
    RESTORE = "restore"
    DELETE = "delete"
    PROTECT = "protect"
    UNPROTECT = "unprotect"
    PUBLISH = "publish"
    HIDE = "hide"


class Batch(_Body):
    """One act on many videos."""

    ids: VideoIds
    action: BatchAction


class BatchResult(BaseModel):
    """What became of each video: `done`, or the code of the error."""

    results: dict[int, str]
    done: int


class PlayView(BaseModel):
    """Signed, path-only addresses; the page puts the media ports in front (or `media.url` of /api/config)."""

    hls_url: str = Field(description="HLS from the beginning.", examples=["/t/AQE…/vod/0199…/index.m3u8"])
    live_url: str | None = Field(description="LL-HLS at the live edge, while it is live.")
    flv_url: str | None = Field(description="HTTP-FLV, while it is live.")
    mp4_url: str = Field(description="The recording as one MP4.")
    download_url: str = Field(description="The same as a download.")
    poster_url: str | None
    storyboard_url: str | None
    expires_at: datetime = Field(description="Until when playing can be begun.")
    is_live: bool
    duration: int
    last_position: int = Field(description="Where the signed-in viewer stopped; 0 for others.")


class ProgressReport(_Body):
    """Where a viewer is. Sent every few seconds while playing."""

    position: int = Field(ge=0, le=31_536_000, description="Playhead in seconds.")
    duration: int = Field(0, ge=0, le=31_536_000, description="Length as the player knows it.")
    watch_duration: int = Field(0, ge=0, le=3600, description="Seconds watched since the last report.")
    device_type: str = Field("", max_length=16, pattern=r"^[a-z]*$", examples=["desktop"])


class ViewReport(_Body):
    """Videos that a viewer has really begun to watch."""

    video_ids: VideoIds


class PosterChoice(_Body):
    """Which picture shall be the poster."""

    time_s: int = Field(ge=0, le=31_536_000)


class RetentionItem(BaseModel):
    """A video that the next retention run would move to the trash, and why."""

    id: int
    title: str
    file_size: int
    created_at: datetime
    reason: str = Field(description="`age` or `disk`.")


class RetentionPreview(BaseModel):
    """What the next retention run would do."""

    items: list[RetentionItem]
    bytes: int
    truncated: bool
