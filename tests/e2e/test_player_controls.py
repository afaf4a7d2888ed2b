"""The player's controls in a real browser, on a finished recording: speed, screens, keys and sound."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import Site
from tests.e2e.watching import (
    PERSON,
    Station,
    becomes,
    choose_speed,
    of_video,
    open_video,
    plays,
    recorded_video,
    shown_speed,
)

# Long enough for ten seconds forth and back within it.
RECORDED_S = 16
SETTLED = "!v.seeking && v.paused"


@pytest.fixture(scope="module")
def recorded(station: Station, browser: Any) -> int:
    """Number of a finished video."""
    clock = browser.new_page()
    number = recorded_video(station, clock, "Lecture hall", "Controls", RECORDED_S)
    clock.close()
    return number


@pytest.fixture
def visitor(station: Station, open_site: Callable[..., Site]) -> Site:
    """The station for somebody who is not signed in."""
    return open_site(at=station.url, user_agent=PERSON)


@pytest.fixture
def watched(visitor: Site, recorded: int) -> Page:
    """The page of the video, playing; nothing on it has the focus."""
    page = open_video(visitor, recorded)
    plays(page, 0.3)
    return page


@pytest.fixture
def paused(watched: Page) -> Page:
    """The same, paused by a key."""
    watched.keyboard.press("k")
    becomes(watched, SETTLED)
    return watched


def player(page: Page) -> Locator:
    return page.locator("[data-test=player]")


def button(page: Page, name: str) -> Locator:
    return player(page).get_by_role("button", name=name, exact=True)


def press(page: Page, key: str, then: str) -> None:
    """Press a key, after which something must hold of the video `v`."""
    page.keyboard.press(key)
    becomes(page, f"{then} && !v.seeking")


def test_a_chosen_speed_is_shown_and_outlasts_a_seek(watched: Page) -> None:
    assert of_video(watched, "playbackRate") == 1
    choose_speed(watched, "1.5")
    assert of_video(watched, "playbackRate") == 1.5
    expect(shown_speed(watched, "1.5×")).to_be_visible()
    press(watched, "7", "v.currentTime >= v.duration * 0.7")
    plays(watched, 0.3)
    assert of_video(watched, "playbackRate") == 1.5
    expect(shown_speed(watched, "1.5×")).to_be_visible()


def test_keys_go_through_the_speeds_and_stop_at_the_ends(paused: Page) -> None:
    for key, speeds in ((">", (1.25, 1.5, 2, 3, 3)), ("<", (2, 1.5, 1.25, 1, 0.75, 0.5, 0.5))):
        for speed in speeds:
            press(paused, key, f"v.playbackRate === {speed}")
    expect(shown_speed(paused, "0.5×")).to_be_visible()
    choose_speed(paused, "1")
    assert of_video(paused, "playbackRate") == 1
    expect(shown_speed(paused, "1×")).to_have_count(0)


def test_the_button_the_key_and_a_double_click_fill_the_screen(watched: Page) -> None:
    button(watched, "Full screen").click()
    fills_the_screen(watched)
    button(watched, "Leave full screen").click()
    leaves_the_screen(watched)
    player(watched).focus()
    watched.keyboard.press("f")
    fills_the_screen(watched)
    watched.keyboard.press("f")
    leaves_the_screen(watched)
    watched.locator("video").dblclick(position={"x": 80, "y": 60})
    fills_the_screen(watched)
    assert of_video(watched, "paused") is False


def fills_the_screen(page: Page) -> None:
    page.wait_for_function("() => document.fullscreenElement?.dataset.test === 'player'")
    expect(button(page, "Leave full screen")).to_be_visible()
    page.wait_for_function("() => document.querySelector('video').clientWidth === window.innerWidth")


def leaves_the_screen(page: Page) -> None:
    page.wait_for_function("() => document.fullscreenElement === null")
    expect(button(page, "Full screen")).to_be_visible()


def test_the_button_and_the_key_put_the_picture_in_a_window_of_its_own(watched: Page) -> None:
    floats, returns = (f"v {sign} document.pictureInPictureElement" for sign in ("===", "!=="))
    button(watched, "Picture-in-picture").click()
    becomes(watched, floats)
    button(watched, "Picture-in-picture").click()
    becomes(watched, returns)
    watched.keyboard.press("p")
    becomes(watched, floats)
    plays(watched, 0.3)
    watched.keyboard.press("p")
    becomes(watched, returns)


@pytest.mark.parametrize("key", [" ", "k"])
def test_a_key_pauses_and_plays(watched: Page, key: str) -> None:
    watched.keyboard.press(key)
    becomes(watched, "v.paused")
    expect(button(watched, "Play")).to_be_visible()
    watched.keyboard.press(key)
    becomes(watched, "!v.paused")
    expect(button(watched, "Pause")).to_be_visible()
    plays(watched, 0.3)


def test_keys_seek_by_seconds_by_tenths_and_to_both_ends(paused: Page) -> None:
    length = float(of_video(paused, "duration"))
    assert length >= RECORDED_S - 1
    steps = [
        *(("2", length * 0.2), ("ArrowRight", length * 0.2 + 5), ("ArrowLeft", length * 0.2)),
        *(("l", length * 0.2 + 10), ("j", length * 0.2), ("j", 0), ("9", length * 0.9), ("0", 0)),
        *(("End", length), ("Home", 0), ("5", length * 0.5)),
    ]
    for key, second in steps:
        press(paused, key, f"Math.abs(v.currentTime - {second}) < 0.2")
    bar = paused.locator("[data-test=seek-bar]")
    bar.focus()
    press(paused, "ArrowRight", f"Math.abs(v.currentTime - {length * 0.5 + 5}) < 0.2")
    expect(bar).to_have_attribute("aria-valuenow", str(round(length * 0.5 + 5)))


def test_keys_make_it_louder_softer_and_silent(paused: Page) -> None:
    assert of_video(paused, "volume") == 1
    press(paused, "ArrowDown", "Math.abs(v.volume - 0.95) < 0.001")
    press(paused, "ArrowUp", "v.volume === 1 && !v.muted")
    press(paused, "m", "v.muted")
    expect(button(paused, "Sound on")).to_be_visible()
    expect(paused.locator("[data-test=player-sound]")).to_have_count(0)
    press(paused, "m", "!v.muted && v.volume === 1")
    press(paused, "m", "v.muted")
    for volume in (0.05, 0.1, 0.15):
        press(paused, "ArrowUp", f"!v.muted && Math.abs(v.volume - {volume}) < 0.001")
    for volume in (0.1, 0.05):
        press(paused, "ArrowDown", f"Math.abs(v.volume - {volume}) < 0.001")
    press(paused, "ArrowDown", "v.muted && v.volume === 0")
    expect(button(paused, "Sound on")).to_be_visible()
    press(paused, "m", "!v.muted && v.volume === 0.5")


def test_keys_that_are_typed_elsewhere_are_no_commands(paused: Page) -> None:
    second = float(of_video(paused, "currentTime"))
    typed = paused.get_by_role("searchbox").first
    typed.click()
    paused.keyboard.type("k fmps 7>")
    expect(typed).to_have_value("k fmps 7>")
    assert of_video(paused, "paused") is True
    assert of_video(paused, "currentTime") == second
    assert of_video(paused, "muted") is False
    assert of_video(paused, "playbackRate") == 1
    assert paused.evaluate("document.fullscreenElement ?? document.pictureInPictureElement") is None
    expect(paused.locator("[data-test=player-stats]")).to_have_count(0)
