"""Every table of the product: importing this module fills `Base.metadata` for migrations and tests."""

from onetake.accounts.models import ApiToken, RefreshToken, User, UserSession, WsTicket
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Base
from onetake.infra.events.models import OutboxEvent
from onetake.infra.jobs.models import Job, JobLog, JobSchedule, JobWorker
from onetake.library.models import CompatibleCopy, Video, VideoGram, WatchProgress
from onetake.recordings.models import RecordTask, Schedule
from onetake.sources.models import LiveSource

__all__ = [
    "ApiToken",
    "AuditEntry",
    "Base",
    "CompatibleCopy",
    "Job",
    "JobLog",
    "JobSchedule",
    "JobWorker",
    "LiveSource",
    "OutboxEvent",
    "RecordTask",
    "RefreshToken",
    "Schedule",
    "User",
    "UserSession",
    "Video",
    "VideoGram",
    "WatchProgress",
    "WsTicket",
]
