"""The audit log page over HTTP."""

from datetime import timedelta

import pytest
from tests.api_fixtures import Api

from onetake.infra.audit import AuditEntry, audit
from onetake.infra.context import Actor, acting_as
from onetake.kit.clock import utc_now


async def note(api: Api, action: str, target: str, actor: str = "lin", age_h: float = 0.0) -> None:
    async with api.db.write() as session:
        with acting_as(Actor(kind="user", user_id=7, name=actor, ip="192.0.2.7", request_id="r-1")):
            entry: AuditEntry = await audit(session, action=action, target=target, before={"a": 1}, after={"a": 2})
        entry.at = utc_now() - timedelta(hours=age_h)


async def targets(api: Api, **query: str) -> list[str]:
    answer = await api.http.get("/api/audit", params=query, headers=await api.headers("admin"))
    assert answer.status_code == 200, answer.text
    return [entry["target"] for entry in answer.json()["items"]]


async def test_filters(api: Api) -> None:
    await note(api, "users.update", "user:1", age_h=3)
    await note(api, "jobs.cancel", "job:5", actor="wei", age_h=2)
    await note(api, "users.delete", "user:2", age_h=1)
    assert await targets(api) == ["user:2", "job:5", "user:1"]
    assert await targets(api, action="users.") == ["user:2", "user:1"]
    assert await targets(api, actor="WE") == ["job:5"]
    assert await targets(api, target="user:1") == ["user:1"]
    assert await targets(api, target="user%") == []
    moment = (utc_now() - timedelta(hours=1.5)).isoformat()
    assert await targets(api, **{"from": moment}) == ["user:2"]
    assert await targets(api, to=moment) == ["job:5", "user:1"]
    assert await targets(api, per_page="1", page="2") == ["job:5"]


async def test_one_entry_tells_everything(api: Api) -> None:
    await note(api, "users.update", "user:1")
    answer = await api.http.get("/api/audit", headers=await api.headers("admin"))
    (entry,) = answer.json()["items"]
    assert entry["actor"] == "lin"
    assert (entry["actor_id"], entry["actor_kind"]) == (7, "user")
    assert (entry["ip"], entry["request_id"]) == ("192.0.2.7", "r-1")
    assert (entry["before"], entry["after"]) == ({"a": 1}, {"a": 2})


@pytest.mark.parametrize("query", ["from=yesterday", "to=2026-01-01T00:00:00", "actor=%00", "page=0"])
async def test_bad_queries(api: Api, query: str) -> None:
    answer = await api.http.get(f"/api/audit?{query}", headers=await api.headers("admin"))
    assert answer.status_code == 422
