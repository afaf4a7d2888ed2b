"""The declarative base: one naming convention, one character set, lazy loading forbidden."""

from typing import Any

from sqlalchemy import MetaData, Table, event
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of every model. Relationships must say `lazy="raise"`."""

    metadata = MetaData(naming_convention=NAMING)


@event.listens_for(Table, "after_parent_attach")
def _same_text_rules_everywhere(table: Table, _parent: Any) -> None:
    """MySQL compares text without case by default; make it byte-exact like SQLite and PostgreSQL.

    Listens on every Table, so that tables made by migrations get it too.
    """
    options = table.dialect_options["mysql"]
    for name, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin")):
        options.setdefault(name, value)
