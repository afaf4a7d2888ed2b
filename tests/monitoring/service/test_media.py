"""The media server's figures as the system page sums them up."""

from pathlib import Path
from typing import Any

from tests.engine.peers import make_clip, pushing
from tests.engine.servers import live, until

from onetake.infra.db import Database
from onetake.infra.mediaserver import FileServer, MediaServer
from onetake.kit.clock import utc_now
from onetake.kit.errors import LANGS
from onetake.media.ffmpeg.errors import SourceUnreachable
from onetake.monitoring.schemas import MediaFigures
from onetake.monitoring.service.media import MediaLook, MediaMeter, Rate, figures_of
from onetake.monitoring.service.stations import stations
from onetake.recordings.models import RecordTask
from onetake.sources.models import LiveSource

SECRET = "s" * 32


def stream(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "state": "offline", "viewers": 0, "recording": None, "paused": None, "pull": None} | fields


def test_sums_over_the_streams() -> None:
    pushed = stream(state="pushing", viewers=3, recording="x", publisher={"type": "push"})
    pulled = stream(state="stalled", recording="y", paused="disk_full", publisher={"type": "pull"})
    failing = stream(pull={"state": "retrying", "error": "source_unreachable"})
    figures = figures_of([pushed, stream(state="grace", viewers=1), pulled, failing, stream()])
    assert (figures.reachable, figures.streams_live, figures.viewers) == (True, 2, 4)
    assert (figures.publishers, figures.pulls, figures.pulls_in_trouble) == (1, 1, 1)
    assert (figures.recordings, figures.recordings_paused) == (1, 1)


def test_a_rate_is_the_mean_of_ten_seconds_and_begins_anew_with_the_counter() -> None:
    rate = Rate()
    assert rate.bits_per_s(0.0, 1_000_000) == 0
    assert rate.bits_per_s(2.0, 1_500_000) == 2_000_000
    for second in range(3, 40):
        rate.bits_per_s(float(second), 1_500_000 + (second - 2) * 250)
    assert rate.bits_per_s(40.0, 1_500_000 + 38 * 250) == 2000, "what was before is forgotten"
    assert rate.bits_per_s(41.0, 10) == 0
    assert rate.bits_per_s(42.0, 510) == 4000


async def test_a_real_server_is_measured_also_without_its_file_process(tmp_path: Path) -> None:
    async with live(tmp_path, standalone=False, control_secret=SECRET) as server:
        config = {"key_hashes": [], "record": "auto", "pull": {"url": "builtin:pattern"}}
        bad = {"key_hashes": [], "record": "manual", "pull": {"url": "rtmp://127.0.0.1:1/live/x"}}
        auth = {"Authorization": f"Bearer {SECRET}"}
        await server.call("PUT", "/control/streams/cam", config, **auth)
        await server.call("PUT", "/control/streams/bad", bad, **auth)
        media, files = MediaServer(server.url(""), SECRET), FileServer("http://127.0.0.1:1", SECRET)
        meter = MediaMeter(media, files)
        await meter.measure()
        await server.part("cam", 3)
        await until(lambda: "error" in (server.server.pulls.status("bad") or {}))
        look = await meter.measure()
        await media.close()
        await files.close()
    figures = look.figures
    assert (figures.reachable, figures.streams_live, figures.pulls, figures.publishers) == (True, 1, 1, 0)
    assert (figures.recordings, figures.pulls_in_trouble) == (1, 1)
    assert figures.in_bits_per_s > 0
    assert figures.out_bits_per_s == 0
    assert list(look.failing_pulls) == ["bad"]


async def test_publishers_and_viewers_are_counted(tmp_path: Path) -> None:
    async with live(tmp_path, control_secret=SECRET) as server:
        media, files = MediaServer(server.url(""), SECRET), FileServer("http://127.0.0.1:1", SECRET)
        meter = MediaMeter(media, files)
        await meter.measure()
        async with pushing(make_clip(tmp_path, "h264_aac", 5), server.rtmp("cam")):
            await server.part("cam", 2)
            async with server.http.get(server.url("/live/cam.flv")) as player:
                await player.content.readexactly(10_000)
                server.server.players.account()
                figures = (await meter.measure()).figures
        await media.close()
        await files.close()
    assert (figures.publishers, figures.pulls, figures.viewers) == (1, 0, 1)
    assert figures.viewers_by_protocol == {"flv": 1}
    assert figures.out_bits_per_s > 0


async def test_one_that_does_not_answer_is_away() -> None:
    media, files = MediaServer("http://127.0.0.1:1", SECRET), FileServer("http://127.0.0.1:1", SECRET)
    look = await MediaMeter(media, files).measure()
    assert look == MediaLook(MediaFigures(reachable=False))
    await media.close()
    await files.close()


def source(number: int, name: str) -> LiveSource:
    fields: dict[str, Any] = {"created_at": utc_now(), "updated_at": utc_now(), "protocol": "rtmp", "url": "rtmp://x/y"}
    return LiveSource(id=number, name=name, stream_name=f"s{number}", **fields)


def task(number: int, name: str, **fields: Any) -> RecordTask:
    common: dict[str, Any] = {"trigger": "manual", "title": "t", "created_at": utc_now(), "updated_at": utc_now()}
    return RecordTask(source_id=number, open_source_id=number, source_name=name, file_size=7, **common, **fields)


async def test_troubles_have_the_names_of_their_sources(sqlite_database: Database) -> None:
    async with sqlite_database.write() as session:
        session.add_all([source(1, "大礼堂"), source(2, "排练厅"), source(3, "门口")])
        await session.flush()
        session.add_all([task(2, "排练厅", status="recording"), task(1, "大礼堂", status="recording")])
        session.add(task(3, "门口", status="pending"))
    pull = {"state": "retrying", "error": SourceUnreachable.code, "detail": "It is away.", "since_s": 1_700_000_000.0}
    streams = [stream(name="s1", recording="x", paused="disk_full"), stream(name="s3", pull=pull)]
    look = MediaLook(MediaFigures(reachable=True), streams)
    reasons = set()
    for lang in LANGS:
        found = await stations(sqlite_database, look, lang)
        shown = [(recorder.source_name, recorder.state) for recorder in found.recorders]
        assert shown == [("大礼堂", "paused"), ("门口", "waiting"), ("排练厅", "recording")]
        (trouble,) = found.pulls
        assert (trouble.source_id, trouble.source_name, trouble.state) == (3, "门口", "retrying")
        reasons |= {found.recorders[0].reason, trouble.reason}
    assert len(reasons) == 6, "each reason in each language"


async def test_an_unknown_reason_is_a_disk_error(sqlite_database: Database) -> None:
    async with sqlite_database.write() as session:
        session.add(source(1, "Hall"))
        await session.flush()
        session.add(task(1, "Hall", status="recording"))
    look = MediaLook(MediaFigures(reachable=True), [stream(name="s1", recording="x", paused="something_new")])
    assert (await stations(sqlite_database, look, "en")).recorders[0].reason == "The disk reports errors."
