"""What the browser tests share: signing in, watching a page for faults, checking accessibility."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

ADMIN = "admin"
ADMIN_PASSWORD = "walk-the-red-dog"
PHONE = {"width": 390, "height": 844}
TABLET = {"width": 820, "height": 1180}
PUBLIC_PAGES = ("/", "/search?q=test", "/login", "/register", "/forbidden", "/no/such/page")
ADMIN_PAGES = ("/profile", "/admin/system", "/admin/users", "/admin/jobs", "/admin/audit")

_AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
# An answer of 4xx that a test provokes on purpose shows up in the console as a network line.
_NETWORK_LINE = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
_LISTEN_FOR_VIOLATIONS = """
window.__violations = []
document.addEventListener('securitypolicyviolation', (event) => {
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)
})
"""


class Watcher:
    """Collects what goes wrong in the pages of a browser profile."""

    def __init__(self, context: BrowserContext) -> None:
        self.faults: list[str] = []
        context.add_init_script(_LISTEN_FOR_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"thrown: {error.error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _NETWORK_LINE.search(message.text):
            self.faults.append(f"{message.type}: {message.text}")

    def note_violations(self, page: Page) -> None:
        """Take over what the page has refused because of its policy."""
        self.faults.extend(f"policy: {entry}" for entry in page.evaluate("window.__violations"))

    def forgive(self, pattern: str) -> None:
        """Forget faults that the test has provoked on purpose."""
        self.faults = [fault for fault in self.faults if not re.search(pattern, fault)]

    def check(self) -> None:
        """Fails when anything went wrong."""
        assert not self.faults, "\n".join(self.faults)


class Site:
    """The running site in one browser profile."""

    def __init__(self, context: BrowserContext, url: str, watcher: Watcher) -> None:
        self.context = context
        self.url = url
        self.watcher = watcher

    def open(self, path: str = "/") -> Page:
        """A new page at `path`, loaded."""
        page = self.context.new_page()
        page.goto(self.url + path)
        settle(page)
        return page

    def sign_in(self, username: str = ADMIN, password: str = ADMIN_PASSWORD, path: str = "/login") -> Page:
        """A new page on which somebody has signed in."""
        page = self.open(path)
        enter_credentials(page, username, password)
        expect(page.locator("[data-test=user-menu]")).to_be_visible()
        return page


def enter_credentials(page: Page, username: str, password: str) -> None:
    """Fill in the sign-in form and send it."""
    page.locator("input[name=username]").fill(username)
    page.locator("input[name=password]").fill(password)
    page.locator("[data-test=login-submit]").click()


def settle(page: Page) -> None:
    """Wait until the page shows its heading and nothing is loading."""
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator("[data-test=loading]")).to_have_count(0)


def go(page: Page, path: str) -> None:
    """Load another address in the same page."""
    origin = "/".join(page.url.split("/")[:3])
    page.goto(origin + path)
    settle(page)


# A dialog that fades in is paler than it will be; what moves for ever is none of our business.
_SETTLED = """() => Promise.all(
    document.getAnimations()
        .filter((moving) => moving.effect?.getComputedTiming().endTime !== Infinity)
        .map((moving) => moving.finished.catch(() => undefined)),
)"""


def axe_violations(page: Page) -> list[str]:
    """Faults that axe-core finds by the rules of WCAG 2.2 A and AA and its own best practices; empty is good."""
    page.evaluate(_SETTLED)
    page.evaluate(_AXE.read_text())
    result: dict[str, Any] = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in result["violations"]
        for node in found["nodes"]
    ]


def overflow_px(page: Page) -> int:
    """How much wider the page is than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
