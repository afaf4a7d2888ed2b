"""Recording tasks: errors as code and parameters, indexes for the orders of their list.

A source with schedules is recorded by schedule from now on: until now they ran in every mode.
"""

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.ddl import add_column, create_index, drop_column
from onetake.infra.db.types import JsonText, LongText

revision = "20261128_record_tasks"
down_revision = "20261123_compatible_copies"
branch_labels = None
depends_on = None

ORDERS = ("started_at", "duration", "file_size")


def upgrade() -> None:
    add_column("record_tasks", sa.Column("error_params", JsonText()))
    drop_column("record_tasks", "error_message")
    for column in ORDERS:
        create_index(f"ix_record_tasks_{column}_id", "record_tasks", [column, "id"])
    op.execute(
        "UPDATE live_sources SET record_mode = 'schedule' WHERE record_mode = 'manual'"
        " AND id IN (SELECT source_id FROM schedules WHERE is_active)"
    )


def downgrade() -> None:
    for column in ORDERS:
        op.drop_index(f"ix_record_tasks_{column}_id", "record_tasks")
    add_column("record_tasks", sa.Column("error_message", LongText))
    op.drop_column("record_tasks", "error_params")
