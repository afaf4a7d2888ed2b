"""The user administration, and the audit log that tells of it."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import Site, axe_violations, enter_credentials, go

SAVE = "[data-test=user-save]"


def row_of(page: Page, username: str) -> Locator:
    return page.locator("tbody tr").filter(has=page.locator("small", has_text=username))


def create(page: Page, username: str, role: str = "Member") -> None:
    """Make an account with the dialog."""
    page.locator("[data-test=user-create]").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[name=username]").fill(username)
    dialog.locator("input[name=display_name]").fill(f"{username} the first")
    dialog.locator(".el-select").click()
    page.get_by_role("option", name=role).click()
    dialog.locator("input[name=password]").fill("a-long-enough-one")
    dialog.locator(SAVE).click()
    expect(dialog).to_be_hidden()


def act(page: Page, username: str, entry: str) -> None:
    """Choose an entry in the menu of a user's row."""
    row_of(page, username).locator("[data-test=user-more]").click()
    page.locator(f"[data-test={entry}]:visible").click()


def test_an_account_is_made_found_changed_and_deleted(admin: Page) -> None:
    go(admin, "/admin/users")
    create(admin, "crud-user", "Operator")
    admin.get_by_placeholder("Search name or e-mail").fill("crud-us")
    expect(admin.locator("tbody tr")).to_have_count(1)
    expect(row_of(admin, "crud-user")).to_contain_text("Operator")
    assert "q=crud-us" in admin.url, "the filter is in the address"

    row_of(admin, "crud-user").locator("[data-test=user-edit]").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog.locator("input[name=display_name]")).to_have_value("crud-user the first")
    dialog.locator("input[name=display_name]").fill("Renamed")
    dialog.locator("input[name=email]").fill("crud@example.org")
    dialog.locator(SAVE).click()
    expect(row_of(admin, "crud-user")).to_contain_text("Renamed")

    act(admin, "crud-user", "user-delete")
    box = admin.get_by_role("dialog").filter(has_text="cannot be undone")
    box.get_by_role("button", name="Delete user").click()
    expect(admin.locator("[data-test=empty]")).to_contain_text("Nothing matches")


def test_faults_stand_at_their_fields(admin: Page) -> None:
    go(admin, "/admin/users")
    admin.locator("[data-test=user-create]").click()
    dialog = admin.get_by_role("dialog")
    dialog.locator("input[name=email]").fill("no address")
    dialog.locator("input[name=password]").fill("short")
    dialog.locator(SAVE).click()
    expect(dialog.get_by_text("This field is required")).to_be_visible()
    expect(dialog.get_by_text("This is not an e-mail address")).to_be_visible()
    expect(dialog.get_by_text("At least 8 characters")).to_be_visible()
    assert axe_violations(admin) == []
    dialog.locator("input[name=username]").fill("admin")
    dialog.locator("input[name=email]").fill("")
    dialog.locator("input[name=password]").fill("a-long-enough-one")
    dialog.locator(SAVE).click()
    expect(dialog.get_by_text("This user name is taken.")).to_be_visible()


def test_a_disabled_user_cannot_sign_in_and_a_new_password_works(open_site: Callable[..., Site]) -> None:
    admin = open_site().sign_in()
    go(admin, "/admin/users")
    create(admin, "toggle-user")
    act(admin, "toggle-user", "user-toggle")
    expect(row_of(admin, "toggle-user")).to_contain_text("Disabled")
    other = open_site().open("/login")
    enter_credentials(other, "toggle-user", "a-long-enough-one")
    expect(other.locator("[data-test=form-problem]")).to_be_visible()

    act(admin, "toggle-user", "user-toggle")
    expect(row_of(admin, "toggle-user")).to_contain_text("Active")
    act(admin, "toggle-user", "user-password")
    admin.get_by_role("dialog").locator("input[name=new_password]").fill("quite-another-one")
    admin.locator("[data-test=password-save]").click()
    expect(admin.get_by_text("The new password is in force")).to_be_visible()
    enter_credentials(other, "toggle-user", "quite-another-one")
    expect(other.locator("[data-test=user-menu]")).to_be_visible()


def test_nobody_disables_or_deletes_themselves(admin: Page) -> None:
    go(admin, "/admin/users")
    row_of(admin, "admin").locator("[data-test=user-more]").click()
    for entry in ("user-toggle", "user-delete"):
        expect(admin.locator(f"[data-test={entry}]:visible")).to_have_attribute("aria-disabled", "true")


def test_the_audit_log_shows_who_changed_what(admin: Page) -> None:
    go(admin, "/admin/users")
    create(admin, "audited-user")
    row_of(admin, "audited-user").locator("[data-test=user-edit]").click()
    admin.get_by_role("dialog").locator("input[name=display_name]").fill("After the change")
    admin.get_by_role("dialog").locator(SAVE).click()
    expect(admin.get_by_role("dialog")).to_be_hidden()

    go(admin, "/admin/audit?action=users.update")
    first = admin.locator("tbody tr").first
    expect(first).to_contain_text("User changed")
    expect(first).to_contain_text("admin")
    first.locator("[data-test=audit-open]").click()
    changed = admin.locator("[data-test=audit-diff] tr.changed")
    expect(changed.locator("del")).to_have_text("audited-user the first")
    expect(changed.locator("ins")).to_have_text("After the change")
    assert axe_violations(admin) == []


def test_sorting_and_paging_are_in_the_address(admin: Page) -> None:
    go(admin, "/admin/users")
    admin.get_by_role("button", name="Sort by Created").click()
    expect(admin.get_by_role("columnheader", name="Created")).to_have_attribute("aria-sort", "ascending")
    admin.get_by_role("button", name="Sort by Created").click()
    expect(admin.get_by_role("columnheader", name="Created")).to_have_attribute("aria-sort", "descending")
    assert "sort=-created_at" in admin.url
