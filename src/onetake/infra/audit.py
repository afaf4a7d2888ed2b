"""The audit log: who did what to what, when, from where, and what changed. Every administrative act calls `audit()`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from onetake.infra.context import current_actor
from onetake.infra.db import Base, BigId, JsonText, UtcDateTime
from onetake.kit.clock import utc_now
from onetake.kit.redact import MASK, redact

_SECRET_WORDS = ("password", "passwd", "secret", "token", "key", "cookie", "authorization")


class AuditEntry(Base):
    """One act. The actor's name is kept as text, so that the entry outlives the account."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_actor_id_at", "actor_id", "at"),
        Index("ix_audit_log_action_at", "action", "at"),
        Index("ix_audit_log_target_at", "target", "at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[int | None] = mapped_column(BigId)
    actor_name: Mapped[str] = mapped_column(String(128))
    ip: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(191))
    before: Mapped[Any] = mapped_column(JsonText, nullable=True)
    after: Mapped[Any] = mapped_column(JsonText, nullable=True)


async def audit(
    session: AsyncSession,
    *,
    action: str,
    target: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry to the caller's transaction: no act without its entry, no entry without its act.

    `action` is `<domain>.<verb>` (`users.update`), `target` is `<kind>:<id>` (`user:12`). Author, address and request
    id come from the context. Values under secret-looking names are masked.
    """
    actor = current_actor()
    entry = AuditEntry(
        at=utc_now(),
        actor_kind=actor.kind,
        actor_id=actor.user_id,
        actor_name=actor.name[:128],
        ip=actor.ip,
        request_id=actor.request_id,
        action=action,
        target=target[:191],
        before=_masked(before),
        after=_masked(after),
    )
    session.add(entry)
    await session.flush()
    return entry


def _masked(value: Any, name: str = "") -> Any:
    if value is not None and any(word in name.lower() for word in _SECRET_WORDS):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): _masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact(value.isoformat() if isinstance(value, datetime) else str(value))
