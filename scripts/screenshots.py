"""Make the pictures in docs/screenshots from the running product: a real server, a real browser, real jobs.

Usage: python -m scripts.screenshots        (from the root of the repository, with the web UI built)
"""

import json
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.e2e.browsing import ADMIN, ADMIN_PASSWORD, PHONE, Site, Watcher, go
from tests.e2e.chromium import CHROMIUM_FLAGS, find_chromium
from tests.running import Server, server_env, serving

TARGET = Path(__file__).parents[1] / "docs" / "screenshots"
DESKTOP = {"width": 1280, "height": 800}
PEOPLE = (
    ("lin.wei", "林薇", "operator"),
    ("chen.yu", "陳瑜", "instructor"),
    ("sara.holm", "Sara Holm", "member"),
    ("wang.xiaoming", "王小明", "member"),
)


@dataclass(frozen=True)
class Shot:
    """One picture: which page, for whom, how."""

    name: str
    path: str
    language: str = "zh-CN"
    dark: bool = False
    phone: bool = False
    signed_in: bool = True
    open: str | None = None
    """What to click before the picture is taken."""


SHOTS = (
    Shot("login", "/login", signed_in=False),
    Shot("login-phone-dark", "/login", "en", dark=True, phone=True, signed_in=False),
    Shot("register", "/register", "zh-TW", signed_in=False),
    Shot("home", "/"),
    Shot("home-phone", "/", "zh-TW", phone=True),
    Shot("search", "/search?q=纪录片"),
    Shot("profile", "/profile"),
    Shot("users", "/admin/users"),
    Shot("users-phone-dark", "/admin/users", "en", dark=True, phone=True),
    Shot("users-edit", "/admin/users", "en", open="[data-test=user-edit]"),
    Shot("jobs", "/admin/jobs"),
    Shot("job", "/admin/jobs?kind=jobs.selftest", "en", dark=True, open="[data-test=job-open]"),
    Shot("audit", "/admin/audit", "zh-TW"),
    Shot("audit-entry", "/admin/audit?action=users.update", "en", open="[data-test=audit-open]"),
    Shot("system", "/admin/system"),
    Shot("system-dark", "/admin/system", "en", dark=True),
    Shot("system-phone", "/admin/system", phone=True),
)


class Api:
    """The administrator's HTTP calls."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._token: str | None = None
        self._token = self("POST", "/api/auth/login", {"username": ADMIN, "password": ADMIN_PASSWORD})["access_token"]

    def __call__(self, method: str, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._origin + path, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def fill(api: Api) -> None:
    """People, changes for the audit log, and jobs."""
    for username, display_name, role in PEOPLE:
        body = {"username": username, "display_name": display_name, "role": role, "password": "a-long-enough-one"}
        user = api("POST", "/api/users", body)
    api("PUT", f"/api/users/{user['id']}", {"display_name": "王晓明", "role": "instructor"})
    for seconds in (3, 60):
        api("POST", "/api/jobs/selftest", {"seconds": seconds})


@contextmanager
def product() -> Iterator[Server]:
    """The whole product with a data folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        env = server_env(Path(folder) / "data", ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
        with serving(env) as server:
            server.wait_until_ready()
            yield server


def take(browser: Browser, origin: str, shot: Shot) -> None:
    """Open the page, wait until it shows what it has, save the picture."""
    context = browser.new_context(
        locale=shot.language,
        color_scheme="dark" if shot.dark else "light",
        viewport=PHONE if shot.phone else DESKTOP,  # type: ignore[arg-type]  # a plain dict of the two sizes
        device_scale_factor=2 if shot.phone else 1,
    )
    site = Site(context, origin, Watcher(context))
    page = site.sign_in() if shot.signed_in else site.open(shot.path)
    go(page, shot.path)
    show(page, shot)
    page.screenshot(path=TARGET / f"{shot.name}.png", animations="disabled")
    context.close()


def show(page: Page, shot: Shot) -> None:
    """Everything that loads late is there, and what should be open is open."""
    if "/system" in shot.path:
        expect(page.locator("[data-test=chart] canvas")).to_have_count(6)
    if shot.open:
        page.locator(shot.open).first.click()
        expect(page.locator("[role=dialog]:visible")).to_be_visible()
        expect(page.locator("[data-test=loading]")).to_have_count(0)
    page.evaluate("document.fonts.ready")


def main() -> int:
    """Take all pictures, or those named on the command line."""
    executable = find_chromium()
    if executable is None:
        sys.stderr.write("no Chromium found\n")
        return 1
    wanted = [shot for shot in SHOTS if not sys.argv[1:] or shot.name in sys.argv[1:]]
    TARGET.mkdir(parents=True, exist_ok=True)
    with product() as server, sync_playwright() as playwright:
        origin = f"http://127.0.0.1:{server.port}"
        fill(Api(origin))
        browser = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_FLAGS))
        for shot in wanted:
            take(browser, origin, shot)
            print(f"{shot.name}.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
