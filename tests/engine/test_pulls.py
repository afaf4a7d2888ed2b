"""Pulled streams as the desired state wants them: start, stop, take part in sessions like any publisher."""

from pathlib import Path

from tests.engine.servers import live, until

from onetake.engine.options import Limits
from onetake.engine.sessions import PushState
from onetake.engine.state import RecordMode, StreamConfig

PATTERN = {"url": "builtin:pattern"}


class TestPulls:
    async def test_a_wanted_pull_becomes_a_stream_and_ends_with_its_wish(self, tmp_path: Path) -> None:
        config = StreamConfig("cam", record=RecordMode.AUTO, pull=PATTERN)
        async with live(tmp_path, standalone=False, limits=Limits(grace_s=0.5)) as server:
            await server.server.store.put_stream(config)
            await server.part("cam", 3, timeout_s=30)
            status = server.server.pulls.status("cam")
            assert status is not None
            assert (status["state"], status["source"]) == ("running", "builtin:pattern")
            assert server.server.recordings.active["cam"].sheet.trigger == "auto"
            await server.server.store.put_stream(StreamConfig("cam", record=RecordMode.AUTO))
            await server.state("cam", PushState.OFFLINE)
            assert server.server.pulls.status("cam") is None
            assert await server.recorded("cam")

    async def test_a_source_that_may_not_be_pulled_fails_with_its_reason(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False) as server:
            await server.server.store.put_stream(StreamConfig("bad", pull={"url": "file:///etc/passwd"}))
            await server.server.store.put_stream(StreamConfig("private", pull={"url": "http://127.0.0.1:1/x.flv"}))
            refused = server.server.pulls.status("bad")
            assert refused is not None
            assert refused["state"] == "failed"

            def judged() -> bool:
                status = server.server.pulls.status("private")
                return status is not None and status["state"] == "failed"

            await until(judged)

    async def test_a_pull_starts_again_with_the_server(self, tmp_path: Path) -> None:
        async with live(tmp_path, standalone=False) as server:
            await server.server.store.put_stream(StreamConfig("cam", pull=PATTERN))
        async with live(tmp_path, standalone=False) as server:
            await server.part("cam", 1, timeout_s=30)
