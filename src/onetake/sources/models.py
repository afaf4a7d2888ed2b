"""The table of live sources."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from onetake.infra.db import Base, BigId, UtcDateTime


class Protocol(StrEnum):
    """How the media comes in. `push` waits for a publisher, `test` is the built-in pattern, the others are pulled."""

    RTMP = "rtmp"
    HLS = "hls"
    RTSP = "rtsp"
    SRT = "srt"
    HTTP_FLV = "http-flv"
    PUSH = "push"
    TEST = "test"

    @property
    def needs_url(self) -> bool:
        """True for everything that is fetched from an address."""
        return self not in (Protocol.PUSH, Protocol.TEST)


class RecordMode(StrEnum):
    """`manual`: by button or API only, its schedules rest; `schedule`: by its schedules, and by button or API;
    `automatic`: whenever it is live."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    AUTOMATIC = "automatic"


class PullMode(StrEnum):
    """`always` keeps the pull running; `on_demand` only while somebody watches or records."""

    ALWAYS = "always"
    ON_DEMAND = "on_demand"


class Visibility(StrEnum):
    """Who may watch: everybody, everybody with the link, people who are signed in, operators only."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    MEMBERS = "members"
    PRIVATE = "private"

    def is_narrower_than(self, other: str) -> bool:
        """Whether somebody who may watch by `other` may not by this."""
        return _AUDIENCE[self] < _AUDIENCE[Visibility(other)]


_AUDIENCE = {Visibility.PUBLIC: 2, Visibility.UNLISTED: 2, Visibility.MEMBERS: 1, Visibility.PRIVATE: 0}


class LiveSource(Base):
    """One live source. `stream_name` is its public name on the media server; the key is stored as a hash only (R16).

    `grant_generation` rises, at `narrowed_at`, whenever fewer people may watch: playback tokens carry it, and those of
    earlier generations are revoked.
    """

    __tablename__ = "live_sources"
    __table_args__ = (
        Index("ix_live_sources_is_active_id", "is_active", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), index=True)
    protocol: Mapped[str] = mapped_column(String(16))
    url: Mapped[str | None] = mapped_column(String(512))
    stream_name: Mapped[str] = mapped_column(String(64), unique=True)
    key_hash: Mapped[str | None] = mapped_column(String(64))
    key_hint: Mapped[str | None] = mapped_column(String(8))
    retention_days: Mapped[int] = mapped_column(Integer, default=365)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    record_mode: Mapped[str] = mapped_column(String(16), default=RecordMode.MANUAL)
    pull_mode: Mapped[str] = mapped_column(String(16), default=PullMode.ALWAYS)
    grace_s: Mapped[int] = mapped_column(Integer, default=30)
    time_shift_s: Mapped[int] = mapped_column(Integer, default=0)
    visibility: Mapped[str] = mapped_column(String(16), default=Visibility.PRIVATE)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    grant_generation: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    narrowed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
