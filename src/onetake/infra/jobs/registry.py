"""Which code runs which kind of job, and which jobs start by the clock."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from onetake.kit.cron import Cron, parse_cron

if TYPE_CHECKING:
    from onetake.infra.jobs.context import JobContext

QUEUES = ("video", "net", "notify", "stats")
JobFunction = Callable[["JobContext"], Awaitable[Any] | Any]
F = TypeVar("F", bound=JobFunction)


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job. `tolerates_failed_children` lets a parent run although a child failed or was cancelled."""

    name: str
    queue: str
    function: JobFunction
    max_attempts: int | None = None
    priority: int = 100
    tolerates_failed_children: bool = False


@dataclass(frozen=True, slots=True)
class Periodic:
    """A job that starts by the clock of a time zone. A tick is skipped while a job of the former one has not ended."""

    name: str
    cron_text: str
    cron: Cron
    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def next_after(self, epoch_s: float, tz: ZoneInfo) -> float | None:
        """The first tick after `epoch_s`, in seconds since 1970; None when there is none any more."""
        tick = self.cron.next_run(datetime.fromtimestamp(epoch_s, UTC), tz)
        return None if tick is None else tick.timestamp()


class JobRegistry:
    """Kinds by name and periodic tasks by name."""

    def __init__(self) -> None:
        self.kinds: dict[str, JobKind] = {}
        self.periodic: dict[str, Periodic] = {}
        self.default_max_attempts = 5

    def add(self, kind: JobKind) -> None:
        """Raises ValueError for a second kind of the same name and for an unknown queue."""
        if kind.name in self.kinds:
            raise ValueError(f"the job kind {kind.name} exists already")
        if kind.queue not in QUEUES:
            raise ValueError(f"unknown queue {kind.queue}; known are {', '.join(QUEUES)}")
        self.kinds[kind.name] = kind

    def add_periodic(self, task: Periodic) -> None:
        """Raises ValueError for a second task of the same name."""
        if task.name in self.periodic:
            raise ValueError(f"the periodic task {task.name} exists already")
        self.periodic[task.name] = task


REGISTRY = JobRegistry()


def job(
    name: str,
    *,
    queue: str,
    max_attempts: int | None = None,
    priority: int = 100,
    tolerates_failed_children: bool = False,
    registry: JobRegistry = REGISTRY,
) -> Callable[[F], F]:
    """Register `async def work(ctx) -> result` (or a plain function, which runs in a thread) as the kind `name`.

    The result must be JSON-able. The function must survive being run again after half a run: what it makes stands in
    its work folder until `ctx.finish` publishes it. `max_attempts` defaults to the setting.
    """

    def register(function: F) -> F:
        registry.add(JobKind(name, queue, function, max_attempts, priority, tolerates_failed_children))
        return function

    return register


def periodic(
    name: str, cron: str, kind: str, args: Mapping[str, Any] | None = None, *, registry: JobRegistry = REGISTRY
) -> None:
    """Start a job of `kind` by `cron` (five fields, in the time zone of the settings). Raises BadCron or NeverRuns."""
    registry.add_periodic(Periodic(name, cron, parse_cron(cron), kind, args or {}))
