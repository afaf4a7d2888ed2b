"""How a job says what went wrong."""

from onetake.kit.errors import AppError, Conflict, NotFound, Text


class JobFailed(Exception):
    """Trying again is pointless; the text says why, for a person."""


class RetryLater(Exception):
    """Try again after `delay_s` instead of the usual back-off; the text says why."""

    def __init__(self, reason: str, delay_s: float) -> None:
        super().__init__(reason)
        self.delay_s = delay_s


class JobCancelled(Exception):
    """Somebody cancelled the job; raised by `ctx.check()`."""


class LeaseLost(Exception):
    """The job belongs to somebody else by now: nothing of this attempt may be kept."""


class ChildFailed(Exception):
    """A child process ended badly. `stderr_tail` is its last output, redacted."""

    def __init__(self, reason: str, returncode: int | None = None, stderr_tail: str = "") -> None:
        super().__init__(reason)
        self.returncode = returncode
        self.stderr_tail = stderr_tail


class JobNotFound(NotFound):
    """No job has this number."""

    code = "job_not_found"
    text = Text(en="There is no such job.", zh_cn="找不到该任务。", zh_tw="找不到該工作。")


class JobNotRetryable(Conflict):
    """Only failed and cancelled jobs can be run again."""

    code = "job_not_retryable"
    text = Text(
        en="Only failed or cancelled jobs can be retried; this one is {state}.",
        zh_cn="只有失败或已取消的任务才能重试,该任务当前状态为 {state}。",
        zh_tw="只有失敗或已取消的工作才能重試,此工作目前狀態為 {state}。",
    )


class ParentRunning(Conflict):
    """A child cannot run again while its parent works with the outcomes of its children."""

    code = "job_parent_running"
    text = Text(
        en="Job {parent}, which this one belongs to, is running. Retry it when that has ended.",
        zh_cn="该任务所属的任务 {parent} 正在运行,请在其结束后重试。",
        zh_tw="此工作所屬的工作 {parent} 正在執行,請在其結束後重試。",
    )


class JobNotCancellable(Conflict):
    """The job has already ended."""

    code = "job_not_cancellable"
    text = Text(
        en="This job has already ended; it is {state}.",
        zh_cn="该任务已经结束,当前状态为 {state}。",
        zh_tw="此工作已經結束,目前狀態為 {state}。",
    )


__all__ = [
    "AppError",
    "ChildFailed",
    "JobCancelled",
    "JobFailed",
    "JobNotCancellable",
    "JobNotFound",
    "JobNotRetryable",
    "LeaseLost",
    "ParentRunning",
    "RetryLater",
]
