"""Watching what is live: without a recording, back in its time-shift window, on a phone, and when a recording ends."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import ADMIN_PASSWORD, PHONE, Site, axe_violations, go, overflow_px
from tests.e2e.watching import LONG_MS, PERSON, Station, choose_mode, open_video, plays, record, time_of, wait_for
from tests.running import server_env, serving

STAGE, HALL = "开放舞台", "Members hall"
WINDOW_S = 600
# Long enough for its beginning to lie well behind the live edge.
BEHIND_S = 30


@pytest.fixture(scope="module")
def station(built_ui: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """The product with its own data: a public source with a window, and one for members."""
    env = server_env(tmp_path_factory.mktemp("live") / "data", ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
    with serving(env) as server:
        server.wait_until_ready()
        station = Station(server)
        station.source(STAGE, time_shift_s=WINDOW_S)
        station.source(HALL, visibility="members")
        yield station


@pytest.fixture
def visitor(station: Station, open_site: Callable[..., Site]) -> Site:
    """The station for somebody who is not signed in."""
    return open_site(at=station.url, user_agent=PERSON)


def player(page: Page) -> Locator:
    return page.locator("[data-test=player]")


def live_card(page: Page, name: str) -> Locator:
    return page.locator("[data-test=live-card]").filter(has_text=name)


def watch(site: Site, name: str) -> Page:
    """From the home page to the page of a live source, playing."""
    page = site.open("/")
    live_card(page, name).click(timeout=LONG_MS)
    plays(page)
    return page


def behind(page: Page) -> float:
    """Seconds between the playhead and the end of what can be played."""
    return float(
        page.evaluate("(v => v.seekable.end(v.seekable.length - 1) - v.currentTime)(document.querySelector('video'))")
    )


def test_guests_watch_public_sources_that_nobody_records(visitor: Site) -> None:
    page = watch(visitor, STAGE)
    expect(page.get_by_role("heading", level=1)).to_have_text(STAGE)
    assert page.title() == f"{STAGE} · OneTake"
    expect(player(page)).to_have_attribute("data-mode", "low-latency")
    expect(page.locator("[data-test=live-viewers]")).to_have_text("1 watching", timeout=LONG_MS)
    visitor.watcher.note_violations(page)
    assert overflow_px(page) == 0
    assert axe_violations(page) == []
    go(page, "/")
    expect(live_card(page, STAGE)).to_be_visible()
    expect(live_card(page, HALL)).to_have_count(0)
    assert axe_violations(page) == []


def test_a_live_source_shows_what_it_shows_now(visitor: Site) -> None:
    page = visitor.open("/")
    picture = live_card(page, STAGE).locator("[data-test=still]")
    expect(picture).to_be_visible(timeout=LONG_MS)
    wait_for(page, lambda: picture.evaluate("image => image.naturalWidth") == 640)
    before = picture.get_attribute("src")
    with page.expect_response(lambda answer: "/poster.jpg?at=" in answer.url, timeout=LONG_MS) as asked:
        pass
    assert asked.value.status == 200
    assert asked.value.headers["content-type"] == "image/jpeg"
    assert picture.get_attribute("src") != before
    assert STAGE in live_card(page, STAGE).inner_text()
    live_card(page, STAGE).click()
    poster = page.locator("video").get_attribute("poster")
    assert poster is not None
    assert poster in str(before), "the same address as in the list"


def test_members_sources_ask_to_sign_in_and_play_then(station: Station, visitor: Site) -> None:
    hall = next(source["id"] for source in station.ask("GET", "/api/live") if source["name"] == HALL)
    page = visitor.open(f"/watch/{hall}")
    expect(page.locator("[data-test=members-only]")).to_contain_text("for members only")
    assert page.title() == "Sign in to watch · OneTake"
    go(page, "/watch/999999")
    expect(page.locator("[data-test=video-missing]")).to_be_visible()
    page = visitor.sign_in()
    go(page, f"/watch/{hall}")
    plays(page)
    expect(page.locator("[data-test=seek-bar]")).to_have_count(0)


def test_a_window_is_rewound_and_left_again(visitor: Site) -> None:
    page = watch(visitor, STAGE)
    bar = page.locator("[data-test=seek-bar]")
    page.wait_for_function(
        "least => Number(document.querySelector('[data-test=seek-bar]').ariaValueMax) > least",
        arg=BEHIND_S,
        timeout=LONG_MS,
    )
    box = bar.bounding_box()
    assert box is not None
    bar.click(position={"x": box["width"] * 0.1, "y": 10})
    expect(player(page)).to_have_attribute("data-mode", "shift")
    plays(page)
    assert behind(page) > BEHIND_S / 2
    bar.click(position={"x": box["width"] * 0.5, "y": 10})
    page.wait_for_function("() => !document.querySelector('video').seeking")
    assert 3 < behind(page) < BEHIND_S * 3 / 4 + 20
    page.keyboard.press("s")
    expect(page.locator("[data-test=stat-latency]")).to_have_text(re.compile(r"^\d+\.\d s$"))
    expect(page.locator("[data-test=stat-bitrate]")).to_contain_text("bit/s")
    page.locator("[data-test=player-live]").click()
    expect(player(page)).to_have_attribute("data-mode", "low-latency")
    plays(page)
    visitor.watcher.note_violations(page)


def test_the_latency_of_flv_is_measured(visitor: Site) -> None:
    page = watch(visitor, STAGE)
    choose_mode(page, "flv")
    plays(page)
    page.locator("[data-test=player-statistics]").check()
    expect(page.locator("[data-test=stat-latency]")).to_have_text(re.compile(r"^\d+\.\d s$"), timeout=LONG_MS)


def test_the_preview_of_a_source_is_rewound_too(station: Station, open_site: Callable[..., Site]) -> None:
    page = open_site(at=station.url).sign_in()
    go(page, "/admin/sources")
    page.get_by_role("article", name=STAGE).locator("[data-test=source-preview]").click()
    plays(page)
    page.wait_for_function(
        "least => Number(document.querySelector('[data-test=seek-bar]').ariaValueMax) > least",
        arg=BEHIND_S,
        timeout=LONG_MS,
    )
    page.locator("[data-test=seek-bar]").click(position={"x": 20, "y": 10})
    expect(player(page)).to_have_attribute("data-mode", "shift")
    plays(page)


def test_fingers_find_the_controls_again(station: Station, open_site: Callable[..., Site]) -> None:
    site = open_site(at=station.url, viewport=PHONE, has_touch=True, is_mobile=True)
    page = watch(site, STAGE)
    hidden = re.compile(r"\bhidden\b")
    expect(player(page)).to_have_class(hidden)
    tap(page)
    expect(player(page)).not_to_have_class(hidden)
    assert page.evaluate("document.querySelector('video').paused") is False
    tap(page)
    page.wait_for_function("() => document.querySelector('video').paused")
    tap(page)
    page.wait_for_function("() => !document.querySelector('video').paused")
    expect(player(page)).to_have_class(hidden)
    tap(page)
    page.locator("[data-test=player-gear]").tap()
    panel, picture = page.locator("[data-test=player-settings]").bounding_box(), player(page).bounding_box()
    assert panel is not None
    assert picture is not None
    assert panel["y"] >= picture["y"]
    page.locator("[data-test=player-statistics]").tap()
    expect(page.locator("[data-test=player-stats]")).to_be_visible()


def tap(page: Page) -> None:
    """A finger on the upper part of the picture, away from every button."""
    page.locator("video").tap(position={"x": 80, "y": 60})


def test_a_live_recording_is_caught_up_with_and_its_end_is_said(station: Station, visitor: Site) -> None:
    source = station.source("Studio")
    clock = visitor.context.new_page()
    record(station, clock, source, "Take one")
    home = visitor.open("/")
    card = home.locator("[data-test=home-live] [data-test=video-card]").filter(has_text="Take one")
    expect(card.locator("[data-test=still]")).to_be_visible(timeout=LONG_MS)
    expect(card).to_contain_text("Started")
    wait_for(clock, lambda: station.video("Take one")["duration"] >= BEHIND_S)
    page = open_video(visitor, int(station.video("Take one")["id"]))
    plays(page)
    choose_mode(page, "start")
    plays(page, 0.3)
    assert time_of(page) < BEHIND_S / 2
    page.locator("[data-test='choice-1.5']").check()
    page.wait_for_function("() => document.querySelector('video').playbackRate === 1.5")
    page.keyboard.press("Escape")
    page.locator("[data-test=player-live]").click()
    expect(player(page)).to_have_attribute("data-mode", "low-latency")
    plays(page)

    station.ask("POST", f"/api/sources/{source}/record/stop", {})
    notice = page.locator("[data-test=player-notice]")
    expect(notice).to_contain_text("This recording has ended", timeout=LONG_MS)
    expect(page.locator("[data-test=player-live]")).to_have_count(0)
    page.locator("[data-test=player-watch-all]").click()
    expect(player(page)).to_have_attribute("data-mode", "start")
    plays(page)
    assert time_of(page) < BEHIND_S / 2
    go(page, "/")
    expect(live_card(page, "Studio")).to_be_visible()
