"""What the system page says of the media server and of recordings."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.kit.errors import AppError
from onetake.monitoring.schemas import MediaFigures
from onetake.recordings.errors import PausedRecording
from onetake.recordings.service.tasks import open_tasks

PATIENCE_S = 2.0
_LIVE = ("pushing", "stalled")


async def media_figures(media: MediaServer) -> MediaFigures:
    """The media server's figures; one that does not answer soon counts as away."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            streams = (await media.streams())["streams"]
    except (AppError, TimeoutError):
        return MediaFigures(reachable=False)
    return figures_of(streams)


def figures_of(streams: Sequence[Mapping[str, Any]]) -> MediaFigures:
    """The sums over `/control/streams`."""
    return MediaFigures(
        reachable=True,
        streams_live=sum(stream["state"] in _LIVE for stream in streams),
        recordings=sum(stream["recording"] is not None for stream in streams),
        viewers=sum(stream["viewers"] for stream in streams),
        out_bits_per_s=round(sum(stream["viewers"] * _bits_per_s(stream) for stream in streams)),
    )


async def paused_recordings(db: Database) -> list[str]:
    """The names of the sources whose recording is paused; none while the database does not answer."""
    try:
        async with db.read() as session:
            tasks = await open_tasks(session)
    except AppError:
        return []
    return [task.source_name for task in tasks if task.error_code == PausedRecording.code]


def _bits_per_s(stream: Mapping[str, Any]) -> float:
    stats = stream.get("stats") or {}
    return float(stats.get("video_bps", 0)) + float(stats.get("audio_bps", 0))
