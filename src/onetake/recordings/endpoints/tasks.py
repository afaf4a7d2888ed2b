"""Recording control and the list of tasks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status

from onetake.accounts.auth import Permission, require
from onetake.infra.mediaserver import MediaDep
from onetake.infra.web.deps import DatabaseDep, IdPath, PageDep, ReadSession
from onetake.infra.web.openapi import answers
from onetake.infra.web.problems import request_language
from onetake.kit.errors import Lang
from onetake.kit.paging import Page, page_of, parse_sort
from onetake.recordings.errors import explain
from onetake.recordings.models import RecordTask, TaskStatus, Trigger
from onetake.recordings.repository import COUNT_LIMIT, TASK_SORTS, TaskFilter
from onetake.recordings.schemas import RecordStart, TaskView
from onetake.recordings.service import tasks as service
from onetake.recordings.service.tasks import Wish

router = APIRouter(tags=["recordings"])
_read = [Depends(require(Permission.SOURCES_READ))]
_record = [Depends(require(Permission.RECORDINGS_WRITE))]
_MAX_ID = 2**63 - 1


@router.post(
    "/api/sources/{id}/record/start",
    operation_id="startRecording",
    summary="Start recording",
    status_code=status.HTTP_201_CREATED,
    dependencies=_record,
    responses=answers(409, 503),
)
async def start_recording(
    id: IdPath, request: Request, db: DatabaseDep, media: MediaDep, body: RecordStart | None = None
) -> TaskView:
    """Records a live source, from up to a minute back. 409 when it is being recorded, switched off or offline."""
    wanted = body or RecordStart()
    wish = Wish(title=wanted.title, pre_roll_s=wanted.pre_roll_s, planned_duration_s=wanted.planned_duration_s)
    return view(await service.start(db, media, id, wish), request_language(request.scope))


@router.post(
    "/api/sources/{id}/record/stop",
    operation_id="stopRecording",
    summary="Stop recording",
    dependencies=_record,
    responses=answers(409, 503),
)
async def stop_recording(id: IdPath, request: Request, db: DatabaseDep, media: MediaDep) -> TaskView:
    """Ends the recording of a source; its video plays at once. 409 when nothing is being recorded."""
    return view(await service.stop(db, media, id), request_language(request.scope))


@router.get("/api/tasks", operation_id="listTasks", summary="List recording tasks", tags=["tasks"], dependencies=_read)
async def list_tasks(
    request: Request,
    page: PageDep,
    session: ReadSession,
    source_id: Annotated[int | None, Query(ge=1, le=_MAX_ID, description="Only this source.")] = None,
    status: Annotated[list[TaskStatus] | None, Query(max_length=5, description="Only these; repeat it.")] = None,
    trigger: Annotated[Trigger | None, Query(description="Only tasks started like this.")] = None,
    sort: Annotated[
        str | None, Query(max_length=100, description=f"Order, a minus for descending: {', '.join(TASK_SORTS)}.")
    ] = None,
) -> Page[TaskView]:
    """Recording tasks, the newest first.

    `total` is counted up to 10 001: show more as "10000+". Pages end there too.
    """
    wanted = TaskFilter(source_id, tuple(status or ()), trigger)
    found, total = await service.list_tasks(session, wanted, parse_sort(sort, TASK_SORTS, default="-id"), page)
    lang = request_language(request.scope)
    answer = page_of([view(task, lang) for task in found], total, page)
    answer.pages = min(answer.pages, -(-COUNT_LIMIT // page.per_page))
    return answer


@router.get(
    "/api/tasks/{id}", operation_id="getTask", summary="Show a recording task", tags=["tasks"], dependencies=_read
)
async def get_task(id: IdPath, request: Request, session: ReadSession) -> TaskView:
    """One task; size and duration grow while it records."""
    return view(await service.get_task(session, id), request_language(request.scope))


def view(task: RecordTask, lang: Lang) -> TaskView:
    """A task with its error in the words of a reader of `lang`."""
    shown = TaskView.model_validate(task)
    if task.error_code is not None:
        shown.error_message = explain(task.error_code, task.error_params, lang)
    return shown
