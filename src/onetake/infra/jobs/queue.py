"""Putting jobs into the queue: rows in the caller's own transaction, so that no job is lost and none is invented."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import on_commit
from onetake.infra.jobs import repository
from onetake.infra.jobs.registry import QUEUES, REGISTRY, JobRegistry
from onetake.infra.jobs.wake import wake

_MAX_ARGS_BYTES = 256 << 10
DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Spec:
    """A job to be: kind and arguments, with the queue and priority of its kind unless told otherwise."""

    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    priority: int | None = None
    dedupe: str | None = None
    max_attempts: int | None = None


async def enqueue(
    session: AsyncSession,
    kind: str,
    args: Mapping[str, Any] | None = None,
    *,
    queue: str | None = None,
    priority: int | None = None,
    dedupe: str | None = None,
    run_at: datetime | None = None,
    delay_s: float = 0,
    parent: int | None = None,
    max_attempts: int | None = None,
    registry: JobRegistry = REGISTRY,
) -> int:
    """Add a job to the caller's transaction and return its number; a worker is woken after the commit.

    A smaller `priority` runs sooner (default 100). With `dedupe` the same key never makes a second job while the first
    one is listed: its number is returned. `run_at` (aware) or `delay_s` postpone it. `parent` is a job made with
    `enqueue_parent`. Raises ValueError for an unknown kind without a queue, and for arguments that are not JSON or
    larger than 256 KiB.
    """
    spec = Spec(kind, args or {}, queue, priority, dedupe, max_attempts)
    row = _row(spec, registry) | {"parent_id": parent}
    later = run_at is not None or delay_s > 0
    row["state"] = "scheduled" if later else "queued"
    job_id = await repository.insert_job(session, row, delay_s, run_at.timestamp() if run_at else None)
    on_commit(session, partial(wake, row["queue"]))
    return job_id


async def enqueue_unless_active(
    session: AsyncSession,
    kind: str,
    args: Mapping[str, Any] | None = None,
    *,
    queue: str | None = None,
    registry: JobRegistry = REGISTRY,
) -> int | None:
    """As `enqueue`, unless a job of this kind with these arguments has not ended yet; then None.

    Unlike `dedupe` it lets the same work be done again later. Two transactions at the same moment may both add one:
    the job must bear that.
    """
    row = _row(Spec(kind, args or {}, queue), registry)
    if await repository.is_active(session, kind, row["args"]):
        return None
    return await enqueue(session, kind, args, queue=queue, registry=registry)


async def any_active(session: AsyncSession, wanted: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether a job of one of these kinds with these arguments has not ended yet."""
    for kind, args in wanted:
        if await repository.is_active(session, kind, _json(args)):
            return True
    return False


async def enqueue_parent(
    session: AsyncSession, parent: Spec, children: Sequence[Spec], *, registry: JobRegistry = REGISTRY
) -> tuple[int, list[int]]:
    """Fan out: the parent waits until all children have ended, then runs once; returns the numbers.

    A parent with a failed child fails by itself unless its kind tolerates failed children.
    """
    row = _row(parent, registry) | {"state": "waiting" if children else "queued", "waiting": len(children)}
    parent_id = await repository.insert_job(session, row, 0, None)
    ids = []
    for child in children:
        child_row = _row(child, registry) | {"state": "queued", "parent_id": parent_id}
        ids.append(await repository.insert_job(session, child_row, 0, None))
    for queue in {row["queue"], *(_queue_of(child, registry) for child in children)}:
        on_commit(session, partial(wake, queue))
    return parent_id, ids


def _row(spec: Spec, registry: JobRegistry) -> dict[str, Any]:
    args = _json(spec.args)
    if len(args.encode()) > _MAX_ARGS_BYTES:
        raise ValueError(f"the arguments of a {spec.kind} job exceed {_MAX_ARGS_BYTES} bytes")
    kind = registry.kinds.get(spec.kind)
    priority = spec.priority if spec.priority is not None else kind.priority if kind else DEFAULT_PRIORITY
    attempts = spec.max_attempts or (kind.max_attempts if kind else None) or registry.default_max_attempts
    return {
        "queue": _queue_of(spec, registry),
        "kind": spec.kind,
        "args": args,
        "priority": priority,
        "max_attempts": attempts,
        "dedupe": spec.dedupe,
    }


def _json(args: Mapping[str, Any]) -> str:
    return json.dumps(dict(args), ensure_ascii=False, sort_keys=True, allow_nan=False)


def _queue_of(spec: Spec, registry: JobRegistry) -> str:
    kind = registry.kinds.get(spec.kind)
    queue = spec.queue or (kind.queue if kind else None)
    if queue not in QUEUES:
        raise ValueError(f"a job of the unknown kind {spec.kind!r} needs one of the queues {', '.join(QUEUES)}")
    return queue
