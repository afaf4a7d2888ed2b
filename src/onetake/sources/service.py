"""Live sources: making, changing, deleting them, their stream keys, and what the media server should do about them."""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.audit import audit
from onetake.infra.events import emit
from onetake.kit.clock import utc_now
from onetake.kit.errors import NotFound
from onetake.kit.ids import random_hex
from onetake.kit.paging import PageRequest, SortKey
from onetake.kit.redact import MASK, redact
from onetake.kit.ssrf import parse_target
from onetake.sources import repository
from onetake.sources.errors import NotPushed, UrlMasked, UrlNeeded, UrlNotWanted, WrongScheme
from onetake.sources.events import SourceChanged, SourceDeleted
from onetake.sources.models import LiveSource, Protocol, PullMode, RecordMode, Visibility
from onetake.sources.repository import SourceFilter
from onetake.sources.schemas import SourceCreate, SourceUpdate

SCHEMES = {
    Protocol.RTMP: ("rtmp", "rtmps"),
    Protocol.HLS: ("http", "https"),
    Protocol.RTSP: ("rtsp", "rtsps"),
    Protocol.SRT: ("srt",),
    Protocol.HTTP_FLV: ("http", "https"),
}
PATTERN_URL = "builtin:pattern"
BEFORE_DELETION: list[Callable[[AsyncSession, LiveSource, bool], Awaitable[int]]] = []
"""Domains above add what they do, in the same transaction, before a source goes (last: trash its recordings?), and say
how many videos that concerns: trashed, or kept."""
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A stream key in clear, which exists only in the answer that shows it."""

    source: LiveSource
    key: str | None


async def list_sources(
    session: AsyncSession, wanted: SourceFilter, order: Sequence[SortKey], page: PageRequest
) -> tuple[list[LiveSource], int]:
    """One page of sources and the number of all that match."""
    return await repository.find(session, wanted, order, page)


async def get_source(session: AsyncSession, source_id: int) -> LiveSource:
    """One source; raises NotFound."""
    source = await repository.get(session, source_id)
    if source is None:
        raise NotFound
    return source


async def find_source(session: AsyncSession, source_id: int | None) -> LiveSource | None:
    """The source if it (still) exists."""
    return None if source_id is None else await repository.get(session, source_id)


async def source_of_stream(session: AsyncSession, stream_name: str) -> LiveSource | None:
    """The source behind a stream name of the media server."""
    return await repository.by_stream(session, stream_name)


async def create_source(session: AsyncSession, body: SourceCreate) -> NewKey:
    """A new source, with a stream key when it is pushed. Raises UrlNeeded, UrlNotWanted, WrongScheme, UrlRefused."""
    _check_whole(body.url)
    check_url(body.protocol, body.url)
    now = utc_now()
    source = LiveSource(
        **body.model_dump(),
        stream_name=_new_stream_name(),
        key_hash=None,
        key_hint=None,
        created_at=now,
        updated_at=now,
    )
    key = _set_key(source) if body.protocol is Protocol.PUSH else None
    await repository.add(session, source)
    await audit(session, action="sources.create", target=f"source:{source.id}", after=snapshot(source))
    await emit(session, SourceChanged(source.id))
    return NewKey(source, key)


async def update_source(session: AsyncSession, source_id: int, body: SourceUpdate) -> NewKey:
    """Change a source; one that becomes pushed gets a key. Raises as `create_source`, and NotFound."""
    source = await get_source(session, source_id)
    before = snapshot(source)
    if body.visibility is not None and body.visibility.is_narrower_than(source.visibility):
        source.grant_generation += 1
        source.narrowed_at = utc_now()
    for name, value in _changes(source, body).items():
        setattr(source, name, value)
    protocol = Protocol(source.protocol)
    if not protocol.needs_url and "url" not in body.model_fields_set:
        source.url = None
    check_url(protocol, source.url)
    key = _follow_protocol(source, protocol)
    source.updated_at = utc_now()
    await audit(session, action="sources.update", target=f"source:{source.id}", before=before, after=snapshot(source))
    await emit(session, SourceChanged(source.id))
    return NewKey(source, key)


async def rotate_key(session: AsyncSession, source_id: int) -> NewKey:
    """A new stream key; the old one is refused from now on. Raises NotPushed, NotFound."""
    source = await get_source(session, source_id)
    if source.protocol != Protocol.PUSH:
        raise NotPushed
    key = _set_key(source)
    source.updated_at = utc_now()
    await audit(session, action="sources.rotate_key", target=f"source:{source.id}")
    await emit(session, SourceChanged(source.id))
    return NewKey(source, key)


async def delete_source(session: AsyncSession, source_id: int, *, trash_recordings: bool) -> int:
    """Delete a source and its schedules; its videos stay, or go to the trash: how many there are of them.

    Raises NotFound, and whatever a domain above raises to prevent it.
    """
    source = await get_source(session, source_id)
    videos = sum([await step(session, source, trash_recordings) for step in BEFORE_DELETION])
    choice = {"recordings": "trashed" if trash_recordings else "kept", "videos": videos}
    target = f"source:{source.id}"
    await audit(session, action="sources.delete", target=target, before=snapshot(source), after=choice)
    await emit(session, SourceDeleted(source.id, source.stream_name, trash_recordings))
    await repository.remove(session, source)
    return videos


async def narrowed_since(session: AsyncSession, moment: datetime) -> list[tuple[str, int]]:
    """Stream and present generation of the sources that fewer people may watch since `moment`."""
    return await repository.narrowed_since(session, moment)


async def every_source(session: AsyncSession) -> list[LiveSource]:
    """All sources."""
    return await repository.every(session)


async def desired_streams(session: AsyncSession) -> list[dict[str, Any]]:
    """What the media server should know: one stream per source."""
    return [desired_stream(source) for source in await repository.every(session)]


def desired_stream(source: LiveSource) -> dict[str, Any]:
    """One source in the words of the media server's desired state."""
    protocol = Protocol(source.protocol)
    pull: dict[str, Any] | None = None
    if protocol is not Protocol.PUSH:
        pull = {"url": PATTERN_URL if protocol is Protocol.TEST else source.url}
        if source.pull_mode == PullMode.ON_DEMAND:
            pull["on_demand"] = True
    return {
        "name": source.stream_name,
        "enabled": source.is_active,
        "key_hashes": [source.key_hash] if source.key_hash else [],
        "record": "auto" if source.record_mode == RecordMode.AUTOMATIC else "manual",
        "grace_s": source.grace_s,
        "time_shift_s": source.time_shift_s,
        "gated": source.visibility != Visibility.PUBLIC,
        "pull": pull,
    }


def key_fits(source: LiveSource, key: str) -> bool:
    """Whether `key` is the stream key of a pushed source."""
    return source.key_hash is not None and hmac.compare_digest(_hash(key), source.key_hash)


def check_url(protocol: Protocol, url: str | None) -> None:
    """Raise when `url` does not fit `protocol` or is none that would ever be opened (R19, N1).

    What the name resolves to is judged when it is pulled: it may change between now and then.
    """
    if not protocol.needs_url:
        if url:
            raise UrlNotWanted(field="url")
        return
    if not url:
        raise UrlNeeded(field="url")
    schemes = SCHEMES[protocol]
    if url.partition("://")[0].lower() not in schemes:
        raise WrongScheme(field="url", protocol=protocol.value, schemes=", ".join(f"{name}://" for name in schemes))
    parse_target(url, frozenset(schemes), userinfo=True)


def snapshot(source: LiveSource) -> dict[str, Any]:
    """What the audit log keeps of a source (which redacts the address)."""
    names = (
        *("name", "protocol", "url", "retention_days", "is_active", "record_mode"),
        *("pull_mode", "grace_s", "time_shift_s", "visibility"),
    )
    return {name: getattr(source, name) for name in names}


def _changes(source: LiveSource, body: SourceUpdate) -> dict[str, Any]:
    """What `body` sets. An address that comes back as it was shown, its secrets hidden, is the one that we have."""
    given = body.model_dump(exclude_unset=True)
    if source.url is not None and given.get("url") == redact(source.url):
        del given["url"]
    _check_whole(given.get("url"))
    return {name: value for name, value in given.items() if value is not None or name == "url"}


def _check_whole(url: str | None) -> None:
    if url is not None and MASK in url:
        raise UrlMasked(field="url")


def _follow_protocol(source: LiveSource, protocol: Protocol) -> str | None:
    if protocol is not Protocol.PUSH:
        source.key_hash = source.key_hint = None
        return None
    return _set_key(source) if source.key_hash is None else None


def _set_key(source: LiveSource) -> str:
    """A new 128-bit key: the hash is stored as the media server compares it, the end is kept as a reminder."""
    key = random_hex(128)
    source.key_hash = _hash(key)
    source.key_hint = key[-4:]
    return key


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _new_stream_name() -> str:
    """A public name of 60 bits that says nothing about the source or its key (R16)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))
