"""The job pages over HTTP: lists, details, acts, and what they leave in the audit log."""

import asyncio
from typing import Any

import pytest
from tests.api_fixtures import Api

from onetake.infra.jobs import Spec, enqueue, enqueue_parent, repository
from onetake.infra.jobs.models import Job
from onetake.infra.settings import Settings
from onetake.worker import work


async def add_job(api: Api, kind: str = "test.job", queue: str = "net", **fields: Any) -> int:
    """A job in any state."""
    async with api.db.write() as session:
        job_id = await enqueue(session, kind, fields.pop("args", {}), queue=queue)
        job = await session.get_one(Job, job_id)
        for name, value in fields.items():
            setattr(job, name, value)
    return job_id


async def audited(api: Api) -> list[tuple[str, str]]:
    answer = await api.http.get("/api/audit?action=jobs.", headers=await api.headers("admin"))
    return [(entry["action"], entry["target"]) for entry in answer.json()["items"]]


class TestLists:
    async def test_filters_and_sort(self, api: Api) -> None:
        first = await add_job(api, "imports.fetch", "net")
        second = await add_job(api, "library.probe", "video", state="failed", error="boom")
        third = await add_job(api, "imports.check", "net", state="done", progress=1.0)
        headers = await api.headers("operator")

        async def ids(query: str) -> list[int]:
            answer = await api.http.get(f"/api/jobs?{query}", headers=headers)
            assert answer.status_code == 200, answer.text
            return [job["id"] for job in answer.json()["items"]]

        assert await ids("") == [third, second, first]
        assert await ids("sort=id") == [first, second, third]
        assert await ids("state=failed&state=done") == [third, second]
        assert await ids("queue=video") == [second]
        assert await ids("kind=imports.") == [third, first]
        assert await ids("per_page=1&page=2") == [second]

    @pytest.mark.parametrize("query", ["state=nonsense", "sort=args", "queue=a%20b", "kind=%27%3B--", "page=0"])
    async def test_bad_queries(self, api: Api, query: str) -> None:
        answer = await api.http.get(f"/api/jobs?{query}", headers=await api.headers("operator"))
        assert answer.status_code == 422

    async def test_queues_schedules_workers(self, api: Api) -> None:
        await add_job(api, queue="video")
        headers = await api.headers("operator")
        queues = (await api.http.get("/api/jobs/queues", headers=headers)).json()["items"]
        assert [queue["name"] for queue in queues] == ["video", "net", "notify", "stats"]
        assert (queues[0]["queued"], queues[0]["concurrency"]) == (1, 1)
        assert queues[0]["oldest_queued_s"] >= 0
        assert (await api.http.get("/api/jobs/schedules", headers=headers)).json() == {"items": []}
        async with api.db.write() as session:
            await repository.add_schedule(session, "library.retention", "41 3 * * *", 70_860.0)
        plan = (await api.http.get("/api/jobs/schedules", headers=headers)).json()["items"][0]
        assert (plan["cron"], plan["timezone"]) == ("41 3 * * *", api.settings.local_zone.key)
        assert plan["next_run_at"] == "1970-01-01T19:41:00Z"
        assert (await api.http.get("/api/jobs/workers", headers=headers)).json() == {"items": []}


class TestDetail:
    async def test_everything_is_told_and_secrets_are_not(self, api: Api) -> None:
        url = "rtmp://host/live/secret-key"
        job = await add_job(api, args={"token": "abc", "url": url}, state="failed", error=f"cannot open {url}")
        found = (await api.http.get(f"/api/jobs/{job}", headers=await api.headers("operator"))).json()
        assert found["args"]["token"] == "***"
        assert "secret-key" not in str(found)
        assert found["error"].startswith("cannot open rtmp://host/live/")
        assert found["children"] == []

    async def test_children(self, api: Api) -> None:
        async with api.db.write() as session:
            parts = [Spec("test.part", {"n": number}, queue="video") for number in range(3)]
            parent, children = await enqueue_parent(session, Spec("test.whole", queue="stats"), parts)
        found = (await api.http.get(f"/api/jobs/{parent}", headers=await api.headers("operator"))).json()
        assert (found["state"], [child["id"] for child in found["children"]]) == ("waiting", children)

    async def test_unknown(self, api: Api) -> None:
        answer = await api.http.get("/api/jobs/999999", headers=await api.headers("operator"))
        assert answer.status_code == 404


class TestActs:
    async def test_cancel_a_queued_job(self, api: Api) -> None:
        job = await add_job(api)
        headers = await api.headers("operator")
        answer = await api.http.post(f"/api/jobs/{job}/cancel", headers=headers)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        again = await api.http.post(f"/api/jobs/{job}/cancel", headers=headers)
        assert again.status_code == 409
        assert await audited(api) == [("jobs.cancel", f"job:{job}")]

    async def test_cancel_a_running_job_asks_its_worker(self, api: Api) -> None:
        job = await add_job(api, state="running", token="t" * 32, lease_until=9e9)
        answer = await api.http.post(f"/api/jobs/{job}/cancel", headers=await api.headers("operator"))
        assert (answer.json()["state"], answer.json()["cancel"]) == ("running", True)

    async def test_retry_a_failed_job(self, api: Api) -> None:
        job = await add_job(api, state="failed", attempts=5, error="boom", finished_at=1.0)
        headers = await api.headers("operator")
        found = (await api.http.post(f"/api/jobs/{job}/retry", headers=headers)).json()
        assert (found["state"], found["attempts"], found["error"], found["finished_at"]) == ("queued", 0, None, None)
        assert (await api.http.post(f"/api/jobs/{job}/retry", headers=headers)).status_code == 409
        assert await audited(api) == [("jobs.retry", f"job:{job}")]

    async def test_changes_reach_live_pages(self, api: Api) -> None:
        job = await add_job(api)
        with api.app.state.pubsub.subscribe("jobs") as updates:
            await api.http.post(f"/api/jobs/{job}/cancel", headers=await api.headers("operator"))
            async with asyncio.timeout(20):
                async for message in updates:
                    if message.data.get("id") == job and message.data["state"] == "cancelled":
                        break


class TestSelfTest:
    async def test_a_real_encode_reports_its_speed(self, api: Api, api_settings: Settings) -> None:
        headers = await api.headers("operator")
        asked = await api.http.post("/api/jobs/selftest", json={"seconds": 1}, headers=headers)
        assert asked.status_code == 202
        job = asked.json()["id"]
        stop = asyncio.Event()
        with api.app.state.pubsub.subscribe("jobs") as updates:
            worker = asyncio.create_task(work(api_settings, stop))
            try:
                async with asyncio.timeout(60):
                    async for message in updates:
                        if message.data.get("id") == job and message.data["state"] in ("done", "failed"):
                            break
            finally:
                stop.set()
                await worker
        found = (await api.http.get(f"/api/jobs/{job}", headers=headers)).json()
        assert (found["state"], found["error"]) == ("done", None)
        assert found["result"]["frames"] == 30
        assert found["result"]["speed"] > 0

    @pytest.mark.parametrize("body", [{"seconds": 0}, {"seconds": 601}, {"seconds": "x"}, {"seconds": 5, "args": "-i"}])
    async def test_bounds(self, api: Api, body: dict[str, Any]) -> None:
        answer = await api.http.post("/api/jobs/selftest", json=body, headers=await api.headers("operator"))
        assert answer.status_code == 422
