"""What the account endpoints take and give. Unknown fields of a request are refused (C3)."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from onetake.accounts.roles import Permission, Role
from onetake.kit.errors import Lang

USERNAME_PATTERN = r"^[A-Za-z0-9\u4e00-\u9fff][A-Za-z0-9_.\-\u4e00-\u9fff]{1,31}$"
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def _no_control(value: str) -> str:
    if _CONTROL.search(value):
        raise PydanticCustomError("control_characters", "Control characters are not allowed")
    return value


def _storable(value: str) -> str:
    """Lone surrogates are no text: no database stores them and no hash takes them."""
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise PydanticCustomError("control_characters", "Control characters are not allowed")
    return value


def _email(value: str) -> str:
    if not _EMAIL.match(value):
        raise PydanticCustomError("email", "This is not an e-mail address")
    return value


def _blank_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Username = Annotated[
    str,
    StringConstraints(min_length=2, max_length=32, pattern=USERNAME_PATTERN),
    Field(description="Name to sign in with: letters, digits, Chinese characters, `_ . -`.", examples=["lin.wei"]),
]
DisplayName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(_no_control),
    Field(description="Name that others see.", examples=["林薇"]),
]
Email = Annotated[
    Annotated[str, StringConstraints(max_length=254), AfterValidator(_no_control), AfterValidator(_email)] | None,
    BeforeValidator(_blank_to_none),
    Field(description="E-mail address, or null.", examples=["lin.wei@example.org"]),
]
Password = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    AfterValidator(_storable),
    Field(
        description="8 to 128 characters of any kind; the commonest passwords and one's own name are refused.",
        examples=["correct horse battery staple"],
        json_schema_extra={"format": "password"},
    ),
]
AnyPassword = Annotated[
    str,
    StringConstraints(max_length=1024),
    AfterValidator(_storable),
    Field(description="The password as it is now.", json_schema_extra={"format": "password"}, examples=["old secret"]),
]


class Body(BaseModel):
    """Base of every request body."""

    model_config = ConfigDict(extra="forbid")


class View(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(from_attributes=True)


class Register(Body):
    """A new account, made by its owner. The role is always `member`."""

    username: Username
    password: Password
    display_name: DisplayName | None = Field(None, description="Name that others see; the user name when left out.")
    email: Email = None
    language: Lang | None = Field(None, description="Language of pages and messages; the browser's when null.")


class Login(Body):
    """Name and password; an e-mail address is accepted in place of the name."""

    username: Annotated[
        str,
        StringConstraints(max_length=254),
        AfterValidator(_no_control),
        Field(description="User name or e-mail address.", examples=["lin.wei"]),
    ]
    password: AnyPassword


class ProfileUpdate(Body):
    """What somebody may change about themselves. Fields left out stay as they are."""

    display_name: DisplayName | None = Field(None, description="Name that others see.")
    email: Email = None
    language: Lang | None = Field(None, description="Language of pages and messages; null follows the browser.")


class PasswordChange(Body):
    """A new password, proved by the present one."""

    current_password: AnyPassword
    new_password: Password


class ApiTokenCreate(Body):
    """A key for programs."""

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
        AfterValidator(_no_control),
        Field(description="What it is for.", examples=["backup script"]),
    ]
    scopes: list[Permission] = Field(
        max_length=64,
        description="Permissions of the token, each of which its owner has; empty for what every signed-in user may.",
        examples=[["jobs.read"]],
    )
    expires_in_days: StrictInt | None = Field(
        90, ge=1, le=3650, description="Life in days; null for a token without an end.", examples=[90]
    )


class UserCreate(Body):
    """A new account, made by an administrator."""

    username: Username
    password: Password
    display_name: DisplayName | None = Field(None, description="Name that others see; the user name when left out.")
    email: Email = None
    language: Lang | None = Field(None, description="Language of pages and messages; the browser's when null.")
    role: Role = Field(Role.MEMBER, description="What kind of user it is.")


class UserUpdate(Body):
    """Changes by an administrator. Fields left out stay as they are."""

    display_name: DisplayName | None = Field(None, description="Name that others see.")
    email: Email = None
    language: Lang | None = Field(None, description="Language of pages and messages; null follows the browser.")
    role: Role | None = Field(None, description="New role; ends the user's sessions when it differs.")
    is_active: StrictBool | None = Field(None, description="False disables the account and ends its sessions.")


class PasswordSet(Body):
    """A new password for somebody else, set by an administrator."""

    new_password: Password


class UserView(View):
    """An account as administrators see it."""

    id: int = Field(description="Number of the account.", examples=[7])
    username: str = Field(description="Name to sign in with.", examples=["lin.wei"])
    display_name: str = Field(description="Name that others see.", examples=["林薇"])
    email: str | None = Field(description="E-mail address, if any.", examples=["lin.wei@example.org"])
    language: Lang | None = Field(description="Chosen language; null follows the browser.", examples=["zh-CN"])
    role: Role = Field(description="What kind of user it is.")
    is_active: bool = Field(description="False when the account is disabled.")
    created_at: datetime = Field(description="When the account was made (UTC).")
    updated_at: datetime = Field(description="When it was last changed (UTC).")
    last_login_at: datetime | None = Field(description="Last successful sign-in (UTC).")


class Me(UserView):
    """One's own account, with what one may do."""

    permissions: list[Permission] = Field(description="Permissions in force for this session or API token.")


class Signed(View):
    """The answer to a sign-in or a refresh; the refresh token is in an httpOnly cookie."""

    access_token: str = Field(description="Bearer token for the `Authorization` header.", examples=["eyJhbGciOi…"])
    token_type: Literal["bearer"] = Field("bearer", description="Kind of token (RFC 6750).")
    expires_in: int = Field(description="Life of the access token in seconds.", examples=[900])
    user: Me = Field(description="The signed-in user.")


class SessionView(View):
    """One place where somebody is signed in."""

    id: str = Field(description="Public id of the session; opens nothing.", examples=["b1f0c7d2e4a94a0f"])
    created_at: datetime = Field(description="Time of the sign-in (UTC).")
    last_seen_at: datetime = Field(description="Last use, to the minute (UTC).")
    expires_at: datetime = Field(description="Latest end (UTC).")
    ip: str | None = Field(description="Address of the last use.", examples=["192.0.2.7"])
    user_agent: str = Field(description="What the browser says that it is.", examples=["Mozilla/5.0"])
    current: bool = Field(description="True for the session that asks.")


class SessionList(View):
    """All sessions of a user, the most recently used first."""

    items: list[SessionView] = Field(description="The sessions.")


class Revoked(View):
    """How many sessions were ended."""

    revoked: int = Field(description="Number of sessions ended.", examples=[2])


class ApiTokenView(View):
    """An API token as its owner sees it later: never the secret again."""

    id: int = Field(description="Number of the token.", examples=[3])
    name: str = Field(description="What it is for.", examples=["backup script"])
    prefix: str = Field(description="First letters, to recognise it.", examples=["ot_k3V9xQ"])
    scopes: list[Permission] = Field(description="Permissions of the token.")
    created_at: datetime = Field(description="When it was made (UTC).")
    expires_at: datetime | None = Field(description="When it ends (UTC); null for never.")
    last_used_at: datetime | None = Field(description="Last use, to the minute (UTC).")


class ApiTokenCreated(ApiTokenView):
    """A fresh API token with its secret, shown this one time."""

    token: str = Field(description="The secret. It is not stored and cannot be shown again.", examples=["ot_k3V9xQ…"])


class ApiTokenList(View):
    """All API tokens of a user."""

    items: list[ApiTokenView] = Field(description="The tokens, the newest first.")


class WsTicket(View):
    """A one-use ticket for the WebSocket at `/api/ws`."""

    ticket: str = Field(description="Offer it as sub-protocol `ticket.<ticket>` beside `onetake`.", examples=["q1W…"])
    expires_in: int = Field(description="Life in seconds.", examples=[30])
