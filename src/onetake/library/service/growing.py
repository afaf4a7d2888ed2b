"""Videos that are being recorded: length and size follow the task."""

from onetake.infra.db import Database
from onetake.kit.clock import utc_now
from onetake.library import repository
from onetake.library.models import Video
from onetake.recordings.models import RecordTask
from onetake.recordings.service.tasks import open_tasks


def follow(video: Video, task: RecordTask) -> None:
    """Copy length and size of a task to its video."""
    video.duration, video.file_size, video.updated_at = task.duration, task.file_size, utc_now()


async def follow_growing(db: Database) -> int:
    """Bring every growing video in line with its task; how many changed. Writes only when something did."""
    async with db.read() as session:
        tasks = {task.id: task for task in await open_tasks(session)}
        videos = await repository.by_tasks(session, list(tasks))
    changed = {video.id for video in videos if video.duration != tasks[video.task_id or 0].duration}
    if not changed:
        return 0
    async with db.write() as session:
        for video in videos:
            if video.id in changed:
                task = tasks[video.task_id or 0]
                await repository.grow(session, video.id, task.duration, task.file_size, utc_now())
    return len(changed)
