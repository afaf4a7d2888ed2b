"""The media server's figures as the system page sums them up."""

from typing import Any

from onetake.infra.db import Database
from onetake.infra.mediaserver import MediaServer
from onetake.kit.clock import utc_now
from onetake.monitoring.service.media import figures_of, media_figures, paused_recordings
from onetake.recordings.errors import PausedRecording
from onetake.recordings.models import RecordTask


def stream(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "state": "offline", "viewers": 0, "recording": None} | fields


def test_sums_over_the_streams() -> None:
    stats = {"video_bps": 2_000_000.0, "audio_bps": 100_000.0}
    busy = stream(state="pushing", viewers=3, recording="x", stats=stats)
    figures = figures_of([busy, stream(state="grace", viewers=1), stream(state="stalled", stats=stats), stream()])
    assert (figures.reachable, figures.streams_live, figures.recordings, figures.viewers) == (True, 2, 1, 4)
    assert figures.out_bits_per_s == 6_300_000


async def test_one_that_does_not_answer_is_away() -> None:
    media = MediaServer("http://127.0.0.1:1", "secret")
    assert not (await media_figures(media)).reachable
    await media.close()


async def test_paused_recordings_are_named(sqlite_database: Database) -> None:
    fields: dict[str, Any] = {"trigger": "manual", "title": "t", "created_at": utc_now(), "updated_at": utc_now()}
    paused = {"status": "recording", "error_code": PausedRecording.code}
    async with sqlite_database.write() as session:
        session.add(RecordTask(source_name="大礼堂", open_source_id=1, **paused, **fields))
        session.add(RecordTask(source_name="排练厅", open_source_id=2, status="recording", **fields))
    assert await paused_recordings(sqlite_database) == ["大礼堂"]
