"""The job pages with real jobs: an encode that is watched live, and one that is cancelled and tried again."""

from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import Site, axe_violations, go
from tests.running import Server

ENCODE_S = 60
"""Length of the test picture, so that a quick machine does not finish before somebody could press cancel."""


def start_self_test(page: Page, seconds: int) -> Locator:
    """Start an encode with the dialog; its row."""
    page.locator("[data-test=selftest]").click()
    dialog = page.get_by_role("dialog", name="Self-test")
    dialog.get_by_role("spinbutton").fill(str(seconds))
    with page.expect_response("**/api/jobs/selftest") as answer:
        dialog.locator("[data-test=selftest-start]").click()
    number = answer.value.json()["id"]
    row = page.locator(f"tbody tr[data-row='{number}']")
    expect(row).to_be_visible()
    return row


def state_of(row: Locator) -> Locator:
    return row.locator("[data-test=job-state]")


def test_progress_comes_live_and_the_result_is_shown(admin: Page) -> None:
    go(admin, "/admin/jobs")
    expect(admin.locator("[data-test=live-state]")).to_have_attribute("data-state", "open")
    row = start_self_test(admin, 5)
    expect(state_of(row)).to_have_attribute("data-state", "done", timeout=60_000)
    row.locator("[data-test=job-open]").click()
    drawer = admin.locator("[data-test=job-drawer]")
    expect(drawer.locator("[data-test=job-result]")).to_contain_text('"speed"')
    expect(drawer.locator("[data-test=job-result]")).to_contain_text('"frames": 150')
    assert axe_violations(admin) == []


def test_a_running_job_moves_is_cancelled_and_tried_again(admin: Page) -> None:
    go(admin, "/admin/jobs")
    row = start_self_test(admin, ENCODE_S)
    bar = row.locator("[data-test=job-progress]")
    expect(bar).to_be_visible(timeout=30_000)
    seen = bar.get_attribute("aria-valuenow")
    expect(bar).not_to_have_attribute("aria-valuenow", seen or "", timeout=30_000)

    row.locator("[data-test=job-cancel]").click()
    expect(state_of(row)).to_have_attribute("data-state", "cancelled", timeout=30_000)
    row.locator("[data-test=job-retry]").click()
    expect(state_of(row)).not_to_have_attribute("data-state", "cancelled")
    row.locator("[data-test=job-cancel]").click()
    expect(state_of(row)).to_have_attribute("data-state", "cancelled", timeout=30_000)

    go(admin, "/admin/audit?action=jobs.")
    expect(admin.locator("tbody tr").first).to_contain_text("Job cancelled")


def test_a_job_that_fails_says_why(admin: Page, server: Server) -> None:
    go(admin, "/admin/jobs")
    row = start_self_test(admin, ENCODE_S)
    expect(row.locator("[data-test=job-progress]")).to_be_visible(timeout=30_000)
    encoders = [
        child for child in server.child("worker").children(recursive=True) if "testsrc2" in str(child.cmdline())
    ]
    assert len(encoders) == 1
    encoders[0].kill()
    expect(state_of(row)).to_have_attribute("data-state", "failed", timeout=30_000)
    expect(row.locator("[data-test=job-error]")).not_to_be_empty()
    row.locator("[data-test=job-open]").click()
    expect(admin.locator("[data-test=job-why]")).to_contain_text("Why it failed")
    expect(admin.locator("[data-test=log-tail]")).to_contain_text("libx264")
    assert axe_violations(admin) == []


def test_live_updates_come_back_after_the_network_was_away(site: Site) -> None:
    admin = site.sign_in(path="/login?redirect=/admin/jobs")
    light = admin.locator("[data-test=live-state]")
    expect(light).to_have_attribute("data-state", "open")
    admin.context.set_offline(True)
    expect(admin.get_by_text("You are offline.")).to_be_visible()
    admin.context.set_offline(False)
    expect(admin.get_by_text("You are offline.")).to_have_count(0)
    expect(light).to_have_attribute("data-state", "open", timeout=60_000)
    site.watcher.forgive("ERR_INTERNET_DISCONNECTED")


def test_filters_queues_workers_and_schedules(admin: Page) -> None:
    go(admin, "/admin/jobs?state=waiting")
    expect(admin.locator("[data-test=empty]")).to_contain_text("Nothing matches")
    admin.get_by_role("tab", name="Queues").click()
    expect(admin.get_by_role("tabpanel", name="Queues").locator("tbody tr")).to_have_count(4)
    admin.get_by_role("tab", name="Workers").click()
    expect(admin.get_by_role("tabpanel", name="Workers")).to_contain_text("Alive")
    admin.get_by_role("tab", name="Schedules").click()
    expect(admin.get_by_role("tabpanel", name="Schedules")).to_contain_text("17 3 * * *")
    assert axe_violations(admin) == []
