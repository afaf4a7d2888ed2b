"""What the endpoints of monitoring take and give. Times are RFC 3339 in UTC; sizes and rates name their unit."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

JobState = Literal["scheduled", "queued", "waiting", "running", "done", "failed", "cancelled"]
Level = Literal["info", "warning", "critical"]
Percent = Annotated[float, Field(ge=0, examples=[12.5])]
Bytes = Annotated[int, Field(ge=0, examples=[1073741824])]
Rate = Annotated[float, Field(ge=0, examples=[1048576.0])]


# --- system -----------------------------------------------------------------------------------------------------------


class Disk(BaseModel):
    """One file system that OneTake lives on."""

    path: str = Field(description="Where it is mounted.", examples=["/"])
    total_bytes: Bytes = Field(description="Size.")
    used_bytes: Bytes = Field(description="In use.")
    free_bytes: Bytes = Field(description="Free for OneTake.")
    percent: Percent = Field(description="Share in use, 0 to 100.")
    fill_bytes_per_s: float | None = Field(
        description="How fast it fills; negative when it empties, null before there are six hours of samples.",
        examples=[524288.0],
    )
    full_in_hours: float | None = Field(
        description="Hours until it is full at that speed; null when it does not fill or that is not known yet.",
        examples=[36.5],
    )


class Process(BaseModel):
    """One process of this server on this machine."""

    name: str = Field(description="Its role: supervisor, api, worker, media.", examples=["api"])
    pid: int = Field(description="Process id.", examples=[812])
    state: Literal["running", "silent"] = Field(description="`silent`: no heartbeat for more than 15 s.")
    memory_bytes: Bytes = Field(description="Resident memory.")
    cpu_percent: Percent = Field(description="Of one core; more than 100 on several.")
    started_at: datetime = Field(description="When it was started.")
    restarts: int = Field(ge=0, description="How often the supervisor has restarted it.", examples=[0])
    loop_lag_ms: float | None = Field(description="Last delay of its event loop.", examples=[0.4])


class JobCounts(BaseModel):
    """The job queue at a glance."""

    queued: int = Field(ge=0, description="Ready to run.", examples=[0])
    running: int = Field(ge=0, description="Running now.", examples=[1])
    scheduled: int = Field(ge=0, description="For later, or waiting for another try.", examples=[0])
    waiting: int = Field(ge=0, description="Waiting for their parts.", examples=[0])
    failed_24h: int = Field(ge=0, description="Failed in the last 24 hours.", examples=[0])
    oldest_queued_s: float | None = Field(description="Age of the oldest job that is ready to run.", examples=[None])
    workers: int = Field(ge=0, description="Workers seen in the last minute.", examples=[1])


class MediaFigures(BaseModel):
    """The media server at a glance."""

    reachable: bool = Field(description="Whether it answers; the other figures are 0 when it does not.")
    streams_live: int = Field(0, ge=0, description="Streams that are live.", examples=[2])
    publishers: int = Field(0, ge=0, description="Encoders that push.", examples=[1])
    pulls: int = Field(0, ge=0, description="Sources that are being pulled, the test pattern included.", examples=[1])
    pulls_in_trouble: int = Field(0, ge=0, description="Pulled sources that do not come in.", examples=[0])
    viewers: int = Field(0, ge=0, description="Viewers of live streams.", examples=[12])
    viewers_by_protocol: dict[str, int] = Field(
        default_factory=dict,
        description="Who takes media now: hls, flv, rtmp (live), vod (recordings), download.",
        examples=[{"hls": 9, "flv": 3, "vod": 4}],
    )
    recordings: int = Field(0, ge=0, description="Recordings that are being written.", examples=[1])
    recordings_paused: int = Field(0, ge=0, description="Recordings that wait for the disk.", examples=[0])
    in_bits_per_s: int = Field(0, ge=0, description="Media from publishers and pulls.", examples=[6000000])
    out_bits_per_s: int = Field(0, ge=0, description="Media to viewers, live and recorded.", examples=[36000000])


class Recorder(BaseModel):
    """One recording that is open."""

    task_id: int = Field(description="Number of the recording.", examples=[7])
    source_name: str = Field(description="The source that it records.", examples=["Hall 1"])
    state: Literal["waiting", "recording", "paused"] = Field(description="`waiting`: no media yet.")
    reason: str | None = Field(description="Why it is paused, in words.", examples=["The disk is full."])
    started_at: datetime | None = Field(description="When it began.")
    size_bytes: Bytes = Field(description="Written so far.")


class PullTrouble(BaseModel):
    """One pulled source that does not come in."""

    source_id: int = Field(description="Number of the source.", examples=[3])
    source_name: str = Field(description="Its name.", examples=["Gate camera"])
    state: Literal["retrying", "failed"] = Field(description="`failed`: the source must be changed first.")
    reason: str = Field(description="The last error, in words.", examples=["The server refused the connection."])
    since: datetime | None = Field(description="When the last attempt ended.")


class Warning(BaseModel):
    """Something that a person should look at."""

    code: str = Field(description="Stable name.", examples=["disk_low"])
    level: Level = Field(description="How urgent it is.")
    text: str = Field(description="Sentence in the reader's language.", examples=["Only 4 % of / is free."])


class Load(BaseModel):
    """The machine at one moment; the same fields arrive live under the topic `system`."""

    at: datetime = Field(description="When it was measured.")
    cpu_percent: Percent = Field(description="All cores together, 0 to 100.")
    load_average: list[float] = Field(description="Over 1, 5 and 15 minutes.", examples=[[0.5, 0.4, 0.3]])
    memory_total_bytes: Bytes = Field(description="Memory of the machine.")
    memory_used_bytes: Bytes = Field(description="Memory that programs hold.")
    memory_percent: Percent = Field(description="Share of it, 0 to 100.")
    swap_used_bytes: Bytes = Field(description="Swap space in use.")
    disk_read_bytes_per_s: Rate = Field(description="All disks together.")
    disk_write_bytes_per_s: Rate = Field(description="All disks together.")
    network_rx_bytes_per_s: Rate = Field(description="Received, loopback left out.")
    network_tx_bytes_per_s: Rate = Field(description="Sent, loopback left out.")
    loop_lag_ms: float = Field(ge=0, description="Last delay of the API's event loop.", examples=[0.4])
    loop_lag_worst_ms: float = Field(ge=0, description="Its longest delay in the last minute.", examples=[2.0])
    disks: list[Disk] = Field(description="The file systems of the data folder and of the system.")
    processes: list[Process] = Field(description="OneTake's processes on this machine.")
    media: MediaFigures = Field(description="The media server.")


class SystemStatus(Load):
    """Everything that an operator sees at once."""

    host: str = Field(description="Name of the machine.", examples=["video-1"])
    cpu_count: int = Field(ge=1, description="Cores.", examples=[4])
    uptime_s: int = Field(ge=0, description="Of the machine.", examples=[86400])
    versions: dict[str, str] = Field(
        description="Of onetake, python, ffmpeg, database, web_ui and os.", examples=[{"onetake": "0.1.0"}]
    )
    jobs: JobCounts | None = Field(description="Null while the database does not answer.")
    recorders: list[Recorder] = Field(description="Open recordings, those in trouble first, at most 50.")
    pulls_in_trouble: list[PullTrouble] = Field(description="Pulled sources that do not come in, at most 50.")
    warnings: list[Warning] = Field(description="The most urgent first.")


class Sample(BaseModel):
    """The means of ten seconds; null where nothing could be measured."""

    at: datetime = Field(description="End of the ten seconds.")
    cpu_percent: Percent = Field(description="All cores together.")
    load_1m: Annotated[float, Field(ge=0)] = Field(description="Load average over 1 minute.", examples=[0.5])
    memory_percent: Percent = Field(description="Share of memory in use.")
    disk_read_bytes_per_s: Rate = Field(description="All disks together.")
    disk_write_bytes_per_s: Rate = Field(description="All disks together.")
    network_rx_bytes_per_s: Rate = Field(description="Received.")
    network_tx_bytes_per_s: Rate = Field(description="Sent.")
    loop_lag_ms: float = Field(ge=0, description="Longest delay of the API's event loop.", examples=[1.0])
    jobs_running: int | None = Field(default=None, description="Jobs running.", examples=[1])
    jobs_queued: int | None = Field(default=None, description="Jobs ready to run.", examples=[0])
    streams_live: int | None = Field(default=None, description="Live streams; null while the media server is away.")
    viewers: int | None = Field(default=None, description="Viewers of live streams.", examples=[12])
    recordings: int | None = Field(default=None, description="Recordings that are being written.", examples=[1])
    media_in_bits_per_s: int | None = Field(default=None, description="Media from publishers and pulls.")
    media_out_bits_per_s: int | None = Field(default=None, description="Media to viewers.")
    free_bytes: dict[str, int] = Field(
        default_factory=dict, description="Free space by file system.", examples=[{"/": 1073741824}]
    )


class SpaceSample(BaseModel):
    """Free space at one moment."""

    at: datetime = Field(description="When.")
    free_bytes: dict[str, int] = Field(description="Free space by file system.", examples=[{"/": 1073741824}])


class History(BaseModel):
    """The last hour."""

    step_s: int = Field(
        description="Seconds between two samples; a gap means that nothing was measured.", examples=[10]
    )
    samples: list[Sample] = Field(description="Oldest first, at most 360.")


# --- jobs -------------------------------------------------------------------------------------------------------------


class JobView(BaseModel):
    """One job in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number.", examples=[7])
    kind: str = Field(description="What it does.", examples=["jobs.selftest"])
    queue: str = Field(description="Which queue it belongs to.", examples=["video"])
    state: JobState = Field(description="Where it stands.")
    priority: int = Field(description="Smaller runs sooner.", examples=[100])
    progress: float = Field(ge=0, le=1, description="0 to 1.", examples=[0.42])
    stage: str | None = Field(description="What it does now.", examples=["encode"])
    attempts: int = Field(description="Attempts begun.", examples=[1])
    max_attempts: int = Field(description="Attempts before it fails.", examples=[5])
    worker: str | None = Field(description="Worker that ran it last.", examples=["video-1-3f2a"])
    error: str | None = Field(description="Why the last attempt failed.", examples=[None])
    cancel: bool = Field(description="Whether somebody has asked to cancel it.")
    parent_id: int | None = Field(description="The job that waits for it.", examples=[None])
    created_at: datetime = Field(description="When it was asked for.")
    run_at: datetime = Field(description="When it may start, or could have.")
    started_at: datetime | None = Field(description="When the last attempt began.")
    finished_at: datetime | None = Field(description="When it ended.")


class JobDetail(JobView):
    """One job with everything that is known of it."""

    args: dict[str, Any] = Field(description="Arguments; secrets are masked.", examples=[{"seconds": 5}])
    result: Any = Field(description="What it returned.", examples=[{"speed": 8.1}])
    log_tail: str = Field(description="Last lines of its log.", examples=["12:00:01 encode\n"])
    children: list[JobView] = Field(description="Jobs that it waits for.")


class SelfTest(BaseModel):
    """A real encode of a generated picture, to see how fast this machine is."""

    model_config = ConfigDict(extra="forbid")

    seconds: StrictInt = Field(default=5, ge=1, le=600, description="Length of the picture in seconds.", examples=[5])


class QueueView(BaseModel):
    """One queue."""

    name: str = Field(description="Name.", examples=["video"])
    concurrency: int = Field(description="Jobs at the same time on each worker, as set here.", examples=[1])
    queued: int = Field(description="Ready to run.", examples=[0])
    running: int = Field(description="Running now.", examples=[1])
    scheduled: int = Field(description="For later.", examples=[0])
    waiting: int = Field(description="Waiting for their parts.", examples=[0])
    failed: int = Field(description="Failed and still listed.", examples=[0])
    oldest_queued_s: float | None = Field(description="Age of the oldest one ready to run.", examples=[None])


class ScheduleView(BaseModel):
    """One periodic task."""

    name: str = Field(description="Name.", examples=["accounts.purge"])
    cron: str = Field(description="When it starts, by the clock of `timezone`.", examples=["0 * * * *"])
    timezone: str = Field(
        description="Time zone of the plan (`ONETAKE_TIME_ZONE`, or the machine's).", examples=["Asia/Shanghai"]
    )
    kind: str | None = Field(description="Kind of the job that it starts.", examples=["accounts.purge"])
    next_run_at: datetime = Field(description="Its next start.")
    last_run_at: datetime | None = Field(description="Start of the last job of this kind that is still listed.")


class WorkerView(BaseModel):
    """One worker process."""

    id: str = Field(description="Name.", examples=["video-1-3f2a"])
    host: str = Field(description="Machine.", examples=["video-1"])
    pid: int = Field(description="Process id there.", examples=[815])
    version: str = Field(description="Version of OneTake.", examples=["0.1.0"])
    queues: list[str] = Field(description="Queues that it serves.", examples=[["video", "net"]])
    running: int = Field(description="Jobs that it runs now.", examples=[1])
    is_alive: bool = Field(description="Whether it was seen in the last minute.")
    started_at: datetime = Field(description="When it started.")
    heartbeat_at: datetime = Field(description="Its last sign of life.")


class QueueList(BaseModel):
    """All queues."""

    items: list[QueueView] = Field(description="In a fixed order.")


class ScheduleList(BaseModel):
    """All periodic tasks."""

    items: list[ScheduleView] = Field(description="By name.")


class WorkerList(BaseModel):
    """All workers seen in the last days."""

    items: list[WorkerView] = Field(description="The living first.")


# --- audit ------------------------------------------------------------------------------------------------------------


class AuditView(BaseModel):
    """One act."""

    id: int = Field(description="Number.", examples=[1])
    at: datetime = Field(description="When.")
    actor: str = Field(description="Who, by the name of that time.", examples=["admin"])
    actor_id: int | None = Field(description="Number of the account; null for the system.", examples=[1])
    actor_kind: str = Field(description="user, token, system, job or anonymous.", examples=["user"])
    ip: str | None = Field(description="From where.", examples=["192.0.2.7"])
    request_id: str | None = Field(description="The request, as the log knows it.")
    action: str = Field(description="What, as `<domain>.<verb>`.", examples=["users.update"])
    target: str = Field(description="To what, as `<kind>:<id>`.", examples=["user:12"])
    before: dict[str, Any] | None = Field(description="Fields before; secrets are masked.")
    after: dict[str, Any] | None = Field(description="Fields after; secrets are masked.")
