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
DESKTOP = {"width": 1280, "height": 800}
LARGEST_BYTES = 300_000
MEDIA_MS = 60_000
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
    page.locator("[role=dialog] input[name=time]").fill("08:00")
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
    signed_in: bool = True
    act: Callable[[Page], None] | None = None


FRESH = (
    Shot("first-steps", "/"),
    Shot("first-steps.zh-CN", "/", "zh-CN"),
    Shot("sources-empty", "/admin/sources"),
)
"""Taken while the product is empty."""

SHOTS = (
    Shot("login", "/login", signed_in=False),
    Shot("login-phone-dark", "/login", dark=True, phone=True, signed_in=False),
    Shot("register", "/register", "zh-TW", signed_in=False),
    Shot("home", "/", act=posters),
    Shot("home.zh-CN", "/", "zh-CN", act=posters),
    Shot("home-dark", "/", dark=True, act=posters),
    Shot("home-phone", "/", "zh-TW", phone=True, act=posters),
    Shot("search", "/search?q=ecology", act=posters),
    Shot("video", "video:Forest ecology, lecture 1", act=statistics),
    Shot("video-live", "video:Finals", dark=True, act=statistics),
    Shot("video-phone", "video:Evening news", phone=True, act=playing(3)),
    Shot("profile", "/profile"),
    Shot("sources", "/admin/sources"),
    Shot("sources.zh-CN", "/admin/sources", "zh-CN"),
    Shot("sources-phone", "/admin/sources", phone=True),
    Shot("source-add", "/admin/sources", act=clicks("[data-test=source-add]")),
    Shot("source-preview", "/admin/sources", act=preview),
    Shot("tasks", "/admin/tasks"),
    Shot("tasks-phone", "/admin/tasks", "zh-CN", phone=True),
    Shot("task-gaps", "/admin/tasks", act=clicks("[data-test=task-gaps]")),
    Shot("schedules", "/admin/schedules"),
    Shot("schedule-add", "/admin/schedules", act=schedule_dialog),
    Shot("videos", "/admin/videos", act=posters),
    Shot("video-edit", "/admin/videos", act=clicks("[data-test=video-edit]")),
    Shot("users", "/admin/users"),
    Shot("users-phone-dark", "/admin/users", dark=True, phone=True),
    Shot("users-edit", "/admin/users", act=clicks("[data-test=user-edit]")),
    Shot("jobs", "/admin/jobs?kind=jobs.selftest"),
    Shot("job", "/admin/jobs?kind=jobs.selftest", dark=True, act=clicks("[data-test=job-open]")),
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


def take(browser: Browser, origin: str, shot: Shot, path: str) -> None:
    """Open the page, wait until it shows what it has, save the picture."""
    context = browser.new_context(
        locale=shot.language,
        timezone_id="Asia/Shanghai",
        user_agent=PERSON,
        color_scheme="dark" if shot.dark else "light",
        viewport=PHONE if shot.phone else DESKTOP,  # type: ignore[arg-type]  # a plain dict of the two sizes
        device_scale_factor=2 if shot.phone else 1,
    )
    if shot not in FRESH:
        context.add_init_script(HIDE_GUIDE)
    site = Site(context, origin, Watcher(context))
    page = site.sign_in() if shot.signed_in else site.open(path)
    go(page, path)
    if shot.act:
        shot.act(page)
    expect(page.locator("[data-test=loading]")).to_have_count(0)
    page.evaluate("document.fonts.ready")
    target = TARGET / f"{shot.name}.png"
    page.screenshot(path=target, animations="disabled", style=QUIET)
    context.close()
    shrink(target)
    print(f"{target.name}  {target.stat().st_size // 1000} kB", flush=True)


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
    api = Api(origin)
    for shot in FRESH:
        if not names or shot.name in names:
            take(browser, origin, shot, shot.path)
    wanted = [shot for shot in SHOTS if not names or shot.name in names]
    if not wanted:
        return
    with stage(api, folder):
        for shot in wanted:
            kind, _, title = shot.path.partition(":")
            take(browser, origin, shot, video_path(api, title) if kind == "video" else shot.path)


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
