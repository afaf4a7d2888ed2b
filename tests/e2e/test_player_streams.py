"""What the player says of its stream, its qualities, and how it goes on: figures, menu, lost connections, live keys."""

import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import ADMIN_PASSWORD, Site
from tests.e2e.watching import (
    LONG_MS,
    PERSON,
    Line,
    Station,
    becomes,
    choose_mode,
    choose_speed,
    finished_video,
    of_video,
    open_video,
    plays,
    record,
    recorded_video,
    shown_speed,
    time_of,
    wait_for,
)
from tests.media.fmp4.clips import ffmpeg9, parts_of, read_clip
from tests.running import Server, server_env, serving

from onetake.media.recording import RecordingWriter, WriterOptions, asset_folder, recording_place

RECORDED_S = 16
# Long enough for some steps back from the live edge to end well behind its beginning.
LIVE_S = 40
LIVE_TITLE, SIZES_TITLE = "Live lecture", "In two sizes"
AHEAD = """(v => {
    const ranges = Array.from({ length: v.buffered.length }, (_, i) => [v.buffered.start(i), v.buffered.end(i)])
    const found = ranges.find(([start, end]) => start <= v.currentTime + 0.1 && v.currentTime <= end)
    return found ? found[1] - v.currentTime : 0
})(document.querySelector('video'))"""


@pytest.fixture(scope="module")
def server(built_ui: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The product with its own data."""
    env = server_env(tmp_path_factory.mktemp("streams") / "data", ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
    with serving(env) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def station(server: Server) -> Station:
    return Station(server)


@pytest.fixture(scope="module")
def running(station: Station, browser: Any) -> dict[str, int]:
    """Sources by the titles of videos that are being recorded while the tests run."""
    clock = browser.new_page()
    sources = {LIVE_TITLE: station.source("Studio"), SIZES_TITLE: station.source("Laboratory")}
    for title, source in sources.items():
        record(station, clock, source, title)
    clock.close()
    return sources


@pytest.fixture(scope="module")
def live(running: dict[str, int]) -> int:
    """Number of a source that is being recorded."""
    return running[LIVE_TITLE]


@pytest.fixture(scope="module")
def recorded(station: Station, live: int, browser: Any) -> int:
    """Number of a finished video."""
    clock = browser.new_page()
    number = recorded_video(station, clock, "Lecture hall", "Streams", RECORDED_S)
    clock.close()
    return number


@pytest.fixture
def visitor(station: Station, open_site: Callable[..., Site]) -> Site:
    """The station for somebody who is not signed in."""
    return open_site(at=station.url, user_agent=PERSON)


def row(page: Page, name: str) -> str:
    return page.locator(f"[data-test=stat-{name}]").inner_text()


def figure(page: Page, name: str) -> float:
    """The number of a row of the statistics, which is one of seconds."""
    found = re.fullmatch(r"(\d+\.\d) s", row(page, name))
    assert found, row(page, name)
    return float(found[1])


def frames(page: Page) -> str:
    """Dropped and all frames, as the browser counts them."""
    return str(
        page.evaluate(
            "(q => `${q.droppedVideoFrames} / ${q.totalVideoFrames}`)"
            "(document.querySelector('video').getVideoPlaybackQuality())"
        )
    )


def test_the_figures_of_a_paused_recording_are_those_of_the_browser(visitor: Site, recorded: int) -> None:
    page = open_video(visitor, recorded)
    plays(page, 0.5)
    page.keyboard.press("s")
    page.keyboard.press("k")
    becomes(page, "v.paused && v.buffered.length === 1 && v.buffered.end(0) > v.duration - 0.2")
    expect(page.locator("[data-test=stat-buffer]")).to_have_text(page.evaluate(f"{AHEAD}.toFixed(1) + ' s'"))
    expect(page.locator("[data-test=stat-dropped]")).to_have_text(frames(page))
    assert int(row(page, "dropped").split(" / ")[1]) > 0
    expect(page.locator("[data-test=stat-protocol]")).to_have_text("HLS · hls.js")
    expect(page.locator("[data-test=stat-resolution]")).to_have_text("640 × 360")
    expect(page.locator("[data-test=stat-latency]")).to_have_text("–")
    page.keyboard.press("s")
    expect(page.locator("[data-test=player-stats]")).to_have_count(0)
    page.locator("[data-test=player-gear]").click()
    page.locator("[data-test=player-statistics]").check()
    expect(page.locator("[data-test=player-stats]")).to_be_visible()


@pytest.mark.parametrize("mode", ["low-latency", "flv"])
def test_the_figures_of_a_live_stream_follow_it(visitor: Site, live: int, mode: str) -> None:
    page = visitor.open(f"/watch/{live}")
    plays(page)
    if mode == "flv":
        choose_mode(page, mode)
        plays(page)
    page.keyboard.press("s")
    latency = page.locator("[data-test=stat-latency]")
    expect(latency).to_have_text(re.compile(r"^\d+\.\d s$"), timeout=LONG_MS)
    page.wait_for_function(
        f"""() => Math.abs(parseFloat(document.querySelector('[data-test=stat-buffer]').textContent) - {AHEAD}) < 0.5"""
    )
    before = figure(page, "latency")
    assert 0 < before < 15
    page.keyboard.press("k")
    becomes(page, "v.paused")
    page.wait_for_function(
        "least => parseFloat(document.querySelector('[data-test=stat-latency]').textContent) > least", arg=before + 2
    )
    expect(page.locator("[data-test=stat-dropped]")).to_have_text(frames(page))
    assert int(row(page, "dropped").split(" / ")[1]) > 0


def test_the_speed_outlasts_a_connection_that_is_lost(visitor: Site, recorded: int) -> None:
    page = visitor.context.new_page()
    line = Line(page, pieces=4)
    page.goto(f"{visitor.url}/video/{recorded}")
    plays(page, 0.3)
    choose_speed(page, "1.5")
    becomes(page, "v.playbackRate === 1.5 && v.readyState < 3")
    moment = time_of(page)
    line.snap()
    expect(page.locator("[data-test=player-notice]")).to_contain_text("Trying again", timeout=LONG_MS)
    page.unroute_all()
    becomes(page, f"v.currentTime > {moment} + 0.5")
    assert of_video(page, "playbackRate") == 1.5
    expect(shown_speed(page, "1.5×")).to_be_visible()
    visitor.watcher.forgive("net::ERR_FAILED")


def test_what_was_paused_stays_so_when_the_connection_comes_back(visitor: Site, recorded: int) -> None:
    page = visitor.context.new_page()
    line = Line(page, pieces=4)
    page.goto(f"{visitor.url}/video/{recorded}")
    plays(page, 0.3)
    page.keyboard.press("k")
    wait_for(page, lambda: line.holds)
    moment = time_of(page)
    line.snap()
    expect(page.locator("[data-test=player-notice]")).to_contain_text("Trying again", timeout=LONG_MS)
    page.unroute_all()
    expect(page.locator("[data-test=player-notice]")).to_have_count(0)
    becomes(page, "v.readyState >= 3")
    assert of_video(page, "paused") is True
    assert abs(time_of(page) - moment) < 0.1
    visitor.watcher.forgive("net::ERR_FAILED")


def test_what_never_came_begins_where_it_was_to_begin(visitor: Site, recorded: int) -> None:
    page = visitor.context.new_page()
    line = Line(page, pieces=0)
    page.goto(f"{visitor.url}/video/{recorded}?t=8")
    expect(page.locator("[data-test=player-time]")).to_contain_text("0:08 / 0:")
    wait_for(page, lambda: line.holds)
    line.snap()
    expect(page.locator("[data-test=player-notice]")).to_contain_text("Trying again", timeout=LONG_MS)
    page.unroute_all()
    becomes(page, "v.readyState >= 3")
    assert time_of(page) >= 8
    visitor.watcher.forgive("net::ERR_FAILED")


@pytest.fixture(scope="module")
def two_sizes(server: Server, station: Station, running: dict[str, int], browser: Any) -> int:
    """Number of a finished video that has got another size beside its own before anybody watched it."""
    clock = browser.new_page()
    number = finished_video(station, clock, running[SIZES_TITLE], SIZES_TITLE, RECORDED_S)
    clock.close()
    found = re.search(r"/vod/([^/]+)/", station.ask("GET", f"/api/videos/{number}/play")["hls_url"])
    assert found
    asset = uuid.UUID(found[1])
    original = next((asset_folder(server.data_dir, asset) / "source").glob("*.mp4"))
    small = server.data_dir / "small.mp4"
    command = [ffmpeg9(), "-v", "error", "-i", str(original), "-s", "320x180", "-preset", "ultrafast", "-g", "50"]
    subprocess.run([*command, "-c:a", "copy", str(small)], check=True, timeout=60, stdin=subprocess.DEVNULL)
    writer = RecordingWriter(recording_place(server.data_dir, asset, "small"), WriterOptions(0))
    for part in parts_of(read_clip(small)):
        writer.append(part)
    writer.close()
    return number


def sizes(page: Page) -> Locator:
    return page.get_by_role("group", name="Quality")


def test_a_size_is_chosen_where_there_are_several(visitor: Site, two_sizes: int) -> None:
    page = open_video(visitor, two_sizes)
    plays(page, 0.3)
    page.locator("[data-test=player-gear]").click()
    expect(sizes(page).locator("label")).to_have_text(["Automatic", "360p", "180p"])
    expect(sizes(page).get_by_role("radio", name="Automatic")).to_be_checked()
    page.locator("[data-test=player-statistics]").check()
    for height, resolution in ((180, "320 × 180"), (360, "640 × 360")):
        sizes(page).get_by_role("radio", name=f"{height}p").check()
        becomes(page, f"v.videoHeight === {height}")
        expect(page.locator("[data-test=stat-resolution]")).to_have_text(resolution)
        plays(page, 0.3)


def test_there_is_no_choice_of_sizes_where_there_is_one(visitor: Site, live: int) -> None:
    page = visitor.open(f"/watch/{live}")
    plays(page)
    page.locator("[data-test=player-gear]").click()
    expect(page.get_by_role("group", name="Playback")).to_be_visible()
    expect(sizes(page)).to_have_count(0)


def test_steps_back_from_the_live_edge_all_count(station: Station, visitor: Site, live: int) -> None:
    clock = visitor.context.new_page()
    wait_for(clock, lambda: station.video(LIVE_TITLE)["duration"] >= LIVE_S)
    page = open_video(visitor, int(station.video(LIVE_TITLE)["id"]))
    plays(page)
    speed_of_life(page)
    for _ in range(2):
        page.keyboard.press("j")
    expect(page.locator("[data-test=player]")).to_have_attribute("data-mode", "start")
    plays(page)
    bar = page.locator("[data-test=seek-bar]")
    behind = int(bar.get_attribute("aria-valuemax") or 0) - int(bar.get_attribute("aria-valuenow") or 0)
    assert 15 < behind < LIVE_S - 5
    page.keyboard.press("End")
    expect(page.locator("[data-test=player]")).to_have_attribute("data-mode", "low-latency")
    plays(page)
    # Chromium misses the stream of the first step, which nobody wanted any more.
    visitor.watcher.forgive("net::ERR_FILE_NOT_FOUND")


def speed_of_life(page: Page) -> None:
    """At the live edge there is no other speed to choose."""
    page.locator("[data-test=player-gear]").click()
    expect(page.get_by_role("group", name="Speed")).to_have_count(0)
    page.keyboard.press("Escape")
    page.keyboard.press(">")
    assert of_video(page, "defaultPlaybackRate") == 1
