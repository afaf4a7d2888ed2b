"""Sources, recordings and schedules by clicks: from the empty page to a finished recording, with real media."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import ADMIN_PASSWORD, PHONE, TABLET, Site, axe_violations, go, overflow_px
from tests.running import Server, server_env, serving

MEDIA_MS = 60_000
"""How long a real stream may take to come in on a busy machine."""


@pytest.fixture(scope="module")
def station(built_ui: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: the walk begins without any source."""
    env = server_env(tmp_path_factory.mktemp("station") / "data", ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
    with serving(env) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def place(open_site: Callable[..., Site], station: Server) -> Site:
    """The site of that server for somebody who is not signed in."""
    return open_site(f"http://127.0.0.1:{station.port}")


@pytest.fixture
def operator(place: Site) -> Page:
    """A page of that server with the administrator signed in."""
    return place.sign_in()


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def state(source: Locator) -> Locator:
    return source.locator("[data-test=source-state]")


def choose(page: Page, dialog: Locator, field: str, option: str) -> None:
    """Choose from a list by keyboard and click."""
    dialog.get_by_role("combobox", name=field).press("Enter")
    page.get_by_role("option", name=option).click()


def add_source(page: Page, name: str, protocol: str) -> None:
    """Add a source with the dialog and leave everything else as it is."""
    page.locator("[data-test=source-add]").click()
    dialog = page.get_by_role("dialog", name="Add source")
    dialog.locator("input[name=name]").fill(name)
    choose(page, dialog, "Protocol", protocol)
    dialog.locator("[data-test=source-save]").click()


def live_test_source(page: Page, name: str) -> Locator:
    """The card of a test source that is live."""
    go(page, "/admin/sources")
    add_source(page, name, "Test pattern")
    source = card(page, name)
    expect(state(source)).to_have_attribute("data-state", "live", timeout=MEDIA_MS)
    return source


def test_the_first_source_in_one_click_is_watched_recorded_and_stopped(operator: Page) -> None:
    go(operator, "/admin/sources")
    assert axe_violations(operator) == []
    operator.locator("[data-test=first-test]").click()
    source = card(operator, "Test pattern")
    expect(source.locator("[data-test=source-visibility]")).to_have_text("Private")
    operator.locator("[data-test=made-change]").click()
    dialog = operator.get_by_role("dialog", name="Edit")
    expect(dialog.get_by_role("radio", name="Operators only")).to_be_checked()
    dialog.locator("[data-test=visibility-public]").click()
    assert axe_violations(operator) == []
    dialog.locator("[data-test=source-save]").click()
    expect(source.locator("[data-test=source-visibility]")).to_have_text("Public")
    expect(state(source)).to_have_attribute("data-state", "live", timeout=MEDIA_MS)
    expect(source.locator("[data-test=source-facts]")).to_contain_text(re.compile(r"\d+ × \d+"))
    assert axe_violations(operator) == []

    source.locator("[data-test=record-start]").click()
    expect(source.locator("[data-test=record-clock]")).to_contain_text(re.compile(r"\d:\d\d"), timeout=MEDIA_MS)
    go(operator, "/admin/tasks")
    row = operator.locator("tbody tr").first
    expect(row.locator("[data-test=task-state]")).to_have_attribute("data-state", "recording", timeout=MEDIA_MS)
    expect(row.locator("[data-test=task-duration]")).not_to_have_text("0:00", timeout=MEDIA_MS)
    assert axe_violations(operator) == []

    go(operator, "/admin/sources")
    source.locator("[data-test=record-stop]").click()
    operator.get_by_role("dialog", name="Stop this recording?").get_by_role("button", name="Stop").click()
    expect(source.locator("[data-test=record-start]")).to_be_visible(timeout=MEDIA_MS)
    go(operator, "/admin/tasks")
    expect(row.locator("[data-test=task-state]")).to_have_attribute("data-state", "completed", timeout=MEDIA_MS)
    expect(row.locator("[data-test=task-size]")).not_to_have_text("0 B")
    row.locator("[data-test=task-video]").click()
    expect(operator).to_have_url(re.compile(r"/video/\d+$"))


def test_a_preview_plays(operator: Page) -> None:
    source = live_test_source(operator, "Preview hall")
    still = source.locator("[data-test=still]")
    expect(still).to_be_visible(timeout=MEDIA_MS)
    operator.wait_for_function("image => image.naturalWidth > 0", arg=still.element_handle(), timeout=MEDIA_MS)
    expect(operator.locator("video")).to_have_count(0)
    source.locator("[data-test=source-picture]").click()
    drawer = operator.get_by_role("dialog", name="Preview hall")
    operator.wait_for_function(
        "() => (document.querySelector('[role=dialog] video')?.currentTime ?? 0) > 0.5", timeout=MEDIA_MS
    )
    expect(drawer.get_by_role("textbox", name="LL-HLS address")).to_contain_text("/live/")
    assert axe_violations(operator) == []
    operator.keyboard.press("Escape")
    expect(operator.locator("video")).to_have_count(0)


def test_a_push_source_shows_its_key_once(operator: Page) -> None:
    go(operator, "/admin/sources")
    add_source(operator, "Lecture hall", "Push from OBS")
    dialog = operator.get_by_role("dialog", name="Push to Lecture hall")
    key = dialog.locator("[data-test=push-stream-key] code").inner_text()
    assert re.fullmatch(r"[a-z0-9]{12}\?key=\S{22,}", key)
    expect(dialog.locator("[data-test=push-server] code")).to_contain_text(
        re.compile(r"^rtmp://127\.0\.0\.1:\d+/live$")
    )
    assert axe_violations(operator) == []
    dialog.get_by_role("tab", name="ffmpeg").click()
    expect(dialog.get_by_role("textbox", name="ffmpeg")).to_contain_text(key)
    dialog.locator("[data-test=push-key-done]").click()
    expect(dialog).to_be_hidden()

    source = card(operator, "Lecture hall")
    expect(state(source)).to_have_attribute("data-state", "waiting")
    expect(source).to_contain_text(key[-4:])
    go(operator, "/admin/sources")
    assert key not in operator.content()

    source.locator("[data-test=source-preview]").click()
    nothing = operator.get_by_role("dialog", name="Lecture hall")
    expect(nothing.locator("[data-test=preview-nothing]")).to_contain_text("Nobody pushes yet")
    expect(nothing.locator("video")).to_have_count(0)
    operator.keyboard.press("Escape")
    expect(nothing).to_be_hidden()

    source.locator("[data-test=source-more]").click()
    operator.locator("[data-test=source-rotate]:visible").click()
    operator.get_by_role("dialog", name="New stream key").get_by_role("button", name="New stream key").click()
    fresh = dialog.locator("[data-test=push-stream-key] code").inner_text()
    assert fresh != key
    dialog.locator("[data-test=push-key-done]").click()


def test_an_address_that_cannot_be_pulled_is_said_at_its_field(operator: Page) -> None:
    go(operator, "/admin/sources")
    add_source(operator, "Gate camera", "Pull RTSP")
    dialog = operator.get_by_role("dialog", name="Add source")
    expect(dialog).to_contain_text("This field is required")
    dialog.locator("input[name=url]").fill("http://203.0.113.7/stream")
    dialog.locator("[data-test=source-save]").click()
    expect(dialog).to_contain_text("must begin with")
    dialog.get_by_role("button", name="Cancel").click()
    expect(card(operator, "Gate camera")).to_have_count(0)


def test_a_source_on_demand_can_be_recorded_while_it_rests(operator: Page) -> None:
    go(operator, "/admin/sources")
    operator.locator("[data-test=source-add]").click()
    dialog = operator.get_by_role("dialog", name="Add source")
    dialog.locator("input[name=name]").fill("Remote hall")
    choose(operator, dialog, "Protocol", "Pull RTMP")
    dialog.locator("input[name=url]").fill("rtmp://203.0.113.7/live/hall")
    expect(dialog.get_by_role("radio", name="Operators only")).to_be_checked()
    dialog.get_by_text("More settings").click()
    choose(operator, dialog, "Pull", "On demand")
    dialog.locator("[data-test=source-save]").click()
    expect(card(operator, "Remote hall").locator("[data-test=record-start]")).to_be_enabled()


def test_a_schedule_says_what_it_means_before_it_is_saved(operator: Page) -> None:
    live_test_source(operator, "Evening hall")
    go(operator, "/admin/schedules")
    operator.locator("[data-test=schedule-add]").click()
    dialog = operator.get_by_role("dialog", name="Add schedule")
    dialog.locator("input[name=name]").fill("Evening class")
    dialog.locator("input[name=time]").fill("19:30")
    preview = dialog.locator("[data-test=cron-preview]")
    expect(preview.locator("code")).to_have_text("30 19 * * 1-5")
    expect(preview.locator("[data-test=cron-words]")).to_contain_text("19:30")
    expect(preview.locator("time")).to_have_count(5)
    assert axe_violations(operator) == []

    choose(operator, dialog, "Repeat", "Cron expression")
    dialog.locator("input[name=cron]").fill("61 9 * * *")
    expect(preview).to_contain_text("not understood")
    dialog.locator("input[name=cron]").fill("0 9 1 * *")
    expect(preview.locator("code")).to_have_text("0 9 1 * *")
    dialog.locator("[data-test=schedule-save]").click()

    row = operator.locator("tbody tr").filter(has_text="Evening class")
    expect(row.locator("time[datetime]")).to_have_count(5)
    assert axe_violations(operator) == []
    row.locator("[data-test=schedule-delete]").click()
    operator.get_by_role("dialog", name="Delete schedule").get_by_role("button", name="Delete schedule").click()
    expect(row).to_have_count(0)


def test_the_system_page_shows_what_runs_and_what_does_not_come_in(operator: Page) -> None:
    live_test_source(operator, "Dance hall")
    operator.locator("[data-test=source-add]").click()
    dialog = operator.get_by_role("dialog", name="Add source")
    dialog.locator("input[name=name]").fill("Cellar camera")
    choose(operator, dialog, "Protocol", "Pull RTSP")
    dialog.locator("input[name=url]").fill("rtsp://127.0.0.1:9/cellar")
    dialog.locator("[data-test=source-save]").click()
    card(operator, "Dance hall").locator("[data-test=record-start]").click()
    expect(card(operator, "Dance hall").locator("[data-test=record-clock]")).to_be_visible(timeout=MEDIA_MS)

    go(operator, "/admin/system")
    media = operator.get_by_role("region", name="Media server")
    expect(media).to_contain_text("Running")
    expect(media.locator("[data-test=stat]").filter(has_text="Live streams")).to_contain_text("0 pushed")
    expect(media.locator("[data-test=stat]").filter(has_text="Sent to viewers")).to_contain_text("bit/s")
    recorder = operator.get_by_role("table", name="Recordings in progress").locator("tr", has_text="Dance hall")
    expect(recorder).to_contain_text("Recording")
    expect(operator.locator("[data-test=pulls]")).to_contain_text("Cellar camera", timeout=MEDIA_MS)
    expect(operator.locator("[data-test=warnings]")).to_contain_text("Cellar camera does not come in:")
    expect(operator.locator("[data-test=disk]").first).to_contain_text("Forecast after six hours")
    assert axe_violations(operator) == []


def test_a_deleted_source_is_gone(operator: Page) -> None:
    source = live_test_source(operator, "Old hall")
    source.locator("[data-test=source-more]").click()
    operator.locator("[data-test=source-delete]:visible").click()
    dialog = operator.get_by_role("dialog", name="Delete Old hall?")
    expect(dialog).to_contain_text("Nothing was recorded from it")
    dialog.locator("[data-test=source-delete-yes]").click()
    expect(source).to_have_count(0)


@pytest.mark.parametrize("size", [PHONE, TABLET, {"width": 1024, "height": 768}], ids=["phone", "tablet", "notebook"])
def test_the_pages_fit_every_window(open_site: Callable[..., Site], station: Server, size: dict[str, int]) -> None:
    site = open_site(f"http://127.0.0.1:{station.port}", viewport=size, locale="zh-TW")
    page = site.sign_in()
    for path in ("/admin/sources", "/admin/tasks", "/admin/schedules", "/admin/videos", "/admin/system"):
        go(page, path)
        assert overflow_px(page) == 0, path
        assert axe_violations(page) == [], path
