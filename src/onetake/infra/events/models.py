"""The outbox table: events that are true once their transaction is, waiting for their handlers."""

from typing import Any

from sqlalchemy import Double, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from onetake.infra.db import Base, BigId, JsonText, LongText


class OutboxEvent(Base):
    """One event. `stream` orders: of one stream only the oldest pending event is delivered.

    Times are seconds since 1970 by the database's clock. States: pending → done | dead.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_state_stream_id", "state", "stream", "id"),
        Index("ix_outbox_state_done_at", "state", "done_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    type: Mapped[str] = mapped_column(String(128))
    stream: Mapped[str] = mapped_column(String(128))
    payload: Mapped[Any] = mapped_column(JsonText)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[float] = mapped_column(Double)
    claim: Mapped[str | None] = mapped_column(String(32))
    claim_until: Mapped[float | None] = mapped_column(Double)
    handled: Mapped[Any] = mapped_column(JsonText, default=list)
    error: Mapped[str | None] = mapped_column(LongText)
    created_at: Mapped[float] = mapped_column(Double)
    done_at: Mapped[float | None] = mapped_column(Double)
