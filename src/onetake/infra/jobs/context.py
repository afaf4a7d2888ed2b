"""What a job's function gets: arguments, progress, log, child processes, and the moment of publishing."""

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from onetake.infra.db import Database
from onetake.infra.db.errors import DATABASE_TROUBLE
from onetake.infra.jobs import repository
from onetake.infra.jobs.errors import ChildFailed, JobCancelled, LeaseLost
from onetake.infra.jobs.process import Command, run_process
from onetake.infra.jobs.progress import FfmpegProgress, ProgressParser
from onetake.infra.jobs.repository import Child, Claimed, Ending
from onetake.infra.jobs.ring import Tail
from onetake.infra.jobs.sandbox import Limits
from onetake.infra.jobs.workdir import WorkDir
from onetake.infra.settings import Settings
from onetake.kit.redact import redact

_MAX_STDOUT_BYTES = 4 << 20
_MAX_STAGE = 128
_VERDICT_S = 5.0
_FFMPEG_HEAD = ("-nostdin", "-hide_banner", "-nostats", "-progress", "pipe:1")
WORKER_VARIABLE = "ONETAKE_WORKER"
"""Environment variable by which a restarted worker recognises processes of its former life."""


@dataclass(frozen=True, slots=True)
class Home:
    """What all jobs of one worker share."""

    db: Database
    settings: Settings
    worker: str
    work_root: Path


@dataclass(frozen=True, slots=True)
class ChildResult:
    """A child process that ended well. `progress` is what ffmpeg reported last."""

    returncode: int
    stdout: bytes
    stderr_tail: str
    progress: FfmpegProgress = field(default_factory=FfmpegProgress)


class JobContext:
    """One attempt of one job."""

    def __init__(self, job: Claimed, home: Home) -> None:
        self.id = job.id
        self.kind = job.kind
        self.args: Mapping[str, Any] = job.args
        self.attempt = job.attempt
        self.max_attempts = job.max_attempts
        self.db = home.db
        self.settings = home.settings
        self.log_tail = Tail()
        self.fraction = 0.0
        self.stage_name: str | None = None
        self.stopping = False
        self.finished = False
        self._job = job
        self._home = home
        self.workdir = WorkDir(home.work_root, job.id, job.token)

    # --- telling -------------------------------------------------------------------------------------------------

    def progress(self, fraction: float, stage: str | None = None) -> None:
        """How far the job is, 0 to 1, and optionally what it does now. Cheap: kept in memory, written with the beat."""
        if math.isfinite(fraction):
            self.fraction = min(1.0, max(0.0, fraction))
        if stage is not None:
            self.stage(stage)

    def stage(self, name: str) -> None:
        """What the job does now, for the admin page."""
        self.stage_name = name[:_MAX_STAGE]

    def log(self, line: str) -> None:
        """A line for the job's log on the admin page; credentials are masked."""
        stamp = time.strftime("%H:%M:%S", time.gmtime())
        self.log_tail.write(f"{stamp} {redact(line)}\n".encode())

    @property
    def cancelled(self) -> bool:
        """Whether the job must end now (cancelled, or the worker stops). Plain functions must look at it often."""
        return self.stopping

    def check(self) -> None:
        """Raises JobCancelled when the job must end now."""
        if self.stopping:
            raise JobCancelled

    # --- children ------------------------------------------------------------------------------------------------

    async def children(self) -> list[Child]:
        """The outcomes of this parent's children."""
        async with self.db.read() as session:
            return await repository.children(session, self.id)

    async def run(
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = True,
        network: bool = False,
        env: Mapping[str, str] | None = None,
        silence_s: float | None = -1,
        cpu_s: int | None = None,
        wall_s: float | None = None,
    ) -> ChildResult:
        """Run a child process in the work folder: the only way to start one.

        It has a group of its own, dies with the worker, gets limits, a minimal environment and no network unless
        `network`. Its stderr goes to the log. Silence for `silence_s` (default: the setting; None: never), `cpu_s` of
        processor time or `wall_s` of time end it. Raises ChildFailed for a start failure, for such an end and, with
        `check`, for an exit code other than 0.
        """
        output = _Output(self)
        return await self._run(
            argv, output, output.take, check, self._command_options(network, env, silence_s, cpu_s, wall_s)
        )

    async def ffmpeg(
        self,
        args: Sequence[str | Path],
        *,
        duration_s: float | None = None,
        network: bool = False,
        silence_s: float | None = -1,
        cpu_s: int | None = None,
        wall_s: float | None = None,
    ) -> ChildResult:
        """Run ffmpeg and turn its reports into progress, `duration_s` of output being all of it.

        Only an encode that gets further counts as a sign of life. Raises as `run`.
        """
        parser = ProgressParser()

        def take(data: bytes) -> bool:
            further = parser.feed(data)
            if further and duration_s:
                self.progress(parser.latest.out_time_s / duration_s)
            return further

        head: list[str | Path] = [ffmpeg_path(self.settings), *_FFMPEG_HEAD]
        options = self._command_options(network, None, silence_s, cpu_s, wall_s)
        result = await self._run([*head, *args], _Output(self), take, True, options)
        return ChildResult(result.returncode, result.stdout, result.stderr_tail, parser.latest)

    async def _run(
        self, argv: Sequence[str | Path], output: "_Output", on_stdout: Any, check: bool, options: dict[str, Any]
    ) -> ChildResult:
        self.check()
        folder = await asyncio.to_thread(self.workdir.make)
        command = Command(argv=[str(word) for word in argv], cwd=folder, **options)
        by_text = partial(output.take_stderr, is_life=on_stdout == output.take)
        returncode = await run_process(command, on_stdout, by_text)
        tail = redact(output.stderr.text())
        if check and returncode != 0:
            raise ChildFailed(_why(command.argv[0], returncode, tail), returncode, tail)
        return ChildResult(returncode, bytes(output.stdout), tail)

    def _command_options(
        self,
        network: bool,
        env: Mapping[str, str] | None,
        silence_s: float | None,
        cpu_s: int | None,
        wall_s: float | None,
    ) -> dict[str, Any]:
        settings = self.settings
        return {
            "env": self._environment() | dict(env or {}),
            "limits": Limits(settings.job_memory_bytes, settings.job_file_bytes, cpu_s),
            "network": network,
            "silence_s": settings.job_silence_s if silence_s is not None and silence_s < 0 else silence_s,
            "wall_s": wall_s,
            "kill_grace_s": settings.job_kill_grace_s,
        }

    def _environment(self) -> dict[str, str]:
        """No secret, no proxy, no locale of the operator reaches a child."""
        folder = str(self.workdir.path)
        path = os.environ.get("PATH", os.defpath)
        marks = {WORKER_VARIABLE: self._home.worker, "ONETAKE_JOB": str(self.id)}
        return {"PATH": path, "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", **marks}

    # --- the end -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def finish(self, result: Any = None, files: Mapping[str, Path] | None = None) -> AsyncIterator[AsyncSession]:
        """End the job and publish in one transaction: `async with ctx.finish(result, files) as session: …`.

        `files` maps names in the work folder to their final paths on the same file system; they are synced before and
        renamed last. Domain rows written in the body become true together with the job's end, or not at all. Raises
        LeaseLost when the job belongs to another worker by now. Without it, returning from the function ends the job.
        """
        files = files or {}
        await self.workdir.seal(files)
        renamed = False
        try:
            async with self.db.write() as session:
                if not await repository.finish(session, self._job, Ending("done", result=result)):
                    raise LeaseLost
                yield session
                await repository.save_log(session, self.id, self.log_tail.text())
                await repository.child_ended(session, self._job.parent_id)
                self.workdir.publish(files)
                renamed = True
            self.finished = True
        except Exception:
            if renamed and await self._certainly_not_done():
                self.workdir.take_back(files)
            raise

    async def _certainly_not_done(self) -> bool:
        """Whether the commit that has just failed left the job as it was.

        When nobody can say (cancelled or cut off in the middle of the commit), published files stay: a file without a
        row is found by `onetake doctor`, a row without its file is a loss.
        """
        try:
            async with asyncio.timeout(_VERDICT_S), self.db.read() as session:
                return await repository.is_owner(session, self._job)
        except DATABASE_TROUBLE:
            return False


class _Output:
    """Collects a child's output within bounds."""

    def __init__(self, context: JobContext) -> None:
        self._log = context.log_tail
        self.stdout = bytearray()
        self.stderr = Tail()

    def take(self, data: bytes) -> bool:
        """Keep stdout up to its bound; any output is a sign of life."""
        self.stdout += data[: _MAX_STDOUT_BYTES - len(self.stdout)]
        return True

    def take_stderr(self, data: bytes, *, is_life: bool) -> bool:
        """Keep the end of stderr, for errors and for the job's log."""
        self.stderr.write(data)
        self._log.write(redact(data.decode("utf-8", "replace")).encode())
        return is_life


def ffmpeg_path(settings: Settings) -> Path:
    """The configured ffmpeg, or the packaged one."""
    if settings.ffmpeg_path is not None:
        return settings.ffmpeg_path
    import imageio_ffmpeg

    return Path(imageio_ffmpeg.get_ffmpeg_exe())


def _why(program: str, returncode: int, tail: str) -> str:
    """One sentence: who ended how, and its last words."""
    name = Path(program).name
    ended = f"{name} was killed by signal {-returncode}" if returncode < 0 else f"{name} ended with code {returncode}"
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return f"{ended}: {lines[-1][:500]}" if lines else ended
