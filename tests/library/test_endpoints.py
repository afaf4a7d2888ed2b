"""The library over HTTP: who sees what in lists, playing, positions, views, batches, totals beyond what is counted."""

from typing import Any

import pytest
from sqlalchemy import select, update
from tests.api_fixtures import Api
from tests.engine.recorded import record
from tests.library.test_videos import BROWSER, add

from onetake.infra.jobs.models import Job
from onetake.infra.mediaserver import token_keyring
from onetake.infra.ratelimit import Limit
from onetake.kit.clock import utc_now
from onetake.kit.signing import Method, verify
from onetake.library import repository
from onetake.library.endpoints import downloads
from onetake.library.models import CompatibleCopy, Video
from onetake.library.service.compatible import copy_path
from onetake.sources.models import Protocol
from onetake.sources.schemas import SourceCreate
from onetake.sources.service import create_source


async def call(api: Api, role: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Status and JSON of a call by somebody of that role."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await api.http.request(method, path, json=body, headers=await api.headers(role) | named)
    return answer.status_code, answer.json() if answer.content else None


async def titles(api: Api, role: str, query: str = "") -> list[str]:
    status, page = await call(api, role, "GET", f"/api/videos{query}")
    assert status == 200, page
    assert page["total"] == len(page["items"])
    return sorted(item["title"] for item in page["items"])


class TestLists:
    async def test_everybody_sees_their_own_shelves(self, api: Api) -> None:
        for visibility in ("public", "unlisted", "members", "private"):
            await add(api.db, visibility, visibility=visibility)
        assert await titles(api, "anonymous") == ["public"]
        assert await titles(api, "member") == ["members", "public"]
        assert await titles(api, "operator") == ["members", "private", "public", "unlisted"]

    async def test_search_and_filters(self, api: Api) -> None:
        await add(api.db, "高等数学 第一讲", duration=600)
        await add(api.db, "线性代数 第一讲", duration=60, is_live=True)
        assert await titles(api, "anonymous", "?q=数学") == ["高等数学 第一讲"]
        assert await titles(api, "anonymous", "?min_duration=100") == ["高等数学 第一讲"]
        assert await titles(api, "anonymous", "?is_live=true") == ["线性代数 第一讲"]
        assert await titles(api, "anonymous", "?created_to=2001-01-01T00:00:00Z") == []

    @pytest.mark.parametrize(
        "query", ["sort=secret", "sort=title,duration", "created_from=yesterday", "per_page=201", "source_id=0"]
    )
    async def test_nonsense_is_refused(self, api: Api, query: str) -> None:
        status, problem = await call(api, "anonymous", "GET", f"/api/videos?{query}")
        assert (status, "code" in problem) == (422, True)

    async def test_totals_end_where_counting_ends(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repository, "COUNT_LIMIT", 3)
        for number in range(6):
            await add(api.db, f"标题 {number}")
        _, page = await call(api, "anonymous", "GET", "/api/videos?per_page=2&sort=-title")
        assert (page["total"], len(page["items"])) == (4, 2)
        _, beyond = await call(api, "anonymous", "GET", "/api/videos?per_page=2&page=9")
        assert beyond["items"] == []

    async def test_paths_are_for_operators(self, api: Api) -> None:
        video = await add(api.db, thumbnail="poster.jpg")
        for role, path in (("anonymous", None), ("member", None), ("operator", "media/x")):
            _, shown = await call(api, role, "GET", f"/api/videos/{video.id}")
            assert shown["file_path"] == path
            assert shown["poster_url"].startswith("/t/")

    async def test_the_trash_is_for_those_who_manage(self, api: Api) -> None:
        video = await add(api.db)
        assert (await call(api, "operator", "DELETE", f"/api/videos/{video.id}"))[0] == 204
        assert await titles(api, "operator") == []
        assert await titles(api, "operator", "?trash=true") == ["标题"]
        assert (await call(api, "member", "GET", "/api/videos?trash=true"))[0] == 403
        assert (await call(api, "member", "GET", f"/api/videos/{video.id}"))[0] == 404
        assert (await call(api, "operator", "POST", f"/api/videos/{video.id}/restore"))[0] == 200
        assert await titles(api, "anonymous") == ["标题"]


class TestPlaying:
    async def test_addresses_are_signed_for_the_caller(self, api: Api) -> None:
        video = await add(api.db)
        ring = token_keyring(api.settings.data_dir)
        for role, viewer in (("anonymous", "guest"), ("member", f"user.{(await api.user('member')).id}.member")):
            status, play = await call(api, role, "GET", f"/api/videos/{video.id}/play")
            grant = verify(play["hls_url"].split("/")[2], ring)
            assert (status, grant.viewer, grant.scope) == (200, viewer, video.asset_id)
            assert (play["is_live"], play["live_url"], play["flv_url"]) == (False, None, None)

    @pytest.mark.parametrize(
        ("visibility", "anonymous", "member", "operator"),
        [("unlisted", 404, 404, 200), ("members", 401, 200, 200), ("private", 404, 404, 200)],
    )
    async def test_who_may_play(self, api: Api, visibility: str, anonymous: int, member: int, operator: int) -> None:
        video = await add(api.db, visibility=visibility)
        for role, wanted in (("anonymous", anonymous), ("member", member), ("operator", operator)):
            assert (await call(api, role, "GET", f"/api/videos/{video.id}/play"))[0] == wanted

    async def test_an_unlisted_one_opens_by_its_link(self, api: Api) -> None:
        video, other = await add(api.db, visibility="unlisted"), await add(api.db, visibility="unlisted")
        hidden = await add(api.db, visibility="private")
        key = (await call(api, "operator", "GET", f"/api/videos/{video.id}"))[1]["link_key"]
        for path in ("", "/play", "/compatible"):
            one = f"/api/videos/{video.id}{path}"
            assert (await call(api, "anonymous", "GET", one, X_Link_Key=key))[0] == 200
            assert (await call(api, "anonymous", "GET", one, X_Link_Key=key[:-1] + "."))[0] == 404
            for wrong in (other.id, hidden.id):
                answer = await call(api, "anonymous", "GET", f"/api/videos/{wrong}{path}", X_Link_Key=key)
                assert answer[0] == 404
        assert (await call(api, "anonymous", "GET", f"/api/videos/{video.id}", X_Link_Key=key))[1]["link_key"] is None

    async def test_the_next_visit_goes_on_where_the_last_one_stopped(self, api: Api) -> None:
        video = await add(api.db)
        path = f"/api/videos/{video.id}/progress"
        report = {"position": 40, "duration": 100, "watch_duration": 10, "device_type": "desktop"}
        assert (await call(api, "member", "POST", path, report))[0] == 204
        assert (await call(api, "anonymous", "POST", path, report))[0] == 401
        assert (await call(api, "member", "POST", path, {"position": -1}))[0] == 422
        for role, position in (("member", 40), ("operator", 0), ("anonymous", 0)):
            _, play = await call(api, role, "GET", f"/api/videos/{video.id}/play")
            assert play["last_position"] == position

    async def test_views_of_what_one_may_not_watch_do_not_count(self, api: Api) -> None:
        hidden = await add(api.db, "隐藏", visibility="private")
        body = {"video_ids": [hidden.id, 999_999]}
        assert (await call(api, "anonymous", "POST", "/api/videos/views", body, User_Agent=BROWSER))[0] == 204
        await api.app.state.views.flush(api.db)
        assert (await call(api, "operator", "GET", f"/api/videos/{hidden.id}"))[1]["view_count"] == 0

    async def test_views_count_people_once(self, api: Api) -> None:
        video = await add(api.db)
        body = {"video_ids": [video.id]}
        for role, agent in (("member", BROWSER), ("member", BROWSER), ("anonymous", BROWSER), ("anonymous", "curl/8")):
            assert (await call(api, role, "POST", "/api/videos/views", body, User_Agent=agent))[0] == 204
        await api.app.state.views.flush(api.db)
        _, shown = await call(api, "anonymous", "GET", f"/api/videos/{video.id}")
        assert shown["view_count"] == 2


class TestManaging:
    async def test_a_batch_does_what_it_can(self, api: Api) -> None:
        free, live = await add(api.db), await add(api.db, is_live=True)
        body = {"ids": [free.id, live.id, 999_999], "action": "trash"}
        status, result = await call(api, "operator", "POST", "/api/videos/batch", body)
        assert (status, result["done"]) == (200, 1)
        assert result["results"] == {str(free.id): "done", str(live.id): "video_is_live", "999999": "not_found"}
        assert (await call(api, "member", "POST", "/api/videos/batch", body))[0] == 403
        too_many = {"ids": list(range(1, 202)), "action": "trash"}
        assert (await call(api, "operator", "POST", "/api/videos/batch", too_many))[0] == 422

    async def test_posters_are_made_by_jobs(self, api: Api) -> None:
        video = await add(api.db)
        for time_s in (5.3, 9, 5.3):
            answer = await call(api, "operator", "POST", f"/api/videos/{video.id}/poster", {"time_s": time_s})
            assert answer[0] == 202
        async with api.db.read() as session:
            kinds = list(await session.scalars(select(Job.kind).order_by(Job.id)))
            chosen = await session.scalar(select(Video.poster_time_ms).where(Video.id == video.id))
        assert kinds == ["library.stills", "library.stills"]
        assert chosen == 5300
        for bad in (-0.1, "5", True, None):
            path = f"/api/videos/{video.id}/poster"
            assert (await call(api, "operator", "POST", path, {"time_s": bad}))[0] == 422

    async def test_retention_is_shown_before_it_happens(self, api: Api) -> None:
        status, preview = await call(api, "operator", "GET", "/api/videos/retention")
        assert (status, preview) == (200, {"items": [], "bytes": 0, "truncated": False})
        await add(api.db, "旧", file_size=1 << 60)
        _, full = await call(api, "operator", "GET", "/api/videos/retention?reason=disk")
        assert [(item["title"], item["reason"]) for item in full["items"]] == [("旧", "disk")]
        assert (await call(api, "operator", "GET", "/api/videos/retention"))[1]["items"] == []
        assert (await call(api, "member", "GET", "/api/videos/retention"))[0] == 403


class TestCompatible:
    async def test_from_asking_to_the_address(self, api: Api) -> None:
        recorded = record(api.settings.data_dir)
        video = await add(api.db, asset_id=str(recorded.id), title="A & B")
        path = f"/api/videos/{video.id}/compatible"
        assert (await call(api, "anonymous", "GET", path))[1]["state"] == "none"
        assert (await call(api, "anonymous", "POST", path))[0] == 401
        for _ in range(2):
            status, asked = await call(api, "member", "POST", path)
            assert (status, asked["state"], asked["download_url"]) == (202, "queued", None)
        async with api.db.write() as session:
            assert len(list(await session.scalars(select(Job.id)))) == 1
            await session.execute(update(CompatibleCopy).values(made_at=utc_now()))
        made = copy_path(api.settings.data_dir, video.asset_id)
        made.parent.mkdir()
        made.write_bytes(b"12345")
        ready = (await call(api, "anonymous", "GET", path))[1]
        assert (ready["state"], ready["file_size"], ready["error_code"]) == ("ready", 5, None)
        assert ready["download_url"].endswith(f"/vod/{video.asset_id}/compatible/video.mp4?download=A%20%26%20B")
        grant = verify(ready["download_url"].split("/")[2], token_keyring(api.settings.data_dir))
        assert (grant.method, grant.scope, grant.viewer) == (Method.DOWNLOAD, video.asset_id, "guest")

    async def test_why_it_failed_is_told_in_full_to_those_who_manage(self, api: Api) -> None:
        video = await add(api.db)
        path = f"/api/videos/{video.id}/compatible"
        await call(api, "member", "POST", path)
        async with api.db.write() as session:
            await session.execute(update(Job).values(state="failed", error="ffmpeg ended with code 1: /data/media/x"))
        for role, words in (("member", None), ("operator", "ffmpeg ended with code 1: /data/media/x")):
            _, failed = await call(api, role, "GET", path)
            assert (failed["state"], failed["error_code"], failed["error_message"]) == ("failed", "copy_failed", words)

    async def test_only_of_what_may_be_watched_and_is_finished(self, api: Api) -> None:
        private, live = await add(api.db, visibility="private"), await add(api.db, is_live=True)
        assert (await call(api, "member", "POST", f"/api/videos/{private.id}/compatible"))[0] == 404
        assert (await call(api, "member", "GET", f"/api/videos/{private.id}/compatible"))[0] == 404
        assert (await call(api, "member", "POST", f"/api/videos/{live.id}/compatible"))[1]["code"] == "video_is_live"

    async def test_a_member_cannot_ask_for_everything(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(downloads, "COPIES", Limit("library.compatible", 1, 3600))
        videos = [await add(api.db) for _ in range(2)]
        paths = [f"/api/videos/{video.id}/compatible" for video in videos]
        assert [(await call(api, "member", "POST", path))[0] for path in paths] == [202, 429]
        assert [(await call(api, "operator", "POST", path))[0] for path in paths] == [202, 202]


async def test_sources_to_filter_by_are_those_of_videos_that_somebody_sees(api: Api) -> None:
    for name, visibility in (("Hall", "public"), ("Lab", "members"), ("Archive", "private"), ("Empty", None)):
        async with api.db.write() as session:
            source = (await create_source(session, SourceCreate(name=name, protocol=Protocol.PUSH))).source
        if visibility:
            await add(api.db, source_id=source.id, visibility=visibility)
    seen = {}
    for role in ("anonymous", "member", "operator"):
        status, found = await call(api, role, "GET", "/api/videos/sources")
        assert status == 200
        seen[role] = [source["name"] for source in found]
    assert seen == {"anonymous": ["Hall"], "member": ["Hall", "Lab"], "operator": ["Archive", "Hall", "Lab"]}
    assert (await call(api, "member", "GET", "/api/videos/sources?trash=true"))[0] == 403
    assert (await call(api, "operator", "GET", "/api/videos/sources?trash=true"))[1] == []
