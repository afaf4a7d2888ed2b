"""The application on an empty SQLite database, with a client and users of every role. Imported by tests/conftest.py."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from onetake.accounts.models import User
from onetake.accounts.sessions import Device, SessionPolicy, SignedIn, open_session
from onetake.api import create_app
from onetake.infra.db import Database
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now

PASSWORD = "tests open this door"
BASE_URL = "http://localhost:8000"


@cache
def password_hash() -> str:
    """A real argon2id hash of `PASSWORD`, made once, because hashing is slow on purpose."""
    return PasswordHash((Argon2Hasher(time_cost=1, memory_cost=46 << 10, parallelism=1),)).hash(PASSWORD)


async def add_user(db: Database, username: str, role: str = "member", **fields: Any) -> User:
    """A user whose password is `PASSWORD`."""
    now = utc_now()
    values: dict[str, Any] = {
        "username": username,
        "username_key": username.lower(),
        "display_name": username.title(),
        "email": None,
        "email_key": None,
        "language": None,
        "role": role,
        "is_active": True,
        "password_hash": password_hash(),
        "created_at": now,
        "updated_at": now,
        "last_login_at": None,
    }
    user = User(**(values | fields))
    async with db.write() as session:
        session.add(user)
    return user


@dataclass
class Api:
    """The running application and short ways to call it."""

    app: FastAPI
    settings: Settings
    http: httpx.AsyncClient
    users: dict[str, User] = field(default_factory=dict)

    @property
    def db(self) -> Database:
        """The application's own database."""
        database: Database = self.app.state.db
        return database

    async def user(self, role: str) -> User:
        """The one user of this role, made when first asked for."""
        if role not in self.users:
            self.users[role] = await add_user(self.db, f"{role}-user", role)
        return self.users[role]

    async def open(self, user: User, user_agent: str = "tests") -> SignedIn:
        """A new session of a user."""
        policy = SessionPolicy.from_settings(self.settings)
        async with self.db.write() as session:
            return await open_session(session, policy, user, Device("127.0.0.1", user_agent))

    def bearer(self, opened: SignedIn) -> dict[str, str]:
        """The header for a session."""
        token = self.app.state.access_tokens.issue(opened.user.id, opened.session.id, utc_now())
        return {"Authorization": f"Bearer {token}"}

    async def headers(self, role: str) -> dict[str, str]:
        """The header of a fresh session of the user of this role; empty for `anonymous`."""
        return {} if role == "anonymous" else self.bearer(await self.open(await self.user(role)))


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Api]:
    """The application with its lifespan, called without a network."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as http:
            yield Api(app, settings, http)


@pytest.fixture
def api_settings(make_settings: Callable[..., Settings], sqlite_url: str) -> Settings:
    """Settings over an empty, migrated SQLite database."""
    return make_settings(database_url=sqlite_url)


@pytest.fixture
async def api(api_settings: Settings) -> AsyncIterator[Api]:
    """The application with default settings on SQLite."""
    async with running(api_settings) as started:
        yield started
