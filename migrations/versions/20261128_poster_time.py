"""The chosen poster is known to the millisecond."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from onetake.infra.db.ddl import add_column, drop_column

revision = "20261128_poster_time"
down_revision = "20261128_video_grants"
branch_labels = None
depends_on = None


VIDEOS = sa.table("videos", sa.column("poster_time_s", sa.Integer), sa.column("poster_time_ms", sa.BigInteger))
SECONDS, MILLISECONDS = VIDEOS.c.poster_time_s, VIDEOS.c.poster_time_ms


def upgrade() -> None:
    add_column("videos", sa.Column("poster_time_ms", sa.BigInteger()))
    _carry_over(SECONDS, MILLISECONDS, sa.cast(SECONDS, sa.BigInteger) * sa.literal(1000, sa.BigInteger))
    drop_column("videos", "poster_time_s")


def downgrade() -> None:
    add_column("videos", sa.Column("poster_time_s", sa.Integer()))
    _carry_over(MILLISECONDS, SECONDS, MILLISECONDS // 1000)
    drop_column("videos", "poster_time_ms")


def _carry_over(old: sa.ColumnClause[Any], new: sa.ColumnClause[Any], value: sa.ColumnElement[Any]) -> None:
    """Fill the new column while the old one is still there; after an interruption the rest."""
    if old.name in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("videos")}:
        op.execute(sa.update(VIDEOS).values({new: value}).where(old.is_not(None), new.is_(None)))
