"""The system page over HTTP, its live topic, and /metrics in the whole application."""

import asyncio
from collections.abc import Callable

import pytest
from tests.api_fixtures import Api, running

from onetake.infra.settings import Settings
from onetake.monitoring.service import monitor as module
from onetake.monitoring.service.monitor import TOPIC, Monitor


def monitor_of(api: Api) -> Monitor:
    found: Monitor = api.app.state.monitor
    return found


async def test_status_tells_the_truth_about_this_machine(api: Api) -> None:
    answer = await api.http.get("/api/system/status", headers=await api.headers("operator"))
    assert answer.status_code == 200
    status = answer.json()
    assert status["cpu_count"] >= 1
    assert 0 < status["memory_used_bytes"] < status["memory_total_bytes"]
    assert status["disks"][0]["free_bytes"] > 0
    assert [process["name"] for process in status["processes"]] == ["api"]
    assert set(status["versions"]) == {"onetake", "python", "ffmpeg", "database", "web_ui", "os"}
    assert status["versions"]["database"].startswith("SQLite 3.")
    assert status["versions"]["ffmpeg"] not in ("missing", "unknown")
    assert status["jobs"]["workers"] == 0
    assert status["media"]["reachable"] is False
    assert (status["recorders"], status["pulls_in_trouble"]) == ([], [])
    assert status["disks"][0]["full_in_hours"] is None, "minutes of samples are no forecast"
    assert {"no_worker", "media_away"} <= {warning["code"] for warning in status["warnings"]}


@pytest.mark.parametrize(("lang", "word"), [("en", "worker"), ("zh-CN", "工作进程"), ("zh-TW", "工作程序")])
async def test_warnings_speak_the_readers_language(api: Api, lang: str, word: str) -> None:
    headers = {**await api.headers("admin"), "Accept-Language": lang}
    warnings = (await api.http.get("/api/system/status", headers=headers)).json()["warnings"]
    assert any(word in warning["text"] for warning in warnings)


async def test_status_without_a_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from onetake.infra.db import DatabaseUnavailable

    def absent() -> None:
        raise DatabaseUnavailable()

    monkeypatch.setattr(api.db, "read", absent)
    status = await monitor_of(api).status("en")
    assert status.jobs is None
    assert status.versions["database"] == "unknown"
    assert status.warnings[0].code == "database_down"


async def test_history_survives_a_restart_of_the_api(api_settings: Settings) -> None:
    async with running(api_settings) as first:
        await monitor_of(first).sample()
        await monitor_of(first).sample()
    async with running(api_settings) as second:
        answer = await second.http.get("/api/system/history", headers=await second.headers("admin"))
    history = answer.json()
    assert history["step_s"] == 10
    assert len(history["samples"]) == 2
    assert history["samples"][0]["jobs_queued"] == 0
    assert history["samples"][0]["viewers"] is None, "the media server is away"


async def test_watch_measures_and_feeds_live_pages(api_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = asyncio.Event()

    async def sample(self: Monitor) -> None:
        await real(self)
        sampled.set()

    real = Monitor.sample
    monkeypatch.setattr(Monitor, "sample", sample)
    monkeypatch.setattr(module, "LIVE_EVERY_S", 0.01)
    monkeypatch.setattr(module, "STEP_S", 1)
    async with running(api_settings) as api, asyncio.timeout(20):
        with api.app.state.pubsub.subscribe(TOPIC) as updates:
            message = await anext(aiter(updates))
        assert (message.event, message.data["cpu_percent"] >= 0) == ("updated", True)
        await sampled.wait()
        assert (await monitor_of(api).history()).samples


async def test_watch_outlives_a_failing_measurement(api_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()

    async def broken(_self: Monitor) -> None:
        tried.set()
        raise OSError("no counters")

    monkeypatch.setattr(module, "LIVE_EVERY_S", 0.01)
    monkeypatch.setattr(module, "STEP_S", 0.01)
    monkeypatch.setattr(Monitor, "sample", broken)
    async with running(api_settings) as api, asyncio.timeout(20):
        for _ in range(2):
            tried.clear()
            await tried.wait()
        assert (await api.http.get("/healthz")).status_code == 200


class TestMetrics:
    async def test_jobs_processes_and_pool(self, api: Api) -> None:
        await api.http.get("/api/config")
        text = (await api.http.get("/metrics")).text
        assert 'onetake_jobs{queue="video",state="queued"} 0.0' in text
        assert 'onetake_process_memory_bytes{role="api"}' in text
        assert 'onetake_db_pool_connections{state="in_use"}' in text
        assert 'onetake_http_requests_total{area="config",code_class="2xx",method="GET"} 1.0' in text
        assert "onetake_workers 0.0" in text

    async def test_only_for_the_bearer_when_a_token_is_set(
        self, make_settings: Callable[..., Settings], sqlite_url: str
    ) -> None:
        async with running(make_settings(database_url=sqlite_url, metrics_token="m3trics")) as api:
            assert (await api.http.get("/metrics")).status_code == 403
            answer = await api.http.get("/metrics", headers={"Authorization": "Bearer m3trics"})
            assert answer.status_code == 200

    async def test_without_a_database_the_rest_is_told(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def absent() -> None:
            raise OSError("gone")

        monkeypatch.setattr(api.db, "read", absent)
        answer = await api.http.get("/metrics")
        assert answer.status_code == 200
        assert "onetake_loop_lag_seconds" in answer.text
