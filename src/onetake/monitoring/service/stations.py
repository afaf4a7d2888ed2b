"""Open recordings and pulled sources in trouble, by the names of their sources and in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from onetake.infra.db import Database
from onetake.kit.errors import AppError, Lang
from onetake.monitoring.schemas import PullTrouble, Recorder
from onetake.monitoring.service.media import MediaLook
from onetake.recordings.errors import disk_reason
from onetake.recordings.models import RecordTask, TaskStatus
from onetake.recordings.service.tasks import open_tasks
from onetake.sources.models import LiveSource
from onetake.sources.service import every_source
from onetake.sources.status import explain

MAX_LISTED = 50
_ORDER = {"paused": 0, "waiting": 1, "recording": 2}


@dataclass(frozen=True, slots=True)
class Stations:
    """What records, and what does not come in."""

    recorders: list[Recorder] = field(default_factory=list)
    pulls: list[PullTrouble] = field(default_factory=list)


async def stations(db: Database, look: MediaLook, lang: Lang) -> Stations:
    """Both lists; empty while the database does not answer."""
    try:
        async with db.read() as session:
            tasks, sources = await open_tasks(session), await every_source(session)
    except AppError:
        return Stations()
    streams = {source.id: source.stream_name for source in sources}
    recorders = [_recorder(task, look.paused.get(streams.get(task.source_id or 0, "")), lang) for task in tasks]
    recorders.sort(key=lambda recorder: (_ORDER[recorder.state], recorder.task_id))
    failing = look.failing_pulls
    pulls = [_trouble(source, failing[source.stream_name], lang) for source in sources if source.stream_name in failing]
    return Stations(recorders[:MAX_LISTED], pulls[:MAX_LISTED])


def _recorder(task: RecordTask, paused: str | None, lang: Lang) -> Recorder:
    state = "paused" if paused else "waiting" if task.status == TaskStatus.PENDING else "recording"
    return Recorder(
        task_id=task.id,
        source_name=task.source_name,
        state=state,
        reason=disk_reason(paused, lang) if paused else None,
        started_at=task.started_at,
        size_bytes=task.file_size,
    )


def _trouble(source: LiveSource, pull: Mapping[str, Any], lang: Lang) -> PullTrouble:
    since_s = pull.get("since_s")
    return PullTrouble(
        source_id=source.id,
        source_name=source.name,
        state=pull["state"],
        reason=explain(pull, lang),
        since=datetime.fromtimestamp(since_s, UTC) if since_s else None,
    )
