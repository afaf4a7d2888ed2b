"""Make the pictures in docs/screenshots from the running product: a real server, a real browser, real footage.

Usage: python -m scripts.screenshots [name …]        (from the root of the repository, with the web UI built)

Chinese needs a font (on Debian `fonts-noto-cjk`). SCREENSHOTS_DIR puts the pictures elsewhere.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright
from scripts.screenshots_stage import FFMPEG, Api, stage, video_path
from tests.e2e.browsing import ADMIN_PASSWORD, PHONE, Site, Watcher, go
from tests.e2e.chromium import CHROMIUM_FLAGS, find_chromium
from tests.running import Server, server_env, serving

TARGET = Path(os.environ.get("SCREENSHOTS_DIR", Path(__file__).parents[1] / "docs" / "screenshots"))
LARGEST_BYTES = 300_000
MEDIA_MS = 120_000
HIDE_GUIDE = "localStorage.setItem('onetake.guide', 'hidden')"
# The counter of views ignores robots.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
# Text cursors blink; a picture must not depend on the moment.
QUIET = "*, *::before, *::after { caret-color: transparent !important }"


def clicks(*selectors: str) -> Callable[[Page], None]:
    """Click one thing after the other, then wait for what opens."""

    def act(page: Page) -> None:
        for selector in selectors:
            page.locator(selector).first.click()
        expect(page.locator("[role=dialog]:visible")).to_be_visible()

    return act


def push_dialog(page: Page) -> None:
    """Add a source to push to, as far as the instructions for OBS."""
    page.locator("[data-test=source-add]").click()
    page.locator("input[name=name]").fill("Gymnasium")
    page.locator("[data-test=source-save]").click()
    expect(page.locator("[data-test=push-key]")).to_be_visible()


def schedule_dialog(page: Page) -> None:
    """A plan that is being typed, with its next runs."""
    page.locator("[data-test=schedule-add]").click()
    page.locator("[role=dialog] input[name=name]").fill("Morning lecture")
    page.get_by_role("dialog").get_by_role("combobox", name="Source").press("Enter")
    page.get_by_role("option", name="Lecture hall").click()
    page.locator("[role=dialog] input[name=time]").fill("08:00")
    page.locator("[role=dialog] input[name=name]").focus()
    expect(page.locator("[data-test=cron-words]")).to_contain_text("08:00")
    expect(page.locator("[data-test=cron-preview] time")).to_have_count(5)


def playing(seconds: float) -> Callable[[Page], None]:
    """The video on the page has played for so long."""

    def act(page: Page) -> None:
        page.wait_for_function(
            "seconds => [...document.querySelectorAll('video')].some((video) => video.played.length > 0"
            " && video.played.end(video.played.length - 1) - video.played.start(0) > seconds)",
            arg=seconds,
            timeout=MEDIA_MS,
        )

    return act


def preview(page: Page) -> None:
    """A live preview beside the list of sources."""
    page.get_by_role("article", name="Lecture hall", exact=True).locator("[data-test=source-preview]").click()
    playing(3)(page)


def edit(page: Page) -> None:
    """The form of a video, with its picture."""
    row = page.get_by_role("row").filter(has_text="合唱团排练")
    row.locator("[data-test=video-edit]").click()
    page.wait_for_function("() => [...document.querySelectorAll('video')].some((video) => video.readyState > 2)")


def statistics(page: Page) -> None:
    """The player with its figures and its bar."""
    playing(4)(page)
    page.keyboard.press("s")
    page.locator("[data-test=player]").hover()


def posters(page: Page) -> None:
    """Every picture that is seen is there."""
    page.wait_for_function(
        "() => [...document.images].every((image) => image.getBoundingClientRect().top > innerHeight"
        " || (image.complete && image.naturalWidth > 0))"
    )
    page.evaluate("Promise.all([...document.images].filter((image) => image.complete).map((image) => image.decode()))")


def stills(page: Page) -> None:
    """Every live source shows what it shows."""
    expect(page.locator("[data-test=still]").first).to_be_visible(timeout=MEDIA_MS)
    posters(page)


def charts(page: Page) -> None:
    """Every chart is drawn."""
    expect(page.locator("[data-test=chart] canvas")).to_have_count(6)


@dataclass(frozen=True)
class Shot:
    """One picture: which page, for whom, how. `path` may be the title of a video."""

    name: str
    path: str
    language: str = "en"
    dark: bool = False
    phone: bool = False
    height: int = 800
    signed_in: bool = True
    act: Callable[[Page], None] | None = None


FRESH = (
    Shot("first-steps", "/"),
    Shot("first-steps.zh-CN", "/", "zh-CN"),
    Shot("sources-empty", "/admin/sources"),
)
"""Taken while the product is empty."""

SHOTS = (
    Shot("jobs", "/admin/jobs?kind=jobs.selftest"),
    Shot("job", "/admin/jobs?kind=jobs.selftest", dark=True, act=clicks("[data-test=job-open]")),
    Shot("login", "/login", signed_in=False),
    Shot("login-phone-dark", "/login", dark=True, phone=True, signed_in=False),
    Shot("register", "/register", "zh-TW", signed_in=False),
    Shot("home", "/", act=posters),
    Shot("home.zh-CN", "/", "zh-CN", act=posters),
    Shot("home-dark", "/", dark=True, act=posters),
    Shot("home-phone", "/", "zh-TW", phone=True, act=posters),
    Shot("search", "/search?q=ecology", act=posters),
    Shot("video", "video:Forest ecology, lecture 1", act=statistics),
    Shot("video.zh-CN", "video:合唱团排练", "zh-CN", act=statistics),
    Shot("video-live", "video:Finals", dark=True, act=statistics),
    Shot("video-phone", "video:Evening news", phone=True, act=playing(3)),
    Shot("profile", "/profile"),
    Shot("sources", "/admin/sources", act=stills),
    Shot("sources.zh-CN", "/admin/sources", "zh-CN", act=stills),
    Shot("sources-phone", "/admin/sources", phone=True, act=stills),
    Shot("source-add", "/admin/sources", act=clicks("[data-test=source-add]")),
    Shot("source-preview", "/admin/sources", height=980, act=preview),
    Shot("tasks", "/admin/tasks"),
    Shot("tasks-phone", "/admin/tasks", "zh-CN", phone=True),
    Shot("task-gaps", "/admin/tasks", act=clicks("[data-test=task-gaps]")),
    Shot("schedules", "/admin/schedules"),
    Shot("schedules.zh-CN", "/admin/schedules", "zh-CN"),
    Shot("schedule-add", "/admin/schedules", height=900, act=schedule_dialog),
    Shot("videos", "/admin/videos", act=posters),
    Shot("video-edit", "/admin/videos", act=edit),
    Shot("users", "/admin/users"),
    Shot("users-phone-dark", "/admin/users", dark=True, phone=True),
    Shot("users-edit", "/admin/users", act=clicks("[data-test=user-edit]")),
    Shot("audit", "/admin/audit"),
    Shot("audit-entry", "/admin/audit?action=users.update", act=clicks("[data-test=audit-open]")),
    Shot("system", "/admin/system", act=charts),
    Shot("system.zh-CN", "/admin/system", "zh-CN", act=charts),
    Shot("system-dark", "/admin/system", dark=True, act=charts),
    Shot("system-phone", "/admin/system", "zh-CN", phone=True, act=charts),
    Shot("source-push", "/admin/sources", act=push_dialog),
)


@contextmanager
def product(folder: Path) -> Iterator[Server]:
    """The whole product with a data folder that goes away."""
    env = server_env(folder / "data", ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
    with serving(env) as server:
        server.wait_until_ready()
        yield server


class Studio:
    """Pages of the running product, one for each way of looking at it: nobody signs in forty times."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self._browser = browser
        self._origin = origin
        self._pages: dict[tuple[object, ...], Page] = {}

    def take(self, shot: Shot, path: str) -> None:
        """Open the page, wait until it shows what it has, save the picture."""
        page = self._page(shot)
        page.mouse.move(0, 0)
        page.set_viewport_size(PHONE if shot.phone else {"width": 1280, "height": shot.height})  # type: ignore[arg-type]
        go(page, path)
        if shot.act:
            shot.act(page)
        expect(page.locator("[data-test=loading]")).to_have_count(0)
        page.evaluate("document.fonts.ready")
        target = TARGET / f"{shot.name}.png"
        page.screenshot(path=target, animations="disabled", style=QUIET)
        page.goto(f"{self._origin}/forbidden")  # whatever plays or listens ends
        shrink(target)
        print(f"{target.name}  {target.stat().st_size // 1000} kB", flush=True)

    def _page(self, shot: Shot) -> Page:
        key = (shot.language, shot.dark, shot.phone, shot.signed_in, shot in FRESH)
        if key not in self._pages:
            context = self._browser.new_context(
                locale=shot.language,
                timezone_id="Asia/Shanghai",
                user_agent=PERSON,
                color_scheme="dark" if shot.dark else "light",
                device_scale_factor=2 if shot.phone else 1,
            )
            if shot not in FRESH:
                context.add_init_script(HIDE_GUIDE)
            site = Site(context, self._origin, Watcher(context))
            self._pages[key] = site.sign_in() if shot.signed_in else site.open("/login")
        return self._pages[key]


def shrink(path: Path) -> None:
    """Footage does not pack well: a picture that is too large gets a palette of its own colours."""
    if path.stat().st_size <= LARGEST_BYTES:
        return
    small = path.with_suffix(".small.png")
    palette = "split[a][b];[a]palettegen=max_colors=256:reserve_transparent=0[p];[b][p]paletteuse=dither=none"
    subprocess.run((*FFMPEG, "-y", "-i", str(path), "-vf", palette, "-pred", "none", str(small)), check=True)
    small.replace(path)


def take_all(origin: str, browser: Browser, folder: Path, names: list[str]) -> None:
    """The pictures of the empty product, then those of the busy one."""
    api, studio = Api(origin), Studio(browser, origin)
    for shot in FRESH:
        if not names or shot.name in names:
            studio.take(shot, shot.path)
    wanted = [shot for shot in SHOTS if not names or shot.name in names]
    if not wanted:
        return
    with stage(api, folder):
        for shot in wanted:
            kind, _, title = shot.path.partition(":")
            studio.take(shot, video_path(api, title) if kind == "video" else shot.path)


def main() -> int:
    """Take all pictures, or those named on the command line."""
    executable = find_chromium()
    if executable is None:
        sys.stderr.write("no Chromium found\n")
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=MEDIA_MS)
    with tempfile.TemporaryDirectory() as name, product(Path(name)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_FLAGS))
        take_all(f"http://127.0.0.1:{server.port}", browser, Path(name), sys.argv[1:])
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
