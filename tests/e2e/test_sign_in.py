"""Signing in and out, guards, and sessions over several tabs."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browsing import ADMIN, ADMIN_PASSWORD, Site, enter_credentials, go, settle

MENU = "[data-test=user-menu]"


def test_a_wrong_password_is_refused_in_words(site: Site) -> None:
    page = site.open("/login")
    enter_credentials(page, ADMIN, "not-the-password")
    expect(page.locator("[data-test=form-problem]")).to_have_text("The user name or the password is wrong.")
    expect(page.locator(MENU)).to_have_count(0)
    assert page.url.endswith("/login")


def test_empty_fields_are_marked_without_asking_the_server(site: Site) -> None:
    page = site.open("/login")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("[data-test=login-submit]").click()
    expect(page.get_by_text("This field is required")).to_have_count(2)
    assert not [url for url in asked if "/api/" in url]


def test_signing_in_leads_home_and_survives_a_reload(site: Site) -> None:
    page = site.sign_in()
    expect(page).to_have_url(site.url + "/")
    page.reload()
    expect(page.locator(MENU)).to_be_visible()


@pytest.mark.parametrize("path", ["/profile", "/admin/users?role=member", "/admin"])
def test_a_guest_is_sent_to_sign_in_and_back(site: Site, path: str) -> None:
    page = site.open(path)
    expect(page.locator("input[name=password]")).to_be_visible()
    assert "redirect=" in page.url
    enter_credentials(page, ADMIN, ADMIN_PASSWORD)
    expect(page).to_have_url(site.url + ("/admin/sources" if path == "/admin" else path))


def test_the_way_back_never_leads_to_another_site(site: Site) -> None:
    page = site.sign_in(path="/login?redirect=//evil.example/x")
    expect(page).to_have_url(site.url + "/")


def test_signing_out_holds_in_all_tabs(site: Site) -> None:
    first = site.sign_in()
    second = site.open("/profile")
    expect(second.locator("[data-test=profile-save]")).to_be_visible()
    first.locator(MENU).click()
    first.locator("[data-test=sign-out]").click()
    expect(first.locator("[data-test=sign-in]")).to_be_visible()
    expect(second.locator("input[name=password]")).to_be_visible()
    third = site.open("/profile")
    expect(third.locator("input[name=password]")).to_be_visible()


def test_signing_in_reaches_the_other_tabs(site: Site) -> None:
    waiting = site.open("/")
    expect(waiting.locator("[data-test=sign-in]")).to_be_visible()
    site.sign_in()
    expect(waiting.locator(MENU)).to_be_visible()


def test_a_member_registers_and_sees_no_administration(open_site: Callable[..., Site]) -> None:
    site = open_site()
    page = register(site, "guard-member")
    page.locator(MENU).click()
    expect(page.locator("[data-test=menu-profile]")).to_be_visible()
    expect(page.locator("[data-test=menu-admin]")).to_have_count(0)
    for path in ("/admin/users", "/admin/jobs", "/admin/audit", "/admin/system", "/admin"):
        go(page, path)
        expect(page.locator("h1")).to_have_text("Not allowed")


def test_a_taken_name_is_shown_at_its_field(site: Site) -> None:
    page = site.open("/register")
    fill_registration(page, ADMIN)
    expect(page.locator(".el-form-item__error")).to_have_text("This user name is taken.")


def register(site: Site, username: str) -> Page:
    """A page on which a new member has registered."""
    page = site.open("/register")
    fill_registration(page, username)
    expect(page.locator(MENU)).to_be_visible()
    settle(page)
    return page


def fill_registration(page: Page, username: str) -> None:
    page.locator("input[name=username]").fill(username)
    page.locator("input[name=password]").fill("a-long-enough-one")
    page.locator("input[name=again]").fill("a-long-enough-one")
    page.locator("[data-test=register-submit]").click()


def test_a_server_that_is_away_is_waited_for_and_nobody_is_signed_out(site: Site) -> None:
    page = site.sign_in(path="/login?redirect=/profile")
    page.route("**/api/auth/refresh", lambda route: route.fulfill(status=503, body=""))
    page.reload()
    expect(page.locator("h1")).to_have_text("The server does not answer")
    page.unroute("**/api/auth/refresh")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("[data-test=profile-save]")).to_be_visible()
    site.watcher.forgive("status of 503")
