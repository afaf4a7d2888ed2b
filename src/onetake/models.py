"""Every table of the product: importing this module fills `Base.metadata` for migrations and tests."""

from onetake.accounts.models import ApiToken, RefreshToken, User, UserSession, WsTicket
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Base

__all__ = ["ApiToken", "AuditEntry", "Base", "RefreshToken", "User", "UserSession", "WsTicket"]
