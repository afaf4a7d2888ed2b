"""The administrators' view of accounts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, status

from onetake.accounts import service
from onetake.accounts.auth import Permission, require
from onetake.accounts.endpoints.views import user_view
from onetake.accounts.repository import USER_SORTS, UserFilter
from onetake.accounts.roles import Role
from onetake.accounts.schemas import PasswordSet, Revoked, UserCreate, UserUpdate, UserView
from onetake.infra.web.deps import DatabaseDep, IdPath, PageDep, ReadSession, SearchText, WriteSession
from onetake.infra.web.openapi import answers
from onetake.kit.paging import Page, page_of, parse_sort

router = APIRouter(prefix="/api/users", tags=["users"])

_read = [Depends(require(Permission.USERS_READ))]
_write = [Depends(require(Permission.USERS_WRITE))]


async def _filter(
    q: SearchText = None,
    role: Annotated[Role | None, Query(description="Only users of this role.")] = None,
    is_active: Annotated[bool | None, Query(description="Only active, or only disabled, users.")] = None,
) -> UserFilter:
    return UserFilter(q, role, is_active)


Sort = Annotated[
    str | None,
    Query(
        max_length=100,
        description=f"Order, a minus for descending: {', '.join(USER_SORTS)}.",
        examples=["-created_at"],
    ),
]


@router.get("", operation_id="listUsers", summary="List users", dependencies=_read)
async def list_users(
    wanted: Annotated[UserFilter, Depends(_filter)], page: PageDep, session: ReadSession, sort: Sort = None
) -> Page[UserView]:
    """Accounts by name, role and state; `q` looks into user name, display name and e-mail address."""
    order = parse_sort(sort, USER_SORTS, default="username")
    users, total = await service.list_users(session, wanted, order, page)
    return page_of([user_view(user) for user in users], total, page)


@router.post(
    "",
    operation_id="createUser",
    summary="Create a user",
    status_code=status.HTTP_201_CREATED,
    dependencies=_write,
    responses=answers(409),
)
async def create_user(body: UserCreate, db: DatabaseDep) -> UserView:
    """A new account with any role, also when registration is closed."""
    return user_view(await service.create_user(db, body))


@router.get("/{id}", operation_id="getUser", summary="Show a user", dependencies=_read)
async def get_user(id: IdPath, session: ReadSession) -> UserView:
    """One account."""
    return user_view(await service.get_user(session, id))


@router.put("/{id}", operation_id="updateUser", summary="Change a user", dependencies=_write, responses=answers(409))
async def update_user(id: IdPath, body: UserUpdate, session: WriteSession) -> UserView:
    """Fields left out stay as they are. A new role or a ban ends the sessions. The last admin stays one (409)."""
    return user_view(await service.update_user(session, id, body))


@router.delete(
    "/{id}",
    operation_id="deleteUser",
    summary="Delete a user",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=_write,
    responses=answers(409),
)
async def delete_user(id: IdPath, session: WriteSession) -> None:
    """Removes the account with its sessions and API tokens. The last administrator stays (409)."""
    await service.delete_user(session, id)


@router.post(
    "/{id}/password",
    operation_id="setUserPassword",
    summary="Set a user's password",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=_write,
)
async def set_user_password(id: IdPath, body: PasswordSet, db: DatabaseDep) -> None:
    """Gives the user a new password and ends all of their sessions."""
    await service.set_password(db, id, body.new_password)


@router.post("/{id}/sessions/revoke", operation_id="revokeUserSessions", summary="Sign a user out", dependencies=_write)
async def revoke_user_sessions(id: IdPath, session: WriteSession) -> Revoked:
    """Ends all sessions of the user at once."""
    return Revoked(revoked=await service.revoke_sessions(session, id))
