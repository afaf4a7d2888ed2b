"""What viewers see of live sources: which are live now, by their visibility (C2, R12)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.accounts.auth import Permission, Principal
from onetake.kit.errors import NotFound, Unauthorized
from onetake.sources import repository
from onetake.sources.models import LiveSource, PullMode, Visibility
from onetake.sources.schemas import LiveView
from onetake.sources.status import has_picture, has_session


def sees_all(viewer: Principal | None) -> bool:
    """Whether somebody may watch every source."""
    return viewer is not None and viewer.may(Permission.SOURCES_READ)


def thing(source_id: int) -> str:
    """What a link to a live source is made for (`infra.web.links`)."""
    return f"live:{source_id}"


def may_watch(viewer: Principal | None, source: LiveSource, *, has_link: bool) -> bool:
    """Whether somebody may watch; `has_link`: they came by the link to it, which something unlisted needs."""
    if sees_all(viewer) or source.visibility == Visibility.PUBLIC:
        return True
    if source.visibility == Visibility.UNLISTED:
        return has_link
    return source.visibility == Visibility.MEMBERS and viewer is not None


async def get_watchable(
    session: AsyncSession, source_id: int, viewer: Principal | None, *, has_link: bool = False
) -> LiveSource:
    """A source that `viewer` may watch.

    Raises NotFound for a missing or foreign one, Unauthorized when signing in would help.
    """
    source = await repository.get(session, source_id)
    if source is None:
        raise NotFound
    if may_watch(viewer, source, has_link=has_link):
        return source
    if viewer is None and source.visibility == Visibility.MEMBERS:
        raise Unauthorized
    raise NotFound


async def listed(session: AsyncSession, viewer: Principal | None) -> list[LiveSource]:
    """The sources that stand in somebody's lists, by name."""
    shown = [Visibility.PUBLIC] if viewer is None else [Visibility.PUBLIC, Visibility.MEMBERS]
    return await repository.active_by_name(session, None if sees_all(viewer) else shown)


def live_view(source: LiveSource, detail: Mapping[str, Any] | None, poster_url: str | None = None) -> LiveView:
    """A source as viewers see it; `detail` is its stream of `/control/streams`, `poster_url` is for one with pictures.

    A short break is none to them: the player waits for what comes next.
    """
    live = source.is_active and has_session(detail)
    started_ms = detail.get("started_ms") if live and detail else None
    return LiveView(
        id=source.id,
        name=source.name,
        visibility=Visibility(source.visibility),
        is_live=live,
        is_interrupted=live and detail is not None and detail["state"] in ("grace", "stalled"),
        on_demand=source.is_active and source.pull_mode == PullMode.ON_DEMAND and not _has_failed(detail),
        since=datetime.fromtimestamp(started_ms / 1000, UTC) if started_ms else None,
        viewers=int(detail.get("viewers", 0)) if live and detail else 0,
        poster_url=poster_url if live and has_picture(detail) else None,
    )


def _has_failed(detail: Mapping[str, Any] | None) -> bool:
    """Whether a pull was given up, so that nothing would come for a viewer."""
    pull = (detail.get("pull") if detail else None) or {}
    return pull.get("state") == "failed"
