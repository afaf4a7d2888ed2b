"""What viewers see of live sources, by visibility, over HTTP. The media server is a real one where media matter."""

from typing import Any

import pytest
from tests.api_fixtures import Api

from onetake.kit.clock import utc_now
from onetake.sources.live import live_view
from onetake.sources.models import LiveSource

VISIBILITIES = ("public", "unlisted", "members", "private")
ON_DEMAND = {"protocol": "rtmp", "url": "rtmp://203.0.113.7/live/hall", "pull_mode": "on_demand"}
SEEN = {"anonymous": ["public"], "member": ["members", "public"], "operator": sorted(VISIBILITIES)}
OPEN = {
    "anonymous": {"public": 200, "unlisted": 404, "members": 401, "private": 404},
    "member": {"public": 200, "unlisted": 404, "members": 200, "private": 404},
    "operator": dict.fromkeys(VISIBILITIES, 200),
}


async def add(api: Api, **fields: Any) -> int:
    """A source; on demand it can be watched although nothing comes in."""
    made = await api.http.post("/api/sources", json=ON_DEMAND | fields, headers=await api.headers("admin"))
    assert made.status_code == 201, made.text
    number: int = made.json()["id"]
    return number


async def headers_of(api: Api, role: str) -> dict[str, str]:
    return {} if role == "anonymous" else await api.headers(role)


@pytest.mark.parametrize("role", SEEN)
async def test_lists_and_plays_by_visibility(api: Api, role: str) -> None:
    numbers = {name: await add(api, name=name, visibility=name) for name in VISIBILITIES}
    await add(api, name="off", visibility="public", is_active=False)
    await add(api, name="dark", visibility="public", protocol="push", url=None, pull_mode="always")
    headers = await headers_of(api, role)
    listed = (await api.http.get("/api/live", headers=headers)).json()
    assert [view["name"] for view in listed] == SEEN[role]
    assert all(view["on_demand"] and not view["is_live"] for view in listed)
    for name, number in numbers.items():
        for path in (f"/api/live/{number}", f"/api/sources/{number}/play"):
            assert (await api.http.get(path, headers=headers)).status_code == OPEN[role][name], (path, name)


async def test_an_unlisted_one_opens_by_its_link(api: Api) -> None:
    number, other = (
        await add(api, name="Hall", visibility="unlisted"),
        await add(api, name="Stage", visibility="unlisted"),
    )
    seen = (await api.http.get(f"/api/live/{number}", headers=await api.headers("operator"))).json()
    key = {"X-Link-Key": seen["link_key"]}
    assert (await api.http.get(f"/api/live/{number}", headers=key)).json()["link_key"] is None
    assert (await api.http.get(f"/api/sources/{number}/play", headers=key)).status_code == 200
    assert (await api.http.get(f"/api/sources/{other}/play", headers=key)).status_code == 404


async def test_nothing_of_an_address_or_a_key_is_shown(api: Api) -> None:
    number = await add(api, name="Hall", visibility="public")
    view = (await api.http.get(f"/api/live/{number}")).json()
    assert view.keys() == {"id", "name", "visibility", "is_live", "on_demand", "since", "viewers", "link_key"}


async def test_a_window_has_an_address(api: Api) -> None:
    without = await add(api, name="Hall", visibility="public")
    shifted = await add(api, name="Stage", visibility="public", time_shift_s=600)
    play = (await api.http.get(f"/api/sources/{without}/play")).json()
    assert (play["time_shift_url"], play["time_shift_s"]) == (None, 0)
    play = (await api.http.get(f"/api/sources/{shifted}/play")).json()
    assert (play["time_shift_url"], play["time_shift_s"]) == (play["live_url"] + "?dvr=1", 600)


def test_a_live_source_with_its_audience() -> None:
    now = utc_now()
    source = LiveSource(
        id=7, name="Hall", visibility="public", is_active=True, pull_mode="always", created_at=now, updated_at=now
    )
    detail = {"name": "abc", "state": "pushing", "viewers": 3, "started_ms": 1_795_000_000_000}
    view = live_view(source, detail)
    assert (view.is_live, view.on_demand, view.viewers) == (True, False, 3)
    assert view.since is not None
    assert view.since.year == 2026
    source.pull_mode = "on_demand"
    assert live_view(source, {"state": "offline", "pull": {"state": "idle"}}).on_demand
    assert not live_view(source, {"state": "offline", "pull": {"state": "failed"}}).on_demand
    assert live_view(source, {"state": "grace"}).is_live
    assert not live_view(source, {"state": "offline"}).is_live
    assert not live_view(source, None).is_live
    source.is_active = False
    assert not live_view(source, detail).is_live
