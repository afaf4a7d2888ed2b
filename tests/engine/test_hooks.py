"""Callbacks: SRS's exact fields and answer rule, order per stream, retry, restart, hostile receivers (F28)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from onetake.engine.hooks import Answer, HookClient, HookOptions, Hooks, client_event
from onetake.kit.signing import body_is_signed, derive_key

SECRET = "a shared secret of the two sides"
CLIENT = HookClient("c0ffee12", "203.0.113.9", "live", "studio", "?key=abc", "rtmp://host:1935/live", "http://page/")
Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Receiver:
    """A control plane that answers as scripted and remembers what it was told."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.requests: list[tuple[bytes, dict[str, str]]] = []
        self.script: Script = self.accept
        self.url = ""

    async def accept(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"code": 0})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.requests.append((raw, dict(request.headers)))
        answer = await self.script(request)
        if answer.status == 200:
            self.bodies.append(json.loads(raw))
        return answer

    def names(self, stream: str = "studio") -> list[str]:
        return [body["action"] for body in self.bodies if body["stream"] == stream]


@asynccontextmanager
async def serving(receiver: Receiver, port: int = 0) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    bound: int = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{bound}/callback"
    try:
        yield bound
    finally:
        await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with serving(made):
        yield made


def options(receiver: Receiver, folder: Path, **changes: Any) -> HookOptions:
    values: dict[str, Any] = {"backoff_min_s": 0.01, "backoff_max_s": 0.05, **changes}
    return HookOptions(receiver.url, SECRET, folder / "events.log", **values)


def event(action: str, stream: str = "studio", **extra: object) -> dict[str, Any]:
    return client_event(action, HookClient("c1", "127.0.0.1", "live", stream), **extra)


def test_fields_are_srs_fields_for_each_action() -> None:
    base = {"action", "client_id", "ip", "vhost", "app", "tcUrl", "stream", "param"}
    assert set(client_event("on_connect", CLIENT)) == base | {"pageUrl"}
    assert set(client_event("on_close", CLIENT, send_bytes=1, recv_bytes=2)) == base | {"send_bytes", "recv_bytes"}
    for action in ("on_publish", "on_unpublish", "on_stop"):
        assert set(client_event(action, CLIENT)) == base | {"stream_url", "stream_id"}
    assert set(client_event("on_play", CLIENT)) == base | {"pageUrl", "stream_url", "stream_id"}
    dvr = client_event("on_dvr", CLIENT, cwd="/data", file="a.mp4")
    assert (dvr["stream_url"], dvr["param"], dvr["file"]) == ("/live/studio", "?key=abc", "a.mp4")
    assert HookClient("c", "ip", "live", "s", vhost="v.example").stream_url == "v.example/live/s"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, "0", Answer(True)),
        (201, '{"code": 0}', Answer(True)),
        (200, '{"code": 0, "data": {"record": "auto"}}', Answer(True, data={"record": "auto"})),
        (200, '{"code": 403}', Answer(False)),
        (200, "", Answer(False)),
        (200, "{}", Answer(False)),
        (200, '{"code": "0"}', Answer(False)),
        (200, '{"code": false}', Answer(False)),
        (200, "false", Answer(False)),
        (200, "1", Answer(False)),
        (200, "[" * 100_000, Answer(False)),
        (204, "", Answer(False)),
        (302, "0", Answer(False)),
        (403, '{"code": 0}', Answer(False)),
        (500, '{"code": 0}', Answer(False, reachable=False)),
    ],
)
async def test_admission_follows_the_srs_answer_rule(
    receiver: Receiver, tmp_path: Path, status: int, body: str, expected: Answer
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers={"Location": "/elsewhere"})

    receiver.script = answer
    async with Hooks(options(receiver, tmp_path)) as hooks:
        assert await hooks.admit(client_event("on_publish", CLIENT)) == expected
    assert len(receiver.requests) == 1, "no redirect is followed, no admission is repeated"


async def test_every_body_is_signed_and_names_server_and_service(receiver: Receiver, tmp_path: Path) -> None:
    async with Hooks(options(receiver, tmp_path, server_id="vid-0000001")) as hooks:
        await hooks.admit(client_event("on_publish", CLIENT))
    raw, headers = receiver.requests[0]
    key, signature = derive_key(SECRET.encode(), "callbacks"), headers["X-OneTake-Signature"]
    now_s = int(signature[2:].split(",")[0])
    assert body_is_signed(key, raw, signature, now_s)
    assert not body_is_signed(key, raw + b" ", signature, now_s)
    assert not body_is_signed(key, raw, signature, now_s + 301)
    assert not body_is_signed(derive_key(b"other", "callbacks"), raw, signature, now_s)
    assert receiver.bodies[0]["server_id"] == "vid-0000001"
    assert receiver.bodies[0]["service_id"]


async def test_admission_gives_up_in_time(receiver: Receiver, tmp_path: Path) -> None:
    released = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.json_response({"code": 0})

    receiver.script = hang
    async with Hooks(options(receiver, tmp_path, admission_s=0.05)) as hooks:
        assert await hooks.admit(event("on_publish")) == Answer(False, reachable=False)
        released.set()


async def test_an_endless_answer_is_cut(receiver: Receiver, tmp_path: Path) -> None:
    stopped = asyncio.Event()

    async def babble(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except ConnectionError:
            stopped.set()
        return response

    receiver.script = babble
    async with Hooks(options(receiver, tmp_path)) as hooks:
        assert not (await hooks.admit(event("on_publish"))).allowed
        await asyncio.wait_for(stopped.wait(), 20)


async def test_notifications_arrive_once_and_in_order_per_stream(receiver: Receiver, tmp_path: Path) -> None:
    sent = [f"on_{number}" for number in range(30)]
    async with Hooks(options(receiver, tmp_path)) as hooks:
        for name in sent:
            hooks.notify(event(name))
            hooks.notify(event(name, "other"))
        await hooks.drained()
        assert hooks.pending == 0
        assert hooks.counters.delivered == 60
    assert receiver.names() == sent
    assert receiver.names("other") == sent


async def test_failures_are_retried_without_breaking_the_order(receiver: Receiver, tmp_path: Path) -> None:
    answers = iter([500, 503, 429, 401, 404, 302])

    async def flaky(request: web.Request) -> web.StreamResponse:
        status = next(answers, 200)
        return web.json_response({"code": 0}, status=status, headers={"Location": "/callback"})

    receiver.script = flaky
    async with Hooks(options(receiver, tmp_path)) as hooks:
        for name in ("on_publish", "on_record", "on_unpublish"):
            hooks.notify(event(name))
        await hooks.drained()
        assert hooks.counters.failed_tries == 6
        assert not hooks.endpoint_down
    assert receiver.names() == ["on_publish", "on_record", "on_unpublish"]


@pytest.mark.parametrize(("status", "body"), [(422, "no"), (200, '{"code": 7}')])
async def test_a_poisonous_event_does_not_block_its_stream(
    receiver: Receiver, tmp_path: Path, status: int, body: str
) -> None:
    async def refuse_records(request: web.Request) -> web.StreamResponse:
        if (await request.json())["action"] == "on_record":
            return web.Response(status=status, text=body)
        return web.json_response({"code": 0})

    receiver.script = refuse_records
    async with Hooks(options(receiver, tmp_path)) as hooks:
        for name in ("on_publish", "on_record", "on_unpublish"):
            hooks.notify(event(name))
        await hooks.drained()
        assert hooks.counters.refused == 1
    assert [name for name in receiver.names() if name != "on_record"] == ["on_publish", "on_unpublish"]


async def test_a_dead_endpoint_is_probed_not_hammered_and_catches_up(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serving(receiver) as port:
        pass  # now nobody listens there
    async with Hooks(options(receiver, tmp_path)) as hooks:
        for number in range(20):
            hooks.notify(event(f"on_{number}", f"stream{number}"))
        async with asyncio.timeout(20):
            while not hooks.endpoint_down:  # noqa: ASYNC110  # a state, not an event: the breaker has no listeners
                await asyncio.sleep(0.001)
        tries_when_opened = hooks.counters.failed_tries
        async with serving(receiver, port):
            await asyncio.wait_for(hooks.drained(), 30)
        assert hooks.counters.failed_tries <= tries_when_opened + 20, "lanes wait for one probe instead of each trying"
    assert sorted(body["stream"] for body in receiver.bodies) == sorted(f"stream{n}" for n in range(20))


async def test_undelivered_events_survive_a_restart_in_order(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serving(receiver) as port:
        pass
    async with Hooks(options(receiver, tmp_path)) as hooks:
        hooks.notify(event("on_publish"))
        hooks.notify(event("on_unpublish"))
    async with serving(receiver, port), Hooks(options(receiver, tmp_path)) as hooks:
        hooks.notify(event("on_record"))
        await asyncio.wait_for(hooks.drained(), 30)
    assert receiver.names() == ["on_publish", "on_unpublish", "on_record"]
    ids = [headers["X-OneTake-Event"] for _, headers in receiver.requests]
    assert len(set(ids)) == 3
    async with serving(receiver, port), Hooks(options(receiver, tmp_path)) as hooks:
        assert hooks.pending == 0


async def test_delivery_goes_on_when_the_spool_cannot_be_written(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Hooks(options(receiver, tmp_path)) as hooks:

        def full(*args: object, **kwargs: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(hooks._spool, "_write", full)
        hooks.notify(event("on_publish"))
        await hooks.drained()
        monkeypatch.undo()
    assert receiver.names() == ["on_publish"]


async def test_what_is_no_json_is_told_at_once_and_harms_nothing(receiver: Receiver, tmp_path: Path) -> None:
    async with Hooks(options(receiver, tmp_path)) as hooks:
        with pytest.raises(TypeError):
            hooks.notify(event("on_record", extra=object()))
        hooks.notify(event("on_publish"))
        await hooks.drained()
    assert receiver.names() == ["on_publish"]


async def test_a_flood_of_questions_is_bounded_and_delays_no_event(receiver: Receiver, tmp_path: Path) -> None:
    full, release, asked = asyncio.Event(), asyncio.Event(), 0

    async def hang(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        if (await request.json())["stream"] == "flood":
            asked += 1
            if asked == 5:
                full.set()
            await release.wait()
        return await receiver.accept(request)

    receiver.script = hang
    async with Hooks(options(receiver, tmp_path, admissions=5)) as hooks:
        questions = [asyncio.create_task(hooks.admit(event("on_publish", "flood"))) for _ in range(200)]
        await asyncio.wait_for(full.wait(), 20)
        for number in range(20):
            hooks.notify(event("on_record", f"stream{number}"))
        await asyncio.wait_for(hooks.drained(), 20)
        assert asked == 5
        release.set()
        answers = await asyncio.gather(*questions)
    assert all(answer.allowed for answer in answers)
    assert asked == 200
