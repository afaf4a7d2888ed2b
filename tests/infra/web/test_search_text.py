"""The `q` of lists: alike for videos, sources and accounts, on the three databases."""

from collections.abc import Callable

import httpx
import pytest
from tests.api_fixtures import add_user, running
from tests.library.test_videos import add

from onetake.infra.settings import Settings
from onetake.sources.models import Protocol
from onetake.sources.schemas import SourceCreate
from onetake.sources.service import create_source

MATCHES = {"": 2, " ": 2, "\u3000": 2, "alpha": 1, "  ALPHA\u3000": 1, "???": 0, "。。": 0, "%": 0, "_": 0, "\\": 0}


@pytest.mark.parametrize("path", ["/api/videos", "/api/sources", "/api/users?role=member"])
async def test_what_matches_nothing_lists_nothing(
    path: str, database_url: str, make_settings: Callable[..., Settings]
) -> None:
    async with running(make_settings(database_url=database_url)) as api:
        for name in ("alpha", "beta"):
            await add_user(api.db, name)
            await add(api.db, name)
            async with api.db.write() as session:
                await create_source(session, SourceCreate(name=name, protocol=Protocol.PUSH))
        admin = await api.headers("admin")
        for text, count in MATCHES.items():
            page = (await api.http.get(httpx.URL(path).copy_merge_params({"q": text}), headers=admin)).json()
            assert (page["total"], len(page["items"])) == (count, count), text
