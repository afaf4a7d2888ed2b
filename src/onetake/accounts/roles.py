"""Roles, the permissions that they give, and nothing else: what a person may do is decided from this table."""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """What kind of user somebody is; the most powerful first."""

    ADMIN = "admin"
    OPERATOR = "operator"
    INSTRUCTOR = "instructor"
    MEMBER = "member"


class Permission(StrEnum):
    """One thing that somebody may do. An endpoint asks for a permission, never for a role."""

    USERS_READ = "users.read"
    USERS_WRITE = "users.write"
    AUDIT_READ = "audit.read"
    JOBS_READ = "jobs.read"
    JOBS_WRITE = "jobs.write"
    SYSTEM_READ = "system.read"
    API_DOCS_READ = "api_docs.read"
    SOURCES_READ = "sources.read"
    SOURCES_WRITE = "sources.write"
    RECORDINGS_WRITE = "recordings.write"
    VIDEOS_MANAGE = "videos.manage"


ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: frozenset(
        {
            Permission.JOBS_READ,
            Permission.JOBS_WRITE,
            Permission.SYSTEM_READ,
            Permission.SOURCES_READ,
            Permission.SOURCES_WRITE,
            Permission.RECORDINGS_WRITE,
            Permission.VIDEOS_MANAGE,
        }
    ),
    Role.INSTRUCTOR: frozenset(),
    Role.MEMBER: frozenset(),
}


def permissions_of(role: str, scopes: Iterable[str] | None = None) -> frozenset[Permission]:
    """What `role` may do, cut down to `scopes` when an API token names them; unknown names give nothing."""
    try:
        granted = ROLE_PERMISSIONS[Role(role)]
    except ValueError:
        return frozenset()
    return granted if scopes is None else granted & {Permission(scope) for scope in scopes if scope in set(Permission)}
