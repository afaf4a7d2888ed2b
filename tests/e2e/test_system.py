"""The system page: real figures, and charts that move."""

from playwright.sync_api import Page, expect
from tests.e2e.browsing import go


def test_figures_disks_processes_and_versions_are_real(admin: Page) -> None:
    go(admin, "/admin/system")
    expect(admin.locator("[data-test=stat]")).to_have_count(8)
    expect(admin.locator("[data-test=disk]").first).to_contain_text("free of")
    processes = admin.get_by_role("table", name="Processes")
    expect(processes).to_contain_text("API and pages")
    expect(processes).to_contain_text("Jobs")
    expect(admin.get_by_text("FFmpeg", exact=True)).to_be_visible()


def test_the_charts_move(admin: Page) -> None:
    go(admin, "/admin/system")
    chart = admin.locator("[data-test=chart]").first
    expect(chart.locator("canvas")).to_be_visible()
    points = int(chart.get_attribute("data-points") or 0)
    admin.wait_for_function(
        "points => Number(document.querySelector('[data-test=chart]').dataset.points) > points",
        arg=points,
        timeout=60_000,
    )


def test_the_charts_are_gone_with_the_page(admin: Page) -> None:
    go(admin, "/admin/system")
    expect(admin.locator("[data-test=chart] canvas")).to_have_count(6)
    admin.get_by_role("link", name="Users").click()
    expect(admin.locator("h1")).to_have_text("Users")
    expect(admin.locator("canvas")).to_have_count(0)


def test_a_server_that_fails_is_said_in_words_and_asked_again(admin: Page) -> None:
    problem = (
        '{"type":"urn:x","title":"Error","status":500,"detail":"It broke.","code":"internal_error","request_id":"r-1"}'
    )
    admin.route(
        "**/api/system/status",
        lambda route: route.fulfill(status=400, content_type="application/problem+json", body=problem),
    )
    admin.goto(admin.url.rstrip("/") + "/admin/system")
    expect(admin.locator("[data-test=load-error]")).to_contain_text("It broke.")
    expect(admin.locator("[data-test=load-error]")).to_contain_text("r-1")
    admin.unroute("**/api/system/status")
    admin.get_by_role("button", name="Try again").click()
    expect(admin.locator("[data-test=stat]").first).to_be_visible()
