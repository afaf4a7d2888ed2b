"""What monitoring adds to `/metrics`: the job queue and OneTake's processes."""

from onetake.infra.db import Database
from onetake.infra.metrics import Metrics
from onetake.infra.settings import Settings
from onetake.monitoring.service.jobs import list_queues, list_workers
from onetake.monitoring.service.machine import ProcessMeter

_STATES = ("queued", "running", "scheduled", "waiting", "failed")


def publish_metrics(metrics: Metrics, settings: Settings, db: Database) -> None:
    """Refresh the gauges of jobs and processes before each answer to `/metrics`."""
    metrics.watch_pool(db.reader.pool)
    jobs = metrics.gauge("jobs", "Jobs by queue and state.", "queue", "state")
    oldest = metrics.gauge("job_oldest_queued_seconds", "Age of the oldest job that is ready to run.", "queue")
    workers = metrics.gauge("workers", "Workers that gave a sign of life lately.")

    async def refresh_jobs() -> None:
        async with db.read() as session:
            queues = await list_queues(session, settings)
            workers.set(sum(worker.is_alive for worker in await list_workers(session, settings)))
        for queue in queues:
            oldest.labels(queue.name).set(queue.oldest_queued_s or 0.0)
            for state in _STATES:
                jobs.labels(queue.name, state).set(getattr(queue, state))

    metrics.refresh_with(refresh_jobs)
    _publish_processes(metrics, ProcessMeter(settings.data_dir.absolute() / "run", "api"))


def _publish_processes(metrics: Metrics, meter: ProcessMeter) -> None:
    memory = metrics.gauge("process_memory_bytes", "Resident memory of OneTake's processes here.", "role")
    restarts = metrics.gauge("process_restarts", "Restarts by the supervisor.", "role")

    async def refresh_processes() -> None:
        memory.clear()
        restarts.clear()
        for process in meter.measure():
            memory.labels(process.name).set(process.memory_bytes)
            restarts.labels(process.name).set(process.restarts)

    metrics.refresh_with(refresh_processes)
