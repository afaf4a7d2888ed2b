"""A real `onetake serve` and a real Chromium for the browser tests.

Without a Chromium, or without the built web UI, the tests are skipped with the reason; with CI=true they fail.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.e2e.browsing import ADMIN_PASSWORD, Site, Watcher
from tests.e2e.chromium import CHROMIUM_FLAGS, find_chromium
from tests.e2e.watching import Station
from tests.running import Server, server_env, serving

import onetake


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


def unavailable(reason: str) -> NoReturn:
    """Skip, or fail where everything is promised to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run."""
    executable = find_chromium()
    if executable is None:
        unavailable("no Chromium found; install one or set ONETAKE_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def built_ui() -> None:
    """The web UI is there."""
    if not (Path(onetake.__file__).parent / "webui" / "index.html").is_file():
        unavailable("the web UI is not built; run `npm run build` in web/")


@pytest.fixture(scope="session")
def server(built_ui: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The whole product, with an empty data folder of its own."""
    env = server_env(tmp_path_factory.mktemp("e2e") / "data", ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
    with serving(env) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def station(built_ui: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """The product with data of its own for one module of tests, asked as its administrator."""
    env = server_env(tmp_path_factory.mktemp("station") / "data", ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
    with serving(env) as running:
        running.wait_until_ready()
        yield Station(running)


@pytest.fixture
def open_site(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Callable[..., Site]]:
    """Opens the site in a browser profile of its own; keyword arguments go to the browser context.

    `at` is the address of another server than the shared one.

    At the end no page may have broken the content security policy, thrown an error or complained in its console.
    """
    watchers: list[Watcher] = []
    contexts = []

    def open_one(at: str | None = None, **options: Any) -> Site:
        wanted: dict[str, Any] = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}} | options
        context = browser.new_context(**wanted)
        context.set_default_timeout(15_000)
        contexts.append(context)
        watcher = Watcher(context)
        watchers.append(watcher)
        return Site(context, at or _shared_address(request), watcher)

    yield open_one
    for context in contexts:
        context.close()
    for watcher in watchers:
        watcher.check()


def _shared_address(request: pytest.FixtureRequest) -> str:
    server: Server = request.getfixturevalue("server")
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """The site for somebody who is not signed in."""
    return open_site()


@pytest.fixture
def admin(site: Site) -> Page:
    """A page on which the administrator has just signed in."""
    return site.sign_in()


@pytest.fixture
def operator(station: Station, open_site: Callable[..., Site]) -> Page:
    """A page of the station with the administrator signed in."""
    return open_site(at=station.url).sign_in()
