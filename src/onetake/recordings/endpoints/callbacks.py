"""Where the media server's SRS-compatible callbacks arrive (DESIGN §3). Authenticated by their signature."""

import json
import logging
import time
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request

from onetake.infra.db import Database
from onetake.infra.mediaserver import CALLBACK_PATH, callback_key
from onetake.infra.pubsub import PubSub
from onetake.infra.settings import Settings
from onetake.infra.web.deps import DatabaseDep, SettingsDep
from onetake.infra.web.openapi import answers
from onetake.kit.errors import Forbidden, Invalid
from onetake.kit.signing import body_is_signed
from onetake.recordings.service.reports import Sheet, record
from onetake.recordings.watch import TOPIC, task_event
from onetake.sources import service as sources
from onetake.sources.watch import TOPIC as SOURCES_TOPIC

MAX_BODY_BYTES = 2 << 20
"""A recording may have ten thousand gaps."""
router = APIRouter(tags=["media server"])
_logger = logging.getLogger(__name__)


@router.post(
    CALLBACK_PATH,
    operation_id="receiveCallback",
    summary="Callback of the media server",
    responses=answers(403),
)
async def receive(request: Request, db: DatabaseDep, settings: SettingsDep) -> dict[str, int]:
    """SRS-compatible JSON with `X-OneTake-Signature`; `{"code": 0}` means yes, or heard. It may come twice."""
    event = await _authentic(request, settings)
    pubsub: PubSub = request.app.state.pubsub
    match event.get("action"):
        case "on_publish":
            return {"code": 0 if await _may_publish(db, event) else 1}
        case "on_record":
            await _recorded(db, pubsub, event)
        case "on_session" | "on_unpublish":
            await pubsub.publish(SOURCES_TOPIC, "changed", {"stream_name": str(event.get("stream", ""))[:64]})
        case _:
            pass
    return {"code": 0}


async def _authentic(request: Request, settings: Settings) -> dict[str, Any]:
    """The event of a body that our media server signed; raises Forbidden or Invalid."""
    body = await request.body()
    signature = request.headers.get("x-onetake-signature", "")
    if len(body) > MAX_BODY_BYTES or not body_is_signed(
        callback_key(settings.data_dir), body, signature, now_s=time.time()
    ):
        raise Forbidden
    try:
        event = json.loads(body)
    except ValueError:
        raise Invalid from None
    if not isinstance(event, dict):
        raise Invalid
    return event


async def _may_publish(db: Database, event: dict[str, Any]) -> bool:
    """A key that the media server does not know yet: its source may have been made a moment ago."""
    if event.get("admitted") is True:
        return True  # not a question: the media server knew the key, or pulls the stream itself
    keys = parse_qs(str(event.get("param", "")).removeprefix("?")).get("key", [])
    async with db.read() as session:
        source = await sources.source_of_stream(session, str(event.get("stream", "")))
    return source is not None and source.is_active and any(sources.key_fits(source, key) for key in keys)


async def _recorded(db: Database, pubsub: PubSub, event: dict[str, Any]) -> None:
    try:
        sheet = Sheet.parse(event["recording"])
    except (KeyError, TypeError, ValueError) as error:
        _logger.warning("a recording report cannot be read: %s", error)
        return
    task = await record(db, sheet)
    if task is not None:
        await pubsub.publish(TOPIC, "updated", task_event(task))
