"""Background work of accounts."""

from datetime import timedelta
from types import SimpleNamespace

from sqlalchemy import select, update
from tests.api_fixtures import add_user

import onetake.worker  # noqa: F401  the worker must know the task
from onetake.accounts.models import UserSession
from onetake.accounts.sessions import Device, SessionPolicy, open_session
from onetake.accounts.tasks import PURGE
from onetake.infra.db import Database
from onetake.infra.jobs.registry import REGISTRY
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now


async def test_ended_sessions_are_swept_away(sqlite_database: Database, settings: Settings) -> None:
    policy = SessionPolicy.from_settings(settings)
    user = await add_user(sqlite_database, "anna")
    async with sqlite_database.write() as session:
        kept = await open_session(session, policy, user, Device(None, ""))
        ended = await open_session(session, policy, user, Device(None, ""))
        past = utc_now() - timedelta(seconds=1)
        await session.execute(update(UserSession).where(UserSession.id == ended.session.id).values(expires_at=past))
    context = SimpleNamespace(db=sqlite_database, settings=settings)
    assert await REGISTRY.kinds[PURGE].function(context) == {"sessions": 1}  # type: ignore[arg-type]
    async with sqlite_database.read() as session:
        assert list(await session.scalars(select(UserSession.id))) == [kept.session.id]
