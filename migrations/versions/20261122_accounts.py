"""Accounts: users, sessions with their refresh tokens, API tokens, WebSocket tickets."""

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.ddl import create_index
from onetake.infra.db.types import BigId, JsonText, UtcDateTime

revision = "20261122_accounts"
down_revision = "20261122_audit_log"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _users()
    _sessions()
    _programs()


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("username_key", sa.String(32), nullable=False, unique=True),
        sa.Column("display_name", sa.String(64), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("email_key", sa.String(254), unique=True),
        sa.Column("language", sa.String(8)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("last_login_at", UtcDateTime()),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    create_index("ix_users_role", "users", ["role"])
    create_index("ix_users_created_at", "users", ["created_at"])


def _sessions() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("user_id", BigId, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ip", sa.String(64)),
        sa.Column("user_agent", sa.String(255), nullable=False),
        if_not_exists=True,
    )
    create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"])
    create_index("ix_user_sessions_last_seen_at", "user_sessions", ["last_seen_at"])
    create_index("ix_user_sessions_expires_at", "user_sessions", ["expires_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("session_id", sa.String(32), sa.ForeignKey("user_sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        if_not_exists=True,
    )
    create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])


def _programs() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("user_id", BigId, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", JsonText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime()),
        sa.Column("last_used_at", UtcDateTime()),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"])
    op.create_table(
        "ws_tickets",
        sa.Column("ticket_hash", sa.String(64), primary_key=True),
        sa.Column("session_id", sa.String(32), sa.ForeignKey("user_sessions.id", ondelete="CASCADE")),
        sa.Column("api_token_id", BigId, sa.ForeignKey("api_tokens.id", ondelete="CASCADE")),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        if_not_exists=True,
    )
    create_index("ix_ws_tickets_session_id", "ws_tickets", ["session_id"])
    create_index("ix_ws_tickets_api_token_id", "ws_tickets", ["api_token_id"])
    create_index("ix_ws_tickets_expires_at", "ws_tickets", ["expires_at"])


def downgrade() -> None:
    for table in ("ws_tickets", "api_tokens", "refresh_tokens", "user_sessions", "users"):
        op.drop_table(table)
