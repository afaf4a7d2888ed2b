"""Languages, themes, phone layout, accessibility and the content security policy, on every page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browsing import ADMIN_PAGES, PHONE, PUBLIC_PAGES, Site, axe_violations, go, overflow_px

SIGN_IN = {"en": "Sign in", "zh-CN": "登录", "zh-TW": "登入"}


@pytest.mark.parametrize(
    ("browser_language", "shown"),
    [("zh-CN", "zh-CN"), ("zh-TW", "zh-TW"), ("zh-HK", "zh-TW"), ("en-GB", "en"), ("fr-FR", "en")],
)
def test_the_language_follows_the_browser(open_site: Callable[..., Site], browser_language: str, shown: str) -> None:
    page = open_site(locale=browser_language).open("/login")
    expect(page.locator("h1")).to_have_text(SIGN_IN[shown])
    assert page.evaluate("document.documentElement.lang") == shown
    assert page.title() == f"{SIGN_IN[shown]} · OneTake"


def test_a_chosen_language_stays(site: Site) -> None:
    page = site.open("/login")
    page.locator("[data-test=language]").click()
    page.locator("[data-test=language-zh-TW]").click()
    expect(page.locator("h1")).to_have_text(SIGN_IN["zh-TW"])
    page.reload()
    expect(page.locator("h1")).to_have_text(SIGN_IN["zh-TW"])


def test_messages_of_the_server_follow_the_language(open_site: Callable[..., Site]) -> None:
    page = open_site(locale="zh-CN").open("/login")
    page.locator("input[name=username]").fill("nobody-here")
    page.locator("input[name=password]").fill("wrong")
    page.locator("[data-test=login-submit]").click()
    expect(page.locator("[data-test=form-problem]")).to_have_text("用户名或密码错误。")


def test_dark_follows_the_system_until_chosen_and_then_stays(open_site: Callable[..., Site]) -> None:
    page = open_site(color_scheme="dark").open("/")
    dark = "document.documentElement.classList.contains('dark')"
    assert page.evaluate(dark) is True
    page.locator("[data-test=theme]").click()
    assert page.evaluate(dark) is False
    page.reload()
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate(dark) is False


def test_a_dark_page_is_dark_before_anything_is_drawn(open_site: Callable[..., Site]) -> None:
    page = open_site(color_scheme="dark", java_script_enabled=True).context.new_page()
    page.add_init_script(
        "new MutationObserver(() => { if (document.body && window.__first === undefined)"
        " window.__first = document.documentElement.classList.contains('dark') })"
        ".observe(document, { childList: true, subtree: true })"
    )
    site = open_site()
    page.goto(site.url + "/")
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("window.__first") is True


def check(site: Site, page: Page, path: str) -> list[str]:
    """Everything that every page must hold."""
    go(page, path)
    if path == "/admin/system":
        expect(page.locator("[data-test=chart] canvas").first).to_be_visible()
    site.watcher.note_violations(page)
    wide = overflow_px(page)
    faults = [f"{path} {found}" for found in axe_violations(page)]
    return [*faults, f"{path} is {wide} px too wide"] if wide > 0 else faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, PHONE], ids=["desktop", "phone"])
def test_every_page_is_accessible_fits_and_keeps_the_policy(
    open_site: Callable[..., Site], scheme: str, size: dict[str, int]
) -> None:
    site = open_site(color_scheme=scheme, viewport=size)
    page = site.open("/")
    faults = [fault for path in PUBLIC_PAGES for fault in check(site, page, path)]
    page.close()
    page = site.sign_in()
    faults += [fault for path in ("/", *ADMIN_PAGES) for fault in check(site, page, path)]
    assert not faults, "\n".join(faults)


def test_the_strict_policy_is_really_sent(site: Site) -> None:
    page = site.context.new_page()
    answer = page.goto(site.url + "/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    script = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert script.split() == ["script-src", "'self'"]
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { text: 'window.__ran = 1' }))")
    assert page.evaluate("window.__ran") is None, "the policy stops inline scripts"
    assert page.evaluate("window.__violations.length") == 1, "and the tests would see a violation"
    site.watcher.forgive("Content Security Policy")


def test_the_phone_has_the_menu_in_a_drawer(open_site: Callable[..., Site]) -> None:
    page = open_site(viewport=PHONE, has_touch=True, is_mobile=True).sign_in(path="/login?redirect=/admin/users")
    expect(page.locator("aside")).to_be_hidden()
    page.locator("[data-test=admin-drawer]").click()
    page.locator(".el-drawer.ltr").get_by_role("link", name="Jobs").click()
    expect(page.locator("h1")).to_have_text("Jobs")
    expect(page.locator(".el-drawer.ltr")).to_be_hidden()


def test_dialogs_fit_a_phone(open_site: Callable[..., Site]) -> None:
    page = open_site(viewport=PHONE).sign_in(path="/login?redirect=/admin/users")
    page.locator("[data-test=user-create]").click()
    dialog = page.locator(".el-dialog")
    expect(dialog).to_be_visible()
    box = dialog.bounding_box()
    assert box is not None
    assert box["width"] > 340
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert overflow_px(page) == 0


def test_the_keyboard_reaches_the_content_first(site: Site) -> None:
    page = site.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
