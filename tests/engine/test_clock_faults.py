"""Somebody sets the clock of the machine while it is live (F15), seen by a real process through a preloaded shim."""

import asyncio
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from tests.engine.node import Node, eventually, node, wait_for_record
from tests.engine.peers import assert_same, packets, push
from tests.media.fmp4.clips import missing

ClipMaker = Callable[..., Path]
HOUR_S = 3600
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile long *offset_s;

__attribute__((constructor)) static void map_offset(void) {
  int fd = open(getenv("CLOCK_OFFSET_FILE"), O_RDONLY);
  offset_s = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, fd, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  if (clock == CLOCK_REALTIME && !result) now->tv_sec += *offset_s;
  return result;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec exact;
  int result = clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return result;
}

time_t time(time_t *out) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (out) *out = exact.tv_sec;
  return exact.tv_sec;
}
"""


class Offset:
    """How far the clock of the process under test is from ours."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set(0)

    def set(self, seconds: int) -> None:
        """Put the clock there, at once and for every thread."""
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(struct.pack("@l", seconds))


@pytest.fixture
def offset(tmp_path: Path) -> Offset:
    return Offset(tmp_path / "offset")


@pytest.fixture
def env(tmp_path: Path, offset: Offset) -> dict[str, str]:
    """An environment in which the clock can be set; skips where no shim can be made."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        missing("there is no C compiler for a clock that can be set")
    source, library = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(SHIM)
    subprocess.run([str(compiler), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, capture_output=True)
    made = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(tmp_path / "offset")}
    offset.set(HOUR_S)
    shown = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env=os.environ | made,
        capture_output=True,
        check=True,
    )
    offset.set(0)
    if abs(float(shown.stdout) - time.time() - HOUR_S) > HOUR_S / 2:
        missing("this Python asks for the time in a way that cannot be intercepted")
    return made


async def newest_date_s(server: Node) -> float:
    """Unix time of the newest EXT-X-PROGRAM-DATE-TIME of `cam`."""
    lines = (await server.get("/live/cam/live.m3u8")).splitlines()
    dates = [line.partition(":")[2] for line in lines if line.startswith("#EXT-X-PROGRAM-DATE-TIME")]
    return datetime.fromisoformat(dates[-1]).timestamp() if dates else 0.0


async def shows(server: Node, offset_s: int) -> bool:
    """Whether the dates in the playlist follow a clock that is so far from ours."""
    return abs(await newest_date_s(server) - time.time() - offset_s) < HOUR_S / 2


@pytest.mark.slow
async def test_a_clock_that_is_set_twice_disturbs_nobody(
    clip: ClipMaker, tmp_path: Path, env: dict[str, str], offset: Offset
) -> None:
    """Forward, then back past where it was: one session, one recording, no gap, the same viewers; only dates move."""
    source = clip("h264_aac", 20)
    async with node(tmp_path / "data", env=env) as server:
        publisher = asyncio.create_task(push(source, server.rtmp("cam"), realtime=True))
        await eventually(lambda: shows(server, 0))
        viewer = asyncio.create_task(packets(f"http://127.0.0.1:{server.http_port}/live/cam.flv"))
        await eventually(lambda: has_viewers(server, 2))
        clients = await client_ids(server)
        for step_s in (HOUR_S, -HOUR_S):
            offset.set(step_s)
            await eventually(lambda step_s=step_s: shows(server, step_s))  # type: ignore[misc]
            assert await client_ids(server) == clients
        assert not publisher.done(), "the clock was set too late to disturb anything"
        [stream] = (await server.control("/control/streams"))["streams"]
        assert (stream["state"], stream["reconnects"], stream["gap_ms"]) == ("pushing", 0, 0)
        await publisher
        await viewer
        await wait_for_record(server, "finished", "")
        [sheet] = await server.sheets()
        [file] = server.files(sheet["id"])
        recorded = await packets(str(file))
    assert_same(await packets(str(source)), recorded)
    assert (sheet["gaps"], sheet["damages"]) == ([], [])
    assert sheet["duration_s"] == pytest.approx(20, abs=0.1)


async def has_viewers(server: Node, count: int) -> bool:
    """Whether `cam` has so many viewers."""
    [stream] = (await server.control("/control/streams"))["streams"]
    return bool(stream["viewers"] >= count)


async def client_ids(server: Node) -> set[str]:
    """Who is connected: the publisher, the FLV player, and ourselves as an HLS player."""
    return {client["id"] for client in (await server.control("/api/v1/clients/"))["clients"]}
