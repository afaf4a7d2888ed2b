"""What happens to recordings, for the domains above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RecordingStarted:
    """Media is being written: the recording can be watched from its beginning."""

    task_id: int


@dataclass(frozen=True)
class RecordingFinished:
    """The recording is complete, interrupted or failed; the task's row says which."""

    task_id: int
