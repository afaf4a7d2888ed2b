"""Every table of the product: importing this module fills `Base.metadata` for migrations and tests."""

from onetake.accounts.models import ApiToken, RefreshToken, User, UserSession, WsTicket
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Base
from onetake.infra.events.models import OutboxEvent
from onetake.infra.jobs.models import Job, JobLog, JobSchedule, JobWorker

__all__ = [
    "ApiToken",
    "AuditEntry",
    "Base",
    "Job",
    "JobLog",
    "JobSchedule",
    "JobWorker",
    "OutboxEvent",
    "RefreshToken",
    "User",
    "UserSession",
    "WsTicket",
]
