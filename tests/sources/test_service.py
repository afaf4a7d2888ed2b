"""Live sources on the three databases: keys, addresses, what the media server is told."""

import hashlib

import pytest

from onetake.infra.db import Database
from onetake.kit.errors import AppError, NotFound
from onetake.kit.ssrf import UrlRefused
from onetake.sources import service
from onetake.sources.errors import NotPushed, UrlMasked, UrlNeeded, UrlNotWanted, WrongScheme
from onetake.sources.models import LiveSource, Protocol, RecordMode, Visibility
from onetake.sources.schemas import SourceCreate, SourceUpdate


async def make(database: Database, **fields: object) -> service.NewKey:
    body = SourceCreate.model_validate({"name": "Hall", "protocol": "push"} | fields)
    async with database.write() as session:
        return await service.create_source(session, body)


class TestKeys:
    async def test_a_pushed_source_shows_its_key_once_and_keeps_a_hash(self, database: Database) -> None:
        made = await make(database)
        assert made.key is not None
        assert len(made.key) == 32
        async with database.read() as session:
            source = await service.get_source(session, made.source.id)
        assert source.key_hash == hashlib.sha256(made.key.encode()).hexdigest()
        assert source.key_hint == made.key[-4:]
        assert made.key not in str(vars(source))
        assert service.key_fits(source, made.key)
        assert not service.key_fits(source, made.key + "0")

    async def test_a_rotated_key_replaces_the_old_one(self, sqlite_database: Database) -> None:
        made = await make(sqlite_database)
        async with sqlite_database.write() as session:
            again = await service.rotate_key(session, made.source.id)
        assert again.key
        assert not service.key_fits(again.source, made.key or "")
        assert service.key_fits(again.source, again.key)

    async def test_only_pushed_sources_have_keys(self, sqlite_database: Database) -> None:
        made = await make(sqlite_database, protocol="rtmp", url="rtmp://example.org/live/x")
        assert made.key is None
        with pytest.raises(NotPushed):
            async with sqlite_database.write() as session:
                await service.rotate_key(session, made.source.id)

    async def test_a_source_that_becomes_pushed_gets_a_key_and_loses_it_again(self, sqlite_database: Database) -> None:
        made = await make(sqlite_database, protocol="hls", url="https://example.org/a.m3u8")
        async with sqlite_database.write() as session:
            pushed = await service.update_source(session, made.source.id, SourceUpdate(protocol=Protocol.PUSH))
            assert pushed.key
            assert pushed.source.url is None
            tested = await service.update_source(session, made.source.id, SourceUpdate(protocol=Protocol.TEST))
        assert tested.key is None
        assert tested.source.key_hash is None


class TestAddresses:
    @pytest.mark.parametrize(
        ("protocol", "url", "error"),
        [
            ("rtmp", None, UrlNeeded),
            ("push", "rtmp://example.org/live/x", UrlNotWanted),
            ("test", "rtmp://example.org/live/x", UrlNotWanted),
            ("rtmp", "https://example.org/a.m3u8", WrongScheme),
            ("hls", "file:///etc/passwd", WrongScheme),
            ("hls", "concat:a|b", WrongScheme),
            ("rtsp", "srt://example.org:9000", WrongScheme),
            ("hls", "https://", UrlRefused),
            ("hls", "http://2130706433/x.m3u8", UrlRefused),
            ("srt", "srt://example.org:99999", UrlRefused),
        ],
    )
    async def test_what_does_not_fit_is_named(
        self, sqlite_database: Database, protocol: str, url: str | None, error: type[AppError]
    ) -> None:
        with pytest.raises(error) as caught:
            await make(sqlite_database, protocol=protocol, url=url)
        assert caught.value.field == "url"
        async with sqlite_database.read() as session:
            assert await service.every_source(session) == []

    async def test_an_address_that_comes_back_as_it_was_shown_stays(self, sqlite_database: Database) -> None:
        made = await make(sqlite_database, protocol="rtsp", url="rtsp://me:secret@camera.example.org/1")
        async with sqlite_database.write() as session:
            body = SourceUpdate(url="rtsp://***@camera.example.org/1", name="Gate")
            changed = (await service.update_source(session, made.source.id, body)).source
            assert (changed.name, changed.url) == ("Gate", "rtsp://me:secret@camera.example.org/1")
        body = SourceUpdate(url="rtsp://***@other.example.org/1")
        with pytest.raises(UrlMasked):
            async with sqlite_database.write() as session:
                await service.update_source(session, made.source.id, body)

    async def test_an_update_is_checked_as_a_whole(self, sqlite_database: Database) -> None:
        made = await make(sqlite_database, protocol="hls", url="https://example.org/a.m3u8")
        with pytest.raises(WrongScheme):
            async with sqlite_database.write() as session:
                await service.update_source(session, made.source.id, SourceUpdate(protocol=Protocol.RTMP))


class TestDesiredState:
    async def test_the_media_server_is_told_everything_but_the_key(self, sqlite_database: Database) -> None:
        made = await make(sqlite_database, record_mode="automatic", time_shift_s=600, grace_s=5)
        told = service.desired_stream(made.source)
        assert told == {
            "name": made.source.stream_name,
            "enabled": True,
            "key_hashes": [made.source.key_hash],
            "record": "auto",
            "grace_s": 5,
            "time_shift_s": 600,
            "gated": True,
            "pull": None,
        }
        assert str(made.key) not in str(told)

    async def test_pulled_and_built_in_sources_name_what_to_pull(self, sqlite_database: Database) -> None:
        pulled = await make(sqlite_database, protocol="srt", url="srt://example.org:9000", visibility="public")
        pattern = await make(sqlite_database, protocol="test")
        assert service.desired_stream(pulled.source)["pull"] == {"url": "srt://example.org:9000"}
        assert service.desired_stream(pulled.source)["gated"] is False
        rare = await make(sqlite_database, protocol="srt", url="srt://example.org:9000", pull_mode="on_demand")
        assert service.desired_stream(rare.source)["pull"] == {"url": "srt://example.org:9000", "on_demand": True}
        assert service.desired_stream(pattern.source)["pull"] == {"url": "builtin:pattern"}

    async def test_a_schedule_source_is_recorded_by_call_only(self, sqlite_database: Database) -> None:
        made = await make(sqlite_database, record_mode=RecordMode.SCHEDULE, visibility=Visibility.MEMBERS)
        assert service.desired_stream(made.source)["record"] == "manual"


async def test_deleting_asks_the_domains_above_first(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, bool]] = []

    async def step(_session: object, source: LiveSource, trash: bool) -> int:
        asked.append((source.id, trash))
        return 3

    monkeypatch.setattr(service, "BEFORE_DELETION", [step])
    made = await make(sqlite_database)
    async with sqlite_database.write() as session:
        assert await service.delete_source(session, made.source.id, trash_recordings=True) == 3
    assert asked == [(made.source.id, True)]
    async with sqlite_database.read() as session:
        with pytest.raises(NotFound):
            await service.get_source(session, made.source.id)
