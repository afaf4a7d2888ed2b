"""An operator without a mouse: the focus is always somewhere. And what is on a page outlasts its server."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import Site, axe_violations, go
from tests.e2e.watching import LONG_MS, PERSON, Station

NAME = "Lecture hall"


def enter(at: Locator) -> None:
    """Press a button by key, which has the focus afterwards or gives it on."""
    expect(at).to_be_enabled(timeout=LONG_MS)
    at.focus()
    at.press("Enter")


def test_an_operator_adds_records_stops_and_deletes_by_keyboard(station: Station, operator: Page) -> None:
    go(operator, "/admin/sources")
    enter(operator.locator("[data-test=source-add]"))
    dialog = operator.get_by_role("dialog", name="Add source")
    expect(dialog.locator("input[name=name]")).to_be_focused()
    operator.keyboard.press("Escape")
    expect(operator.locator("[data-test=source-add]")).to_be_focused()

    station.source(NAME)
    go(operator, "/admin/sources")
    source = operator.get_by_role("article", name=NAME, exact=True)
    enter(source.locator("[data-test=record-start]"))
    expect(source.locator("[data-test=record-stop]")).to_be_focused(timeout=LONG_MS)
    expect(source.locator("[data-test=record-clock]")).to_contain_text(re.compile(r"0:0[3-9]"), timeout=LONG_MS)

    operator.keyboard.press("Enter")
    enter(operator.get_by_role("dialog", name="Stop this recording?").get_by_role("button", name="Stop"))
    expect(source.locator("[data-test=record-start]")).to_be_focused(timeout=LONG_MS)
    link = operator.locator("[data-test=notice-link]")
    expect(link).to_have_text("Watch the video")
    assert axe_violations(operator) == []
    link.click()
    expect(operator).to_have_url(re.compile(r"/video/\d+$"))

    go(operator, "/admin/videos")
    enter(operator.locator("[data-test=video-trash]"))
    expect(operator.get_by_role("heading", level=1)).to_be_focused()
    enter(operator.locator("[data-test=undo]"))
    expect(operator.locator("[data-test=video-trash]")).to_be_visible()
    expect(operator.get_by_role("heading", level=1)).to_be_focused()


def test_what_is_on_the_home_page_outlasts_its_server(station: Station, open_site: Callable[..., Site]) -> None:
    station.source("Door")
    site = open_site(at=station.url, user_agent=PERSON)
    page = site.open("/")
    live = page.locator("[data-test=home-live]").get_by_text("Door")
    for _ in range(30):
        if live.count() > 0:
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(live.first).to_be_visible()
    page.route("**/api/**", lambda route: route.abort())
    stale = page.locator("[data-test=load-stale]")
    expect(stale).to_contain_text("The server cannot be reached.", timeout=LONG_MS)
    expect(live.first).to_be_visible()
    assert axe_violations(page) == []
    page.unroute("**/api/**")
    stale.get_by_role("button", name="Try again").click()
    expect(stale).to_have_count(0)
    site.watcher.forgive("ERR_FAILED")
