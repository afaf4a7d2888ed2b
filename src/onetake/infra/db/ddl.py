"""Helpers for migrations that must survive being killed half-way.

MySQL commits each DDL statement by itself, so a killed migration is simply run again: tables are created with
`op.create_table(..., if_not_exists=True)`, indexes and columns with these helpers.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op


def create_index(name: str, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    """Create the index unless it is there (MySQL knows no IF NOT EXISTS for it)."""
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns), unique=unique)


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add the column unless it is there."""
    if column.name not in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def drop_column(table: str, name: str) -> None:
    """Drop the column unless it is gone."""
    if name in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}:
        op.drop_column(table, name)
