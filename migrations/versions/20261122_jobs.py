"""Job queue: jobs, their logs, schedules, workers."""

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.ddl import create_index
from onetake.infra.db.types import BigId, LongText

revision = "20261122_jobs"
down_revision = "20261122_outbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _jobs()
    op.create_table(
        "job_logs",
        sa.Column("job_id", BigId, primary_key=True, autoincrement=False),
        sa.Column("tail", LongText, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "job_schedules",
        sa.Column("name", sa.String(96), primary_key=True),
        sa.Column("cron", sa.String(96), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        if_not_exists=True,
    )
    create_index("ix_job_schedules_next_at", "job_schedules", ["next_at"])
    op.create_table(
        "job_workers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("host", sa.String(128), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("queues", sa.String(255), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        if_not_exists=True,
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("queue", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(96), nullable=False),
        sa.Column("args", LongText, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(64)),
        sa.Column("token", sa.CHAR(32)),
        sa.Column("lease_until", sa.Double()),
        sa.Column("cancel", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("stage", sa.String(128)),
        sa.Column("error", LongText),
        sa.Column("result", LongText),
        sa.Column("parent_id", BigId),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("dedupe", sa.String(191)),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("finished_at", sa.Double()),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.UniqueConstraint("dedupe", name="uq_jobs_dedupe"),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    create_index("ix_jobs_queue_state_priority_run_at_id", "jobs", ["queue", "state", "priority", "run_at", "id"])
    create_index("ix_jobs_state_lease_until", "jobs", ["state", "lease_until"])
    create_index("ix_jobs_state_run_at", "jobs", ["state", "run_at"])
    create_index("ix_jobs_worker", "jobs", ["worker"])
    create_index("ix_jobs_parent_id", "jobs", ["parent_id"])
    create_index("ix_jobs_updated_at", "jobs", ["updated_at"])


def downgrade() -> None:
    for table in ("job_workers", "job_schedules", "job_logs", "jobs"):
        op.drop_table(table)
