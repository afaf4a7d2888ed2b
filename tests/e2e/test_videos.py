"""Watching and managing videos: the built-in test source, recorded for real, in a real player."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browsing import PHONE, Site, axe_violations, go, overflow_px, settle
from tests.e2e.watching import (
    LONG_MS,
    PERSON,
    Station,
    choose_mode,
    open_video,
    plays,
    record,
    recorded_video,
    wait_for,
)

RECORDED_S = 10
# Long enough for its beginning to lie well behind the live edge.
BEHIND_S = 18
TITLE = "高等数学 第一讲"
LIVE_TITLE = "Live lecture"


@pytest.fixture(scope="module")
def recorded(station: Station, browser: Any) -> int:
    """Number of a finished video of about ten seconds with its pictures."""
    clock = browser.new_page()
    number = recorded_video(station, clock, "Lecture hall", TITLE, RECORDED_S)
    clock.close()
    return number


@pytest.fixture(scope="module")
def live(station: Station, browser: Any) -> int:
    """Number of a video that is being recorded while the tests run."""
    clock = browser.new_page()
    record(station, clock, station.source("Studio"), LIVE_TITLE)
    wait_for(clock, lambda: station.video(LIVE_TITLE)["duration"] >= BEHIND_S)
    clock.close()
    return int(station.video(LIVE_TITLE)["id"])


@pytest.fixture
def visitor(station: Station, open_site: Callable[..., Site]) -> Site:
    """The station for somebody who is not signed in."""
    return open_site(at=station.url, user_agent=PERSON)


def check_page(site: Site, page: Page) -> None:
    """No policy broken, nothing wider than the window, accessible."""
    site.watcher.note_violations(page)
    assert overflow_px(page) == 0
    assert axe_violations(page) == []


def test_from_the_home_page_to_a_playing_video(visitor: Site, recorded: int) -> None:
    page = visitor.open("/")
    card = page.locator("[data-test=home-latest] [data-test=video-card]").filter(has_text=TITLE)
    expect(card).to_contain_text("Lecture hall")
    picture = card.locator("[data-test=poster]")
    page.wait_for_function("image => image.naturalWidth > 0", arg=picture.element_handle(), timeout=LONG_MS)
    card.hover(position={"x": 40, "y": 40})
    expect(card.locator("[data-test=card-tile]")).to_be_visible()
    check_page(visitor, page)
    card.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    plays(page)
    assert page.evaluate("document.querySelector('video').poster.includes('/poster.jpg?v=')")
    check_page(visitor, page)


def test_seeking_by_mouse_and_keyboard_with_previews(visitor: Site, recorded: int) -> None:
    page = open_video(visitor, recorded)
    plays(page, 0.3)
    bar = page.locator("[data-test=seek-bar]")
    box = bar.bounding_box()
    assert box is not None
    bar.hover(position={"x": box["width"] * 0.6, "y": 10})
    expect(page.locator("[data-test=seek-tile]")).to_be_visible()
    bar.click(position={"x": box["width"] * 0.6, "y": 10})
    page.wait_for_function("() => document.querySelector('video').currentTime > 5")
    page.locator("[data-test=player]").focus()
    page.keyboard.press("k")
    page.wait_for_function("() => document.querySelector('video').paused")
    page.keyboard.press("2")
    page.wait_for_function("() => Math.abs(document.querySelector('video').currentTime - 2) < 1.5")
    page.keyboard.press(">")
    assert page.evaluate("document.querySelector('video').playbackRate") == 1.25
    page.keyboard.press("m")
    assert page.evaluate("document.querySelector('video').muted") is True
    visitor.watcher.note_violations(page)


def test_live_by_low_latency_hls_by_flv_and_from_the_beginning(visitor: Site, live: int) -> None:
    page = open_video(visitor, live)
    expect(page.locator("[data-test=player]")).to_have_attribute("data-mode", "low-latency")
    plays(page)
    choose_mode(page, "flv")
    plays(page)
    page.locator("[data-test=player-statistics]").check()
    expect(page.locator("[data-test=stat-protocol]")).to_contain_text("HTTP-FLV")
    expect(page.locator("[data-test=stat-resolution]")).to_have_text("640 × 360")
    choose_mode(page, "start")
    plays(page)
    expect(page.locator("[data-test=player-live]")).to_have_text("Back to live")
    check_page(visitor, page)
    page.keyboard.press("Escape")
    page.locator("[data-test=player-live]").click()
    expect(page.locator("[data-test=player]")).to_have_attribute("data-mode", "low-latency")
    plays(page)
    visitor.watcher.note_violations(page)


def test_a_stream_that_cannot_be_loaded_is_said_in_words_and_tried_again(visitor: Site, recorded: int) -> None:
    page = visitor.context.new_page()
    page.clock.install()
    page.route("**/index.m3u8", lambda route: route.abort())
    page.goto(f"{visitor.url}/video/{recorded}")
    retry = page.locator("[data-test=player-retry]")
    for _ in range(600):  # its seconds are short: attempts take as long as they do
        if retry.count() > 0:
            break
        page.clock.run_for(1000)
    expect(page.locator("[data-test=player-notice]")).to_contain_text("could not be played")
    page.unroute("**/index.m3u8")
    page.clock.resume()
    retry.click()
    plays(page, 0.5)
    # Fresh addresses begin anew what the button has begun; Chromium misses the stream that is thrown away by that.
    visitor.watcher.forgive("net::ERR_(FAILED|FILE_NOT_FOUND)")


def test_the_position_is_kept_and_a_view_is_counted(
    station: Station, open_site: Callable[..., Site], recorded: int
) -> None:
    before = station.video(TITLE)["view_count"]
    page = open_site(at=station.url, user_agent=PERSON).sign_in()
    go(page, f"/video/{recorded}")
    with page.expect_request("**/api/videos/views", timeout=LONG_MS):
        plays(page, 5.5)
    wait_for(page, lambda: station.video(TITLE)["view_count"] == before + 1)
    station.ask("POST", f"/api/videos/{recorded}/progress", {"position": 0, "duration": RECORDED_S})


def test_members_only_and_unknown_videos(station: Station, visitor: Site, recorded: int) -> None:
    station.ask("PUT", f"/api/videos/{recorded}", {"visibility": "members"})
    try:
        page = visitor.open(f"/video/{recorded}")
        expect(page.locator("[data-test=members-only]")).to_contain_text("Sign in")
        go(page, "/video/999999")
        expect(page.locator("[data-test=video-missing]")).to_be_visible()
    finally:
        station.ask("PUT", f"/api/videos/{recorded}", {"visibility": "public"})


def test_search_finds_chinese_words_and_keeps_its_filters_in_the_address(
    visitor: Site, recorded: int, live: int
) -> None:
    page = visitor.open("/search?q=数学")
    expect(page.locator("[data-test=video-card]")).to_have_count(1)
    go(page, "/search?type=live")
    expect(page.locator("[data-test=video-card]")).to_contain_text(LIVE_TITLE)
    go(page, "/search?q=nothing-of-that-name")
    expect(page.locator("[data-test=empty]")).to_contain_text("No videos found")
    check_page(visitor, page)


def test_a_phone_shows_all_without_scrolling_sideways(
    station: Station, open_site: Callable[..., Site], recorded: int
) -> None:
    site = open_site(at=station.url, viewport=PHONE, has_touch=True, is_mobile=True)
    for path in ("/", "/search", f"/video/{recorded}"):
        page = site.open(path)
        assert overflow_px(page) == 0, path
    plays(page, 0.5)
    page = site.sign_in()
    go(page, "/admin/videos")
    assert overflow_px(page) == 0
    site.watcher.note_violations(page)


def test_videos_are_edited_trashed_and_brought_back(
    station: Station, open_site: Callable[..., Site], recorded: int
) -> None:
    site = open_site(at=station.url)
    page = site.sign_in()
    go(page, "/admin/videos?q=数学")
    row = page.locator(f"tr[data-row='{recorded}']")
    row.locator("[data-test=video-edit]").click()
    sheet = page.get_by_role("dialog")
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 2", timeout=LONG_MS)
    assert page.evaluate("document.querySelector('video').paused") is True
    sheet.locator("[data-test=player-toggle]").click()
    plays(page, 0.3)
    sheet.locator("textarea[name=description]").fill("Limits and continuity.")
    with page.expect_response("**/poster") as answered:
        sheet.locator("[data-test=set-poster]").click()
    assert answered.value.status == 202
    sheet.locator("[data-test=video-save]").click()
    expect(sheet).to_be_hidden()
    assert station.video(TITLE)["description"] == "Limits and continuity."
    check_page(site, page)

    row.locator("[data-test=video-trash]").click()
    expect(row).to_have_count(0)
    page.locator("[data-test=undo]").click()
    expect(row).to_be_visible()

    row.locator("[data-test=video-choose]").click()
    page.locator("[data-test=bulk-protect]").click()
    expect(row).to_contain_text("Protected")
    page.locator("[data-test=retention]").click()
    expect(page.get_by_role("dialog")).to_contain_text("Every video is within its time.")
    page.get_by_role("dialog").get_by_text("Ahead of a full disk").click()
    expect(page.get_by_role("dialog")).to_contain_text(
        re.compile("No video could make room|When the disk is nearly full")
    )
    site.watcher.note_violations(page)


def test_the_original_is_downloaded(visitor: Site, recorded: int, tmp_path: Path) -> None:
    page = open_video(visitor, recorded)
    settle(page)
    page.locator("[data-test=video-download]").click()
    with page.expect_download() as started:
        page.locator("[data-test=download-original]").click()
    target = tmp_path / "video.mp4"
    started.value.save_as(target)
    assert target.read_bytes()[4:8] == b"ftyp"
    assert started.value.suggested_filename.endswith(".mp4")
