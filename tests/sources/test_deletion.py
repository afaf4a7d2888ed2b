"""Deleting a source: what becomes of its videos, how many there are, what the audit log keeps. On three databases."""

from typing import Any

import pytest
from sqlalchemy import select
from tests.library.test_videos import add

import onetake.library.handlers  # noqa: F401  has a say in it
from onetake.infra.audit import AuditEntry
from onetake.infra.db import Database
from onetake.library.models import Shelf, Video
from onetake.sources import service
from onetake.sources.models import Protocol
from onetake.sources.schemas import SourceCreate


@pytest.mark.parametrize(
    ("trash", "videos", "shelves"),
    [
        (True, 2, [Shelf.TRASH, Shelf.TRASH, Shelf.HIDDEN, Shelf.TRASH, Shelf.HIDDEN]),
        (False, 3, [Shelf.HIDDEN, Shelf.HIDDEN, Shelf.HIDDEN, Shelf.TRASH, Shelf.HIDDEN]),
    ],
)
async def test_the_choice_is_obeyed_counted_and_kept(
    database: Database, trash: bool, videos: int, shelves: list[Shelf]
) -> None:
    async with database.write() as session:
        body = SourceCreate(name="大礼堂", protocol=Protocol.PUSH)
        source = (await service.create_source(session, body)).source
    mine: dict[str, Any] = {"source_id": source.id, "visibility": "private"}
    for fields in ({}, {}, {"is_protected": True}, {"deleted_at": source.created_at}):
        await add(database, **(mine | fields))
    await add(database, visibility="private")  # of nobody
    async with database.write() as session:
        assert await service.delete_source(session, source.id, trash_recordings=trash) == videos
    async with database.read() as session:
        found = list(await session.scalars(select(Video).order_by(Video.id)))
        entry = await session.scalar(select(AuditEntry).where(AuditEntry.action == "sources.delete"))
    assert [video.shelf for video in found] == shelves
    assert [video.source_id for video in found] == [None] * 5
    assert entry is not None
    assert entry.after == {"recordings": "trashed" if trash else "kept", "videos": videos}
