"""The watch over this machine: one task of the API process that measures, keeps the history and feeds live pages."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from onetake.infra.db import Database
from onetake.infra.logging import get_logger
from onetake.infra.mediaserver import FileServer, MediaServer
from onetake.infra.pubsub import Message, PubSub
from onetake.infra.settings import Settings
from onetake.kit.clock import utc_now
from onetake.kit.errors import AppError, Lang
from onetake.kit.lifeline import loop_lag
from onetake.monitoring.schemas import Disk, History, JobCounts, Load, MediaFigures, Sample, SpaceSample, SystemStatus
from onetake.monitoring.service.forecast import forecast
from onetake.monitoring.service.history import SPACE_STEP_S, STEP_S, HistoryStore, free_space
from onetake.monitoring.service.jobs import job_counts
from onetake.monitoring.service.machine import ProcessMeter, Space, UsageMeter, file_systems, load_average
from onetake.monitoring.service.media import MediaLook, MediaMeter
from onetake.monitoring.service.stations import stations
from onetake.monitoring.service.versions import read_versions
from onetake.monitoring.service.warnings import Facts, warnings_of

TOPIC = "system"
LIVE_EVERY_S = 2.0
log = get_logger(__name__)


class Monitor:
    """Measures every two seconds while somebody looks, every ten seconds always."""

    def __init__(self, settings: Settings, db: Database, pubsub: PubSub, media: MediaServer) -> None:
        self._settings = settings
        self._files = FileServer.from_settings(settings)
        self._media_meter = MediaMeter(media, self._files)
        self._db = db
        self._pubsub = pubsub
        self._data_dir: Path = settings.data_dir.absolute()
        self._history = HistoryStore(self._data_dir / "run", "history", Sample, STEP_S)
        self._space = HistoryStore(self._data_dir / "run", "space", SpaceSample, SPACE_STEP_S)
        self._processes = ProcessMeter(self._data_dir / "run", "api")
        self._live_meter, self._sample_meter = UsageMeter(), UsageMeter()
        self._load: Load | None = None
        self._look = MediaLook(MediaFigures(reachable=False))
        self._versions: dict[str, str] | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch for as long as the block runs."""
        for store in (self._history, self._space):
            await asyncio.to_thread(store.open)
        task = asyncio.create_task(self._watch(), name="monitor")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            for store in (self._history, self._space):
                store.close()
            await self._files.close()

    async def status(self, lang: Lang) -> SystemStatus:
        """Everything at this moment, with warnings in `lang`."""
        load = await self._fresh_load()
        jobs, found = await self.jobs(), await stations(self._db, self._look, lang)
        if self._versions is None:
            self._versions = await read_versions(self._settings, self._db)
        facts = Facts(
            now=load.at,
            disks=load.disks,
            memory_percent=load.memory_percent,
            loop_lag_worst_ms=load.loop_lag_worst_ms,
            processes=load.processes,
            versions=self._versions,
            jobs=jobs,
            media=load.media,
            recorders=found.recorders,
            pulls=found.pulls,
        )
        return SystemStatus(
            **load.model_dump(),
            host=socket.gethostname(),
            cpu_count=psutil.cpu_count() or 1,
            uptime_s=max(0, int(time.time() - psutil.boot_time())),
            versions=self._versions,
            jobs=jobs,
            recorders=found.recorders,
            pulls_in_trouble=found.pulls,
            warnings=warnings_of(facts, lang),
        )

    async def history(self) -> History:
        """The samples of the last hour."""
        return History(step_s=STEP_S, samples=await asyncio.to_thread(self._history.recent))

    async def jobs(self) -> JobCounts | None:
        """The job queue, None while the database does not answer."""
        try:
            async with self._db.read() as session:
                return await job_counts(session, self._settings)
        except AppError:
            return None

    async def _watch(self) -> None:
        next_sample = time.monotonic() + STEP_S
        while True:
            await asyncio.sleep(LIVE_EVERY_S)
            try:
                if self._pubsub.has_subscribers(TOPIC):
                    load = await self._measure()
                    self._pubsub.deliver(Message(TOPIC, "updated", load.model_dump(mode="json")))
                if time.monotonic() >= next_sample:
                    next_sample = max(next_sample + STEP_S, time.monotonic())
                    await self.sample()
            except Exception:  # a disk or a counter that is away for a moment must not end the watch
                log.exception("the machine could not be measured")

    async def sample(self) -> None:
        """Take one sample for the history."""
        usage = await asyncio.to_thread(self._sample_meter.measure)
        spaces = await asyncio.to_thread(file_systems, self._data_dir)
        jobs, media = await self.jobs(), (await self._look_at_media()).figures
        sample = Sample(
            at=utc_now(),
            cpu_percent=usage.cpu_percent,
            load_1m=load_average()[0],
            memory_percent=psutil.virtual_memory().percent,
            disk_read_bytes_per_s=usage.disk_read_bytes_per_s,
            disk_write_bytes_per_s=usage.disk_write_bytes_per_s,
            network_rx_bytes_per_s=usage.network_rx_bytes_per_s,
            network_tx_bytes_per_s=usage.network_tx_bytes_per_s,
            loop_lag_ms=round(loop_lag.worst_of_ms(STEP_S), 1),
            jobs_running=jobs.running if jobs else None,
            jobs_queued=jobs.queued if jobs else None,
            free_bytes={space.path: space.free for space in spaces},
            **_media_sample(media),
        )
        await asyncio.to_thread(self._history.add, sample)
        await asyncio.to_thread(self._note_space, sample)

    def _note_space(self, sample: Sample) -> None:
        latest = self._space.recent()[-1:]
        if not latest or (sample.at - latest[0].at).total_seconds() >= SPACE_STEP_S:
            self._space.add(SpaceSample(at=sample.at, free_bytes=sample.free_bytes))

    async def _fresh_load(self) -> Load:
        """The last measurement when it is new enough, so that many readers cost one."""
        if self._load is None or (utc_now() - self._load.at).total_seconds() >= LIVE_EVERY_S:
            return await self._measure()
        return self._load

    async def _measure(self) -> Load:
        look = await self._look_at_media()
        self._load = await asyncio.to_thread(self._measure_now, look.figures)
        return self._load

    async def _look_at_media(self) -> MediaLook:
        self._look = await self._media_meter.measure()
        return self._look

    def _measure_now(self, media: MediaFigures) -> Load:
        usage = self._live_meter.measure()
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return Load(
            at=utc_now(),
            cpu_percent=usage.cpu_percent,
            load_average=load_average(),
            memory_total_bytes=memory.total,
            memory_used_bytes=memory.total - memory.available,
            memory_percent=memory.percent,
            swap_used_bytes=swap.used,
            disk_read_bytes_per_s=usage.disk_read_bytes_per_s,
            disk_write_bytes_per_s=usage.disk_write_bytes_per_s,
            network_rx_bytes_per_s=usage.network_rx_bytes_per_s,
            network_tx_bytes_per_s=usage.network_tx_bytes_per_s,
            loop_lag_ms=round(loop_lag.last_ms, 1),
            loop_lag_worst_ms=round(loop_lag.worst_ms, 1),
            disks=[self._disk(space) for space in file_systems(self._data_dir)],
            processes=self._processes.measure(),
            media=media,
        )

    def _disk(self, space: Space) -> Disk:
        ahead = forecast(free_space(self._space.recent(), space.path))
        return Disk(
            path=space.path,
            total_bytes=space.total,
            used_bytes=space.used,
            free_bytes=space.free,
            percent=round(100 * space.used / max(1, space.used + space.free), 1),
            fill_bytes_per_s=ahead.fill_bytes_per_s if ahead else None,
            full_in_hours=ahead.full_in_hours if ahead else None,
        )


def _media_sample(media: MediaFigures) -> dict[str, int | None]:
    """The media server's part of a sample; nothing while it is away."""
    if not media.reachable:
        return {}
    return {
        "streams_live": media.streams_live,
        "viewers": media.viewers,
        "recordings": media.recordings,
        "media_in_bits_per_s": media.in_bits_per_s,
        "media_out_bits_per_s": media.out_bits_per_s,
    }
