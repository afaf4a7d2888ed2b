"""Roles and permissions."""

from hypothesis import given
from hypothesis import strategies as st

from onetake.accounts.roles import ROLE_PERMISSIONS, Permission, Role, permissions_of


def test_every_role_has_its_row_and_the_admin_everything() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role)
    assert ROLE_PERMISSIONS[Role.ADMIN] == frozenset(Permission)


def test_nobody_else_reaches_accounts_audit_or_the_map_of_the_api() -> None:
    kept = {Permission.USERS_READ, Permission.USERS_WRITE, Permission.AUDIT_READ, Permission.API_DOCS_READ}
    for role in set(Role) - {Role.ADMIN}:
        assert not ROLE_PERMISSIONS[role] & kept


def test_an_unknown_role_may_nothing() -> None:
    assert permissions_of("root") == frozenset()


@given(role=st.sampled_from(Role), scopes=st.lists(st.sampled_from([*(p.value for p in Permission), "all", "*"])))
def test_scopes_only_take_away(role: Role, scopes: list[str]) -> None:
    granted = permissions_of(role, scopes)
    assert granted <= ROLE_PERMISSIONS[role]
    assert {permission.value for permission in granted} <= set(scopes)
