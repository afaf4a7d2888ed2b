"""Recordings as an operator wants and finds them: the options before the start, the gaps afterwards."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.e2e.browsing import Site, Watcher, axe_violations, go
from tests.e2e.watching import LONG_MS, Station, record, wait_for
from tests.engine.peers import make_clip
from tests.station import pushing

HALL, TITLE = "Lecture hall", "高等数学 第二讲"
PRE_ROLL_S, MINUTES = 6, 1
# A recorder is a second late at most, in what it begins with and in when it ends.
LATE_S = 2
# The test picture has a keyframe so often, and what is taken from before begins with one.
GOP_S = 2
AWAY_S = 4


@pytest.fixture(scope="module")
def planned(station: Station, browser: Browser) -> int:
    """Number of a source of which a minute is recorded, with all options of the dialog, while the tests run."""
    source = station.source(HALL)
    context = browser.new_context(locale="en-US")
    watcher = Watcher(context)
    page = Site(context, station.url, watcher).sign_in()
    wait_for(page, lambda: has_run(station, source, PRE_ROLL_S + LATE_S))
    go(page, "/admin/sources")
    start_with_options(page)
    watcher.note_violations(page)
    context.close()
    watcher.check()
    return source


def has_run(station: Station, source: int, seconds: int) -> bool:
    """Whether there is so much of a source already."""
    since = station.ask("GET", f"/api/sources/{source}/status")["since"]
    return since is not None and datetime.now(UTC) - datetime.fromisoformat(since) > timedelta(seconds=seconds)


def start_with_options(page: Page) -> None:
    """Start a recording with the dialog, by mouse and keyboard."""
    card(page, HALL).locator("[data-test=record-options]").click()
    dialog = page.get_by_role("dialog", name=f"Record {HALL}")
    dialog.locator("input[name=title]").fill(TITLE)
    dialog.get_by_role("spinbutton", name="Begin earlier").fill(str(PRE_ROLL_S))
    dialog.get_by_role("spinbutton", name="Planned length").fill(str(MINUTES))
    assert axe_violations(page) == []
    dialog.locator("[data-test=record-begin]").click()
    expect(dialog).to_be_hidden()
    expect(card(page, HALL).locator("[data-test=record-stop]")).to_be_focused()
    expect(card(page, HALL).locator("[data-test=record-clock]")).to_be_visible(timeout=LONG_MS)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def row(page: Page, title: str) -> Locator:
    return page.get_by_role("row").filter(has_text=title)


def task_of(station: Station, source: int) -> dict[str, Any]:
    """The newest recording of a source."""
    task: dict[str, Any] = station.ask("GET", f"/api/tasks?source_id={source}")["items"][0]
    return task


def test_what_the_dialog_asks_for_is_what_is_recorded(station: Station, planned: int, operator: Page) -> None:
    task = task_of(station, planned)
    wished = {"title": TITLE, "pre_roll_s": PRE_ROLL_S, "planned_duration_s": MINUTES * 60, "trigger": "manual"}
    assert {name: task[name] for name in wished} == wished
    go(operator, "/admin/tasks")
    expect(row(operator, TITLE).locator("[data-test=task-duration]")).to_contain_text("/ 1:00")


def test_the_gap_of_an_encoder_that_was_away_is_shown_with_its_length(
    station: Station, planned: int, operator: Page, tmp_path: Path
) -> None:
    made = station.ask("POST", "/api/sources", {"name": "Studio", "protocol": "push"})
    clip, target = make_clip(tmp_path, "h264_aac", 4), f"{made['push_url']}/{made['stream_key']}"
    with pushing(clip, target):
        record(station, operator, made["id"], "Broken")
        go(operator, "/admin/tasks")
        wait_for(operator, lambda: task_of(station, made["id"])["duration"] > 4)
        gone = time.monotonic()
    operator.wait_for_timeout(AWAY_S * 1000)  # that nothing comes is no event
    button = row(operator, "Broken").locator("[data-test=task-gaps]")
    expect(button).to_have_count(0)
    with pushing(clip, target):
        button.click(timeout=LONG_MS)
        check_gap(operator, task_of(station, made["id"])["gaps"], time.monotonic() - gone)
    station.ask("POST", f"/api/sources/{made['id']}/record/stop", {})


def check_gap(page: Page, gaps: list[dict[str, int]], most_s: float) -> None:
    """The drawer shows the only gap, which is no longer than the encoder was away."""
    assert len(gaps) == 1
    length_s = gaps[0]["duration_ms"] / 1000
    assert AWAY_S - LATE_S < length_s < most_s
    shown = page.evaluate("length => `${length.toFixed(1)} s`", length_s)
    drawer = page.get_by_role("dialog", name="Gaps in Broken")
    expect(drawer).to_contain_text(f"The source was away once, for {shown}.")
    expect(drawer.get_by_role("listitem")).to_have_count(1)
    expect(drawer.get_by_role("listitem").locator("strong")).to_have_text(shown)
    stretch = drawer.get_by_role("img", name="Green: recorded; red: missing").locator("i")
    found = re.fullmatch(r"left: ([\d.]+)%; width: ([\d.]+)%;", stretch.get_attribute("style") or "")
    assert found
    left, width = (float(share) for share in found.groups())
    assert left > 5
    assert width > 5
    assert left + width < 100
    assert axe_violations(page) == []


def test_a_planned_recording_ends_by_itself(station: Station, planned: int, operator: Page) -> None:
    go(operator, "/admin/sources")
    start = card(operator, HALL).locator("[data-test=record-start]")
    expect(start).to_be_visible(timeout=(MINUTES * 60 + 30) * 1000)
    go(operator, "/admin/tasks")
    expect(row(operator, TITLE).locator("[data-test=task-state]")).to_have_attribute("data-state", "completed")
    task = task_of(station, planned)
    assert (task["status"], task["gaps"]) == ("completed", [])
    # Without the seconds from before it could not be longer than a late end makes it.
    assert task["duration"] > MINUTES * 60 + PRE_ROLL_S - GOP_S - LATE_S >= MINUTES * 60 + LATE_S
    wait_for(operator, lambda: not station.video(TITLE)["is_live"])
    assert station.video(TITLE)["duration"] == task["duration"]
