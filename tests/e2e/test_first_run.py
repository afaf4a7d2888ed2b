"""The first hour of a newcomer by the guide: see a picture, record it, watch it, push with OBS. Clicks are counted."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from tests.e2e.browsing import ADMIN_PASSWORD, PHONE, Site, axe_violations, go, overflow_px, settle
from tests.running import Server, relative, server_env, serving

EIGHT_SECONDS_OR_MORE = re.compile(r"^\s*(0:0[89]|0:[1-5]\d|[1-9]\d*:\d\d)\s*$")
MEDIA_MS = 60_000
# The counter of views ignores robots, and so the browser of a test must not look like one.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
COUNT_CLICKS = """
addEventListener('click', (event) => {
  if (event.isTrusted) sessionStorage.setItem('clicks', Number(sessionStorage.getItem('clicks')) + 1)
}, true)
"""


@pytest.fixture
def fresh(built_ui: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody has used."""
    env = server_env(relative(tmp_path_factory.mktemp("fresh") / "data"), ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
    with serving(env) as running:
        running.wait_until_ready()
        yield running


def clicks(page: Page) -> int:
    """How often the mouse was pressed since the last question."""
    counted = page.evaluate("sessionStorage.getItem('clicks')")
    page.evaluate("sessionStorage.removeItem('clicks')")
    return int(counted or 0)


_PLAYED_S = """(video) => [...Array(video.played.length).keys()]
    .reduce((sum, range) => sum + video.played.end(range) - video.played.start(range), 0)"""
_STATE = """() => [...document.querySelectorAll('video')].map((video) => ({
    at: video.currentTime, ready: video.readyState, paused: video.paused, error: video.error?.message ?? null,
    buffered: [...Array(video.buffered.length).keys()].map((n) => [video.buffered.start(n), video.buffered.end(n)]),
    player: video.closest('[data-test=player]')?.textContent ?? '',
}))"""


def wait_until_it_plays(page: Page, seconds: float) -> None:
    """The picture on the page has moved by so much; when it has not, what the player says is in the error."""
    moved = f"(seconds) => [...document.querySelectorAll('video')].some((video) => ({_PLAYED_S})(video) > seconds)"
    try:
        page.wait_for_function(moved, arg=seconds, timeout=MEDIA_MS)
    except PlaywrightTimeout as error:
        raise AssertionError(f"it does not play: {page.evaluate(_STATE)}") from error


def step(page: Page, number: int) -> None:
    expect(page.locator("[data-test=guide-bar]")).to_contain_text(f"Step {number} of 4", timeout=MEDIA_MS)


def test_the_guide_leads_from_an_empty_page_to_a_video_and_to_obs(
    open_site: Callable[..., Site], fresh: Server
) -> None:
    site = open_site(f"http://127.0.0.1:{fresh.port}", user_agent=PERSON)
    site.context.add_init_script(COUNT_CLICKS)
    page = site.sign_in()
    clicks(page)
    guide = page.locator("[data-test=guide]")
    expect(guide.locator("[data-test=guide-count]")).to_have_text("0 of 4 done")
    assert axe_violations(page) == []

    guide.locator("[data-test=guide-test]").click()
    wait_until_it_plays(page, 1)
    assert clicks(page) == 1, "one click from the home page to a live picture"
    page.keyboard.press("Escape")

    step(page, 2)
    assert axe_violations(page) == []
    source = page.get_by_role("article", name="Test pattern", exact=True)
    source.locator("[data-test=record-start]").click()
    expect(source.locator("[data-test=record-clock]")).to_have_text(EIGHT_SECONDS_OR_MORE, timeout=MEDIA_MS)
    step(page, 3)
    source.locator("[data-test=record-stop]").click()
    page.get_by_role("dialog", name="Stop this recording?").get_by_role("button", name="Stop").click()
    expect(source.locator("[data-test=record-start]")).to_be_visible(timeout=MEDIA_MS)
    assert clicks(page) == 3, "record, stop, yes"

    page.locator("[data-test=guide-watch]").click()
    wait_until_it_plays(page, 6)
    assert clicks(page) == 1

    go(page, "/")
    expect(guide.locator("[data-test=step-watch]")).to_have_attribute("data-done", "true", timeout=MEDIA_MS)
    expect(guide.locator("[data-test=guide-count]")).to_have_text("3 of 4 done")
    expect(page.locator("[data-test=video-card] [data-test=poster]").first).to_be_visible(timeout=MEDIA_MS)
    guide.locator("[data-test=guide-obs]").click()
    page.get_by_role("dialog", name="Add source").locator("input[name=name]").fill("Lecture hall")
    page.locator("[data-test=source-save]").click()
    instructions = page.get_by_role("dialog", name="Push to Lecture hall")
    expect(instructions.get_by_role("tab", name="OBS")).to_be_visible()
    expect(instructions.locator("[data-test=push-stream-key] code")).to_contain_text("?key=")
    assert clicks(page) == 2, "the guide's button and Save"
    instructions.locator("[data-test=push-key-done]").click()

    expect(page.locator("[data-test=guide-bar]")).to_have_count(0)
    go(page, "/")
    expect(guide).to_have_count(0)


def test_the_guide_can_be_put_away_and_had_back(admin: Page) -> None:
    guide = admin.locator("[data-test=guide]")
    guide.locator("[data-test=guide-hide]").click()
    expect(guide).to_have_count(0)
    admin.reload()
    settle(admin)
    expect(admin.locator("[data-test=user-menu]")).to_be_visible()
    expect(guide).to_have_count(0)
    go(admin, "/admin/users")
    expect(admin.locator("[data-test=guide-bar]")).to_have_count(0)
    admin.locator("[data-test=user-menu]").click()
    admin.locator("[data-test=menu-guide]").click()
    expect(guide.locator("[data-test=guide-test]")).to_be_visible()


def test_another_source_can_be_added_in_three_clicks(open_site: Callable[..., Site], fresh: Server) -> None:
    site = open_site(f"http://127.0.0.1:{fresh.port}")
    site.context.add_init_script(COUNT_CLICKS)
    page = site.sign_in()
    clicks(page)
    page.locator("[data-test=guide-other]").click()
    page.get_by_role("dialog", name="Add source").locator("input[name=name]").fill("Door")
    page.locator("[data-test=source-save]").click()
    page.locator("[data-test=push-key-done]").click()
    assert clicks(page) == 3
    expect(page.get_by_role("article", name="Door", exact=True)).to_be_visible()


def test_visitors_see_no_guide_and_a_phone_has_room_for_it(open_site: Callable[..., Site]) -> None:
    page = open_site().open("/")
    expect(page.locator("[data-test=guide]")).to_have_count(0)
    page = open_site(viewport=PHONE, locale="zh-TW").sign_in()
    expect(page.locator("[data-test=guide]")).to_contain_text("快速上手")
    assert overflow_px(page) == 0
    go(page, "/admin/users")
    expect(page.locator("[data-test=guide-bar]")).to_be_visible()
    assert overflow_px(page) == 0
    assert axe_violations(page) == []
