"""What viewers see of live sources, by visibility, over HTTP. The media server is a real one where media matter."""

import time
from typing import Any

import pytest
from tests.api_fixtures import Api

from onetake.kit.clock import utc_now
from onetake.kit.signing import Keyring, Method, ScopeKind, verify
from onetake.sources.live import live_view
from onetake.sources.models import LiveSource
from onetake.sources.playback import live_poster

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
    kept = {
        "id",
        "name",
        "visibility",
        "is_live",
        "is_interrupted",
        "on_demand",
        "since",
        "viewers",
        "poster_url",
        "link_key",
    }
    assert view.keys() == kept


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
    view = live_view(source, detail, "/poster.jpg")
    assert (view.is_live, view.on_demand, view.viewers) == (True, False, 3)
    assert view.poster_url is None, "no picture among the tracks"
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


@pytest.mark.parametrize(
    ("state", "kinds", "has_one"),
    [
        ("pushing", ["video", "audio"], True),
        ("stalled", ["video"], True),
        ("grace", ["video", "audio"], True),
        ("pushing", ["audio"], False),
        ("pushing", [], False),
        ("offline", ["video"], False),
    ],
)
def test_a_poster_of_what_has_pictures(state: str, kinds: list[str], has_one: bool) -> None:
    now = utc_now()
    source = LiveSource(
        id=7, name="Hall", visibility="public", is_active=True, pull_mode="always", created_at=now, updated_at=now
    )
    detail = {"name": "abc", "state": state, "viewers": 0, "tracks": [{"kind": kind} for kind in kinds]}
    assert live_view(source, detail, "/poster.jpg").poster_url == ("/poster.jpg" if has_one else None)
    assert live_view(source, detail, "/poster.jpg").is_interrupted == (state in ("grace", "stalled"))
    assert live_view(source, None, "/poster.jpg").poster_url is None


def test_the_address_of_a_poster_opens_this_stream_and_stays_the_same_for_hours() -> None:
    keyring = Keyring.from_secret(b"k" * 32)
    source = LiveSource(id=7, stream_name="abc", grant_generation=2)
    address = live_poster(keyring, source, "user.1")
    assert address == live_poster(keyring, source, "user.1")
    assert address != live_poster(keyring, source, "guest")
    grant = verify(address.split("/")[2], keyring)
    assert address.endswith("/live/abc/poster.jpg")
    assert (grant.method, grant.scope_kind, grant.scope) == (Method.LOOK, ScopeKind.STREAM, "live:abc.2")
    assert 6 * 3600 <= grant.expires_s - time.time() <= 12 * 3600 + 1
