"""What people read when the media server refuses: problem+json in their language, with a code and the field."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from tests.engine.peers import make_clip, pushing
from tests.engine.recorded import record
from tests.engine.servers import live

from onetake.engine import errors
from onetake.engine.http_files import running
from onetake.engine.options import MediaOptions
from onetake.kit.errors import AppError
from onetake.kit.ids import uuid7

SECRET = {"Authorization": "Bearer " + "s" * 32}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
LIVE_CASES: list[tuple[str, str, Any, int, str, str | None]] = [
    ("GET", "/live/none.flv", None, 404, "stream_offline", None),
    ("GET", "/live/none/index.m3u8", None, 404, "stream_offline", None),
    ("GET", "/t/none/live/none.flv", None, 404, "stream_offline", None),
    ("GET", "/nowhere", None, 404, "not_found", None),
    ("POST", "/live/none.flv", None, 405, "method_not_allowed", None),
    ("POST", "/control/record/start", {"stream": "none"}, 409, "stream_not_live", None),
    ("POST", "/control/record/start", {"stream": ""}, 400, "not_short_text", "stream"),
    ("POST", "/control/record/start", {"stream": "a", "preroll_s": "x"}, 400, "not_in_range", "preroll_s"),
    ("POST", "/control/record/start", [], 400, "not_short_text", "stream"),
    ("POST", "/control/record/stop", {"stream": "none"}, 409, "not_recording", None),
    ("POST", "/control/kick", {"client_id": "nobody"}, 404, "client_not_found", None),
    ("POST", "/control/kick", None, 400, "body_not_json", None),
    ("POST", "/control/revoke", {"what": "world", "value": "x"}, 400, "not_one_of", "what"),
    ("PUT", "/control/streams/a", {"grace_s": -1}, 400, "not_in_range", "grace_s"),
    ("PUT", "/control/streams/a", {"path": "/etc"}, 400, "unknown_field", "path"),
    ("PUT", "/control/streams/a", {"pull": 3}, 400, "pull_without_url", "pull"),
    ("PUT", "/control/streams/a", {"record": "maybe"}, 400, "not_one_of", "record"),
    ("PUT", "/control/streams/a", {"key_hashes": ["k"]}, 400, "not_hashes", "key_hashes"),
    ("PUT", "/control/streams/a", {"enabled": 1}, 400, "not_boolean", "enabled"),
    ("PUT", "/control/state", {"streams": [{"name": "a"}, {"name": "a"}]}, 400, "name_twice", "name"),
]


def every(kind: type[AppError]) -> Iterator[type[AppError]]:
    for known in kind.__subclasses__():
        yield known
        yield from every(known)


def test_every_refusal_has_a_code_of_its_own_and_three_languages() -> None:
    ours = [kind for kind in every(AppError) if kind.__module__ == errors.__name__]
    assert len({kind.code for kind in ours}) == len(ours)
    for kind in ours:
        assert not CHINESE.search(kind.text.en)
        assert CHINESE.search(kind.text.zh_cn)
        assert CHINESE.search(kind.text.zh_tw)
        fields = [re.findall(r"{\w+}", text) for text in (kind.text.en, kind.text.zh_cn, kind.text.zh_tw)]
        assert sorted(fields[0]) == sorted(fields[1]) == sorted(fields[2])


async def ask(method: str, url: str, body: object, language: str, **headers: str) -> tuple[int, Any, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, json=body, headers={"Accept-Language": language, **headers}) as answer,
    ):
        return answer.status, answer.headers, await answer.json(content_type=None)


async def assert_problem(
    method: str, url: str, body: object, status: int, code: str, field: str | None, **headers: str
) -> None:
    """The same problem in three languages."""
    sentences = set()
    for language in ("en", "zh-CN", "zh-TW"):
        found, told, problem = await ask(method, url, body, f"{language};q=0.9, fr", **headers)
        assert (found, problem["status"], problem["code"]) == (status, status, code)
        assert problem.get("field") == field
        assert problem["type"] == f"urn:onetake:problem:{code}"
        assert told["Content-Type"].startswith("application/problem+json")
        assert (told["Content-Language"], told["Cache-Control"]) == (language, "no-store")
        assert bool(CHINESE.search(problem["detail"])) == bool(CHINESE.search(problem["title"])) == (language != "en")
        sentences.add(problem["detail"])
    assert len(sentences) == 3


async def test_the_live_process(tmp_path: Path) -> None:
    async with live(tmp_path) as server:
        for method, path, body, status, code, field in LIVE_CASES:
            await assert_problem(method, server.url(path), body, status, code, field)
        await assert_problem(
            "POST",
            server.url("/control/kick"),
            {"client_id": "a"},
            403,
            "foreign_page",
            None,
            Origin="http://evil.example",
        )
        assert (await ask("GET", server.url("/nowhere"), None, "fr"))[1]["Content-Language"] == "en"
        assert (await ask("POST", server.url("/live/none.flv"), None, "en"))[1]["Allow"] == "GET,HEAD"


async def test_the_control_plane(tmp_path: Path) -> None:
    async with live(tmp_path, standalone=False, control_secret="s" * 32) as server:
        state = server.url("/control/state")
        await assert_problem("GET", state, None, 401, "control_secret_needed", None)
        assert (await ask("GET", state, None, "en"))[1]["WWW-Authenticate"].startswith("Basic")
        await ask("PUT", state, {"version": 7}, "en", **SECRET)
        await assert_problem("PUT", state, {"version": 6}, 409, "state_too_old", None, **SECRET)


async def test_media_of_a_live_stream(tmp_path: Path) -> None:
    async with live(tmp_path) as server, pushing(make_clip(tmp_path, "h264_aac", 3), server.rtmp("cam")):
        await server.part("cam")
        base = server.url("/live/cam/")
        await assert_problem("GET", base + "s/none/0.m4s", None, 404, "media_not_found", None)
        for query, field in (("_HLS_msn=x", "_HLS_msn"), ("_HLS_part=1", "_HLS_part"), ("_HLS_msn=999", "_HLS_msn")):
            await assert_problem("GET", f"{base}live.m3u8?{query}", None, 400, "bad_directive", field)


async def test_the_file_process(tmp_path: Path) -> None:
    recorded = record(tmp_path, rotate_s=1.0)
    open_to_all = MediaOptions(tmp_path, files_port=0, control_secret="s" * 32)
    async with running(open_to_all) as port:
        base = f"http://127.0.0.1:{port}"
        await assert_problem("GET", f"{base}/vod/{uuid7()}/video.mp4", None, 404, "not_found", None)
        await assert_problem("GET", f"{base}/vod/{recorded.id}/video.mp4", None, 409, "several_files", None)
        files = (await ask("GET", f"{base}/vod/{recorded.id}/video.mp4", None, "zh-TW"))[2]["files"]
        assert len(files) > 1
        await assert_problem("GET", f"{base}/control/viewers", None, 401, "control_secret_needed", None)
        revoke = f"{base}/control/revoke"
        await assert_problem("POST", revoke, {"what": "x", "value": "y"}, 400, "not_one_of", "what", **SECRET)
        await assert_problem("POST", revoke, {"what": "asset"}, 400, "not_short_text", "value", **SECRET)
    async with running(MediaOptions(tmp_path, files_port=0, token_secret=b"k" * 32)) as port:
        url = f"http://127.0.0.1:{port}/vod/{recorded.id}/index.m3u8"
        await assert_problem("GET", url, None, 403, "token_invalid", None)
