"""The site under the addresses that people really use: on the LAN, through a mapped port, behind an https proxy.

On a LAN address the page is no secure context: the browser has no locks, no clipboard and no service workers there.
"""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.e2e.browsing import ADMIN_PASSWORD, Site, go
from tests.e2e.forwarder import forwarding, self_signed
from tests.running import Server, server_env, serving


def lan_address() -> str:
    """An address of this machine that is not the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737; a datagram socket sends nothing by connecting
        except OSError:
            pytest.skip("this machine has no network address")
        return str(probe.getsockname()[0])


@pytest.fixture(scope="module")
def lan_server(built_ui: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The product, open to the network."""
    folder = tmp_path_factory.mktemp("lan") / "data"
    env = server_env(folder, ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD, ONETAKE_BIND="0.0.0.0")
    with serving(env) as running:
        running.wait_until_ready()
        yield running


def walk(site: Site) -> Page:
    """Sign in, reload (the cookie works), see live updates (the WebSocket works) and the charts, save something."""
    page = site.sign_in(path="/login?redirect=/admin/jobs")
    expect(page.locator("[data-test=live-state]")).to_have_attribute("data-state", "open")
    page.reload()
    expect(page.locator("[data-test=live-state]")).to_have_attribute("data-state", "open")
    go(page, "/profile")
    page.locator("[data-test=profile-save]").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    site.watcher.note_violations(page)
    return page


def media_sources(page: Page) -> list[str]:
    """What the policy of the page allows media to come from."""
    answer = page.context.request.get(page.url)
    directives = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    return next(words[1:] for words in directives if words[0] == "media-src")


def refresh_cookie_is_secure(context: BrowserContext) -> bool:
    """Whether the cookie of the session travels by TLS only."""
    return any(cookie["secure"] for cookie in context.cookies() if cookie["httpOnly"])


def test_a_lan_address(open_site: Callable[..., Site], lan_server: Server) -> None:
    host = lan_address()
    site = open_site(at=f"http://{host}:{lan_server.port}")
    page = walk(site)
    assert page.evaluate("isSecureContext") is False
    assert any(source.startswith(f"http://{host}:") for source in media_sources(page))


def test_a_mapped_port(open_site: Callable[..., Site], lan_server: Server) -> None:
    with forwarding(socket.create_server(("127.0.0.1", 0)), lan_server.port) as port:
        page = walk(open_site(at=f"http://127.0.0.1:{port}"))
        assert page.url.startswith(f"http://127.0.0.1:{port}/")


def test_an_https_proxy_on_one_origin(open_site: Callable[..., Site], built_ui: None, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    public = f"https://localhost:{listener.getsockname()[1]}"
    env = server_env(tmp_path / "data", ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD, ONETAKE_PUBLIC_URL=public)
    with serving(env) as server:
        server.wait_until_ready()
        with forwarding(listener, server.port, self_signed(tmp_path)):
            site = open_site(at=public, ignore_https_errors=True)
            page = walk(site)
            assert page.evaluate("isSecureContext") is True
            assert refresh_cookie_is_secure(site.context)
            assert media_sources(page) == ["'self'", "blob:"]
