"""A source on demand through the real product: looked at while it rests, fetched to be recorded, at rest again."""

import pytest
from tests.running import server_env, serving
from tests.station import PASSWORD, Station


@pytest.mark.slow
def test_an_idle_source_says_whether_it_could_be_had(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("rare") / "data"
    env = server_env(data, ONETAKE_ADMIN_PASSWORD=PASSWORD, ONETAKE_PULL_ALLOW="127.0.0.1")
    with serving(env) as server:
        server.wait_until_ready()
        station = Station(env)
        origin = station.call("POST", "/api/sources", {"name": "Origin", "protocol": "test", "visibility": "public"})
        station.until_live(origin["id"])
        flv = station.media_url(station.call("GET", f"/api/sources/{origin['id']}/play")["flv_url"])
        rare = {"protocol": "http-flv", "pull_mode": "on_demand"}
        good = station.call("POST", "/api/sources", rare | {"name": "There", "url": flv})["id"]
        bad = station.call(
            "POST", "/api/sources", rare | {"name": "Gone", "url": flv.replace(origin["stream_name"], "x")}
        )

        found = station.until(f"/api/sources/{good}/status", lambda status: status["online"])
        assert (found["state"], found["codec"], found["fps"]) == ("idle", "h264", None)
        lost = station.until(f"/api/sources/{bad['id']}/status", lambda status: status["error_code"])
        assert (lost["state"], lost["online"]) == ("failed", False)
        assert lost["last_error"]

        task = station.record(good)
        assert station.until_live(good)["fps"]
        assert station.call("POST", f"/api/sources/{good}/record/stop")["id"] == task
        assert station.until_ended(task)["status"] == "completed"
        station.http.close()
        assert server.stop() == 0
