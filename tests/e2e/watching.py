"""What the browser tests of watching share: a station that records the test source, and a look at its player."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect
from tests.e2e.browsing import ADMIN, ADMIN_PASSWORD, Site
from tests.running import Server

LONG_MS = 60_000
# The counter of views ignores robots, and so the browser of a test must not look like one.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


class Station:
    """A running server, asked as its administrator."""

    def __init__(self, server: Server) -> None:
        self.url = f"http://127.0.0.1:{server.port}"
        signed = self.ask("POST", "/api/auth/login", {"username": ADMIN, "password": ADMIN_PASSWORD}, None)
        self._token = str(signed["access_token"])

    def ask(self, method: str, path: str, body: Any = None, token: str | None = "") -> Any:
        """The JSON answer of the API, asked as the administrator."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token or self._token}")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def source(self, name: str, **fields: Any) -> int:
        """A new test source that everybody may watch, with its number."""
        body = {"name": name, "protocol": "test", "visibility": "public", **fields}
        return int(self.ask("POST", "/api/sources", body)["id"])

    def video(self, title: str) -> dict[str, Any]:
        """The video with a title; all of it zero or empty while there is none."""
        unknown: dict[str, Any] = {"duration": 0, "storyboard_url": None, "is_live": True, "view_count": 0}
        return next((v for v in self.ask("GET", "/api/videos")["items"] if v["title"] == title), unknown)


def record(station: Station, clock: Page, source: int, title: str) -> None:
    """Start a recording as soon as the source is there."""
    wait_for(clock, lambda: station.ask("GET", f"/api/sources/{source}/status")["online"])
    station.ask("POST", f"/api/sources/{source}/record/start", {"title": title})


def recorded_video(station: Station, clock: Page, name: str, title: str, seconds: float) -> int:
    """Record a new source for so long; the number of the finished video, which has its pictures."""
    source = station.source(name)
    record(station, clock, source, title)
    return finished_video(station, clock, source, title, seconds)


def finished_video(station: Station, clock: Page, source: int, title: str, seconds: float) -> int:
    """The same of a recording that runs."""
    wait_for(clock, lambda: station.video(title)["duration"] >= seconds)
    station.ask("POST", f"/api/sources/{source}/record/stop", {})
    wait_for(clock, lambda: station.video(title)["storyboard_url"] and not station.video(title)["is_live"])
    return int(station.video(title)["id"])


def wait_for(clock: Page, happened: Callable[[], object]) -> None:
    """Ask the server until it says so; fails after a minute."""
    for _ in range(240):
        if happened():
            return
        clock.wait_for_timeout(250)
    raise AssertionError("it did not happen within a minute")


def open_video(site: Site, number: int) -> Page:
    page = site.open(f"/video/{number}")
    expect(page.locator("[data-test=player]")).to_be_visible()
    return page


def time_of(page: Page) -> float:
    return float(page.evaluate("document.querySelector('video').currentTime"))


def of_video(page: Page, name: str) -> Any:
    """A property of the video element."""
    return page.evaluate("name => document.querySelector('video')[name]", name)


def becomes(page: Page, condition: str) -> None:
    """Waits until a condition holds of the video element, which it calls `v`."""
    page.wait_for_function(f"() => (v => {condition})(document.querySelector('video'))")


def plays(page: Page, seconds: float = 1.0) -> None:
    """Waits until the picture has moved on by `seconds`."""
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 3", timeout=LONG_MS)
    page.wait_for_function(
        "goal => document.querySelector('video').currentTime > goal", arg=time_of(page) + seconds, timeout=LONG_MS
    )


def choose_mode(page: Page, mode: str) -> None:
    page.locator("[data-test=player]").hover()
    if page.locator("[data-test=player-settings]").count() == 0:
        page.locator("[data-test=player-gear]").click()
    page.locator(f"[data-test=choice-{mode}]").check()
    expect(page.locator("[data-test=player]")).to_have_attribute("data-mode", mode)


def choose_speed(page: Page, speed: str) -> None:
    """Choose a speed from the menu, which is closed again."""
    page.locator("[data-test=player-gear]").click()
    page.locator(f"[data-test='choice-{speed}']").check()
    page.keyboard.press("Escape")
    expect(page.locator("[data-test=player-settings]")).to_have_count(0)


def shown_speed(page: Page, speed: str) -> Locator:
    """The speed in the bar of the player."""
    return page.locator("[data-test=player-controls]").get_by_text(speed, exact=True)


class Line:
    """The connection for the pieces of a video: it lets the first ones through, holds the rest, and breaks."""

    def __init__(self, page: Page, pieces: int) -> None:
        self._left = pieces
        self._held: list[Route] = []
        self._broken = False
        page.route("**/vod/*/s/**", self._pass)

    def _pass(self, route: Route) -> None:
        if self._broken:
            route.abort()
        elif self._left > 0:
            self._left -= 1
            route.continue_()
        else:
            self._held.append(route)

    @property
    def holds(self) -> bool:
        """Somebody waits for a piece."""
        return len(self._held) > 0

    def snap(self) -> None:
        """Nothing comes through any more."""
        self._broken = True
        for route in self._held:
            route.abort()
