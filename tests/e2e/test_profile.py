"""One's own account: profile, password, sessions, API tokens."""

import json
import urllib.request
from collections.abc import Callable

from playwright.sync_api import Page, expect
from tests.e2e.browsing import Site, axe_violations, enter_credentials, go
from tests.e2e.test_sign_in import register

PASSWORD = "a-long-enough-one"


def member(site: Site, username: str) -> Page:
    """The profile page of a new member."""
    page = register(site, username)
    go(page, "/profile")
    return page


def test_name_and_language_are_kept(site: Site) -> None:
    page = member(site, "profile-user")
    page.locator("input[name=display_name]").fill("林 薇")
    page.locator("input[name=email]").fill("lin@example.org")
    page.locator("main .el-select").click()
    page.get_by_role("option", name="繁體中文").click()
    page.locator("[data-test=profile-save]").click()
    expect(page.locator("h1")).to_have_text("個人資料")
    page.reload()
    expect(page.locator("h1")).to_have_text("個人資料")
    expect(page.locator("input[name=display_name]")).to_have_value("林 薇")


def test_a_new_password_needs_the_old_one(site: Site) -> None:
    page = member(site, "password-user")
    page.locator("input[name=current_password]").fill("not this one")
    page.locator("input[name=new_password]").fill("a-brand-new-one")
    page.locator("input[name=again]").fill("a-brand-new-one")
    page.locator("[data-test=password-change]").click()
    expect(page.get_by_text("The current password is wrong.")).to_be_visible()
    page.locator("input[name=current_password]").fill(PASSWORD)
    page.locator("[data-test=password-change]").click()
    expect(page.get_by_text("Password changed")).to_be_visible()
    page.locator("[data-test=user-menu]").click()
    page.locator("[data-test=sign-out]").click()
    expect(page.locator("[data-test=sign-in]")).to_be_visible()
    go(page, "/login")
    enter_credentials(page, "password-user", "a-brand-new-one")
    expect(page.locator("[data-test=user-menu]")).to_be_visible()


def test_another_session_is_ended_from_here(open_site: Callable[..., Site]) -> None:
    here = member(open_site(), "session-user")
    elsewhere = open_site().sign_in("session-user", PASSWORD)
    here.reload()
    sessions = here.locator("[data-test=sessions] li")
    expect(sessions).to_have_count(2)
    expect(sessions.filter(has_text="This one")).to_have_count(1)
    here.locator("[data-test=session-revoke]").click()
    expect(sessions).to_have_count(1)
    elsewhere.goto(elsewhere.url.rstrip("/") + "/profile")
    expect(elsewhere.locator("input[name=password]")).to_be_visible()


def test_a_session_that_ends_while_a_page_is_open_leads_to_sign_in_and_back(open_site: Callable[..., Site]) -> None:
    here = member(open_site(), "ended-user")
    elsewhere = open_site().sign_in("ended-user", PASSWORD)
    elsewhere.goto(elsewhere.url.rstrip("/") + "/profile")
    expect(elsewhere.locator("[data-test=sessions] li")).to_have_count(2)
    here.reload()
    here.locator("[data-test=sessions-revoke-others]").click()
    expect(here.locator("[data-test=sessions] li")).to_have_count(1)
    elsewhere.locator("[data-test=profile-save]").click()
    expect(elsewhere.get_by_text("Your session has ended.")).to_be_visible()
    enter_credentials(elsewhere, "ended-user", PASSWORD)
    expect(elsewhere.locator("h1")).to_have_text("Profile")


def test_a_token_is_shown_once_and_works(admin: Page) -> None:
    go(admin, "/profile")
    admin.locator("[data-test=token-create]").click()
    dialog = admin.get_by_role("dialog")
    dialog.locator("input[name=token-name]").fill("e2e script")
    dialog.get_by_text("jobs.read").click()
    assert axe_violations(admin) == []
    dialog.locator("[data-test=token-save]").click()
    secret = dialog.locator("[data-test=token-secret] code").inner_text()
    origin = admin.url.removesuffix("/profile")
    request = urllib.request.Request(f"{origin}/api/jobs", headers={"Authorization": f"Bearer {secret}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert "items" in json.load(answer)
    dialog.get_by_role("button", name="Close").last.click()
    expect(admin.locator("[data-test=tokens]")).to_contain_text("e2e script")
    assert secret not in admin.content()
    admin.locator("[data-test=tokens] li").filter(has_text="e2e script").get_by_role("button").click()
    admin.get_by_role("dialog").get_by_role("button", name="Delete token").click()
    expect(admin.get_by_text("No tokens yet")).to_be_visible()
