"""What a person should look at, in words: rules over one status."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from onetake.infra.ffmpeg import is_too_old
from onetake.kit.errors import Lang, Text
from onetake.monitoring.schemas import (
    Disk,
    JobCounts,
    Level,
    MediaFigures,
    Process,
    PullTrouble,
    Recorder,
    Warning,
)

DISK_LOW_PERCENT = 85.0
DISK_CRITICAL_PERCENT = 95.0
FULL_SOON_H = 24.0
FULL_VERY_SOON_H = 2.0
MEMORY_HIGH_PERCENT = 92.0
LAG_HIGH_MS = 500.0
OLD_QUEUED_S = 600.0
RECENT = timedelta(minutes=10)
STARTING = timedelta(minutes=1)
_ORDER: dict[Level, int] = {"critical": 0, "warning": 1, "info": 2}

_TEXTS: dict[str, Text] = {
    "database_down": Text("The database does not answer.", "数据库没有响应。", "資料庫沒有回應。"),
    "disk_low": Text(
        "Only {free:.0f} % of {path} is free.",
        "{path} 仅剩 {free:.0f}% 可用空间。",
        "{path} 僅剩 {free:.0f}% 可用空間。",
    ),
    "disk_full_soon": Text(
        "{path} will be full in about {hours:.0f} hours at the present rate.",
        "按目前的写入速度，{path} 大约 {hours:.0f} 小时后写满。",
        "依目前的寫入速度，{path} 大約 {hours:.0f} 小時後寫滿。",
    ),
    "memory_high": Text(
        "{percent:.0f} % of the memory is in use.",
        "内存使用率已达 {percent:.0f}%。",
        "記憶體使用率已達 {percent:.0f}%。",
    ),
    "no_worker": Text(
        "No worker is running: background jobs wait.",
        "没有正在运行的后台工作进程，任务无法执行。",
        "沒有執行中的背景工作程序，工作無法執行。",
    ),
    "jobs_stuck": Text(
        "The oldest job has been waiting for {minutes:.0f} minutes.",
        "最早的任务已等待 {minutes:.0f} 分钟。",
        "最早的工作已等待 {minutes:.0f} 分鐘。",
    ),
    "jobs_failed": Text(
        "Jobs that failed in the last 24 hours: {count}.",
        "最近 24 小时内有 {count} 个任务失败。",
        "最近 24 小時內有 {count} 個工作失敗。",
    ),
    "process_restarted": Text(
        "The process {name} was restarted a short while ago.",
        "进程 {name} 刚刚被重启。",
        "程序 {name} 剛剛被重新啟動。",
    ),
    "process_silent": Text(
        "The process {name} gives no sign of life.", "进程 {name} 没有心跳。", "程序 {name} 沒有心跳。"
    ),
    "loop_lag": Text(
        "The web server was held up for {ms:.0f} ms.",
        "Web 服务曾卡顿 {ms:.0f} 毫秒。",
        "Web 服務曾停頓 {ms:.0f} 毫秒。",
    ),
    "ffmpeg_missing": Text("FFmpeg does not run.", "FFmpeg 无法运行。", "FFmpeg 無法執行。"),
    "ffmpeg_old": Text(
        "FFmpeg {version} has known security holes.",
        "FFmpeg {version} 存在已知安全漏洞。",
        "FFmpeg {version} 存在已知安全漏洞。",
    ),
    "media_away": Text(
        "The media server does not answer: nothing can be watched or recorded.",
        "媒体服务器没有响应，无法观看和录制。",
        "媒體伺服器沒有回應，無法觀看和錄製。",
    ),
    "recording_paused": Text(
        "The recording of {name} is paused: {reason}",
        "“{name}”的录制已暂停：{reason}",
        "「{name}」的錄製已暫停：{reason}",
    ),
    "pull_failing": Text(
        "{name} does not come in: {reason}",
        "“{name}”拉流失败：{reason}",
        "「{name}」拉流失敗：{reason}",
    ),
    "web_ui_missing": Text("The web page is not built.", "网页界面尚未构建。", "網頁介面尚未建置。"),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at."""

    now: datetime
    disks: list[Disk]
    memory_percent: float
    loop_lag_worst_ms: float
    processes: list[Process]
    versions: dict[str, str]
    jobs: JobCounts | None
    media: MediaFigures = field(default_factory=lambda: MediaFigures(reachable=True))
    recorders: list[Recorder] = field(default_factory=list)
    pulls: list[PullTrouble] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    level: Level
    code: str
    params: dict[str, Any] = field(default_factory=dict)


def warnings_of(facts: Facts, lang: Lang) -> list[Warning]:
    """All warnings in `lang`, the most urgent first."""
    found = [*_machine(facts), *_processes(facts), *_jobs(facts), *_media(facts), *_parts(facts.versions)]
    found.sort(key=lambda warning: _ORDER[warning.level])
    return [Warning(code=w.code, level=w.level, text=_TEXTS[w.code].render(lang, **w.params)) for w in found]


def _machine(facts: Facts) -> Iterator[_Found]:
    for disk in facts.disks:
        if disk.percent >= DISK_LOW_PERCENT:
            level: Level = "critical" if disk.percent >= DISK_CRITICAL_PERCENT else "warning"
            yield _Found(level, "disk_low", {"path": disk.path, "free": 100 - disk.percent})
        if disk.full_in_hours is not None and disk.full_in_hours < FULL_SOON_H:
            level = "critical" if disk.full_in_hours < FULL_VERY_SOON_H else "warning"
            yield _Found(level, "disk_full_soon", {"path": disk.path, "hours": disk.full_in_hours})
    if facts.memory_percent >= MEMORY_HIGH_PERCENT:
        yield _Found("warning", "memory_high", {"percent": facts.memory_percent})
    if facts.loop_lag_worst_ms >= LAG_HIGH_MS:
        yield _Found("warning", "loop_lag", {"ms": facts.loop_lag_worst_ms})


def _processes(facts: Facts) -> Iterator[_Found]:
    for process in facts.processes:
        if process.state == "silent":
            yield _Found("critical", "process_silent", {"name": process.name})
        if process.restarts and facts.now - process.started_at < RECENT:
            yield _Found("warning", "process_restarted", {"name": process.name})


def _is_starting(facts: Facts) -> bool:
    """Whether the installation has just been started, so that not everything is there yet."""
    return bool(facts.processes) and facts.now - min(one.started_at for one in facts.processes) < STARTING


def _jobs(facts: Facts) -> Iterator[_Found]:
    jobs = facts.jobs
    if jobs is None:
        yield _Found("critical", "database_down")
        return
    if jobs.workers == 0 and not _is_starting(facts):
        yield _Found("critical", "no_worker")
    if jobs.oldest_queued_s is not None and jobs.oldest_queued_s > OLD_QUEUED_S:
        yield _Found("warning", "jobs_stuck", {"minutes": jobs.oldest_queued_s / 60})
    if jobs.failed_24h:
        yield _Found("info", "jobs_failed", {"count": jobs.failed_24h})


def _media(facts: Facts) -> Iterator[_Found]:
    if not facts.media.reachable:
        yield _Found("critical", "media_away")
    for recorder in facts.recorders:
        if recorder.state == "paused":
            yield _Found("critical", "recording_paused", {"name": recorder.source_name, "reason": recorder.reason})
    for pull in facts.pulls:
        yield _Found("warning", "pull_failing", {"name": pull.source_name, "reason": pull.reason})


def _parts(versions: dict[str, str]) -> Iterator[_Found]:
    ffmpeg = versions.get("ffmpeg", "unknown")
    if ffmpeg == "missing":
        yield _Found("critical", "ffmpeg_missing")
    elif is_too_old(ffmpeg):
        yield _Found("warning", "ffmpeg_old", {"version": ffmpeg})
    if versions.get("web_ui") == "missing":
        yield _Found("warning", "web_ui_missing")
