"""A real Chromium with hls.js watches a stream whose keyframes are most of a minute apart, without waiting for one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page
from tests.engine.peers import pushing
from tests.engine.servers import live
from tests.engine.test_files_in_chromium import page  # noqa: F401  a fixture

ClipMaker = Callable[..., Path]
WATCH = """async (url) => {
  const video = document.querySelector('video'), errors = [];
  window.player?.destroy();
  const player = window.player = new Hls({ enableWorker: false });
  player.on(Hls.Events.ERROR, (_, error) => error.fatal && errors.push(error.details));
  player.loadSource(url);
  player.attachMedia(video);
  video.play();
  const shown = () => video.getVideoPlaybackQuality().totalVideoFrames;
  await until(() => (video.currentTime > 0 && shown() > 5) || errors.length);
  const started = video.currentTime;
  await until(() => video.currentTime > started + 2 || errors.length);
  return { errors, frames: shown() };
}"""


@pytest.mark.e2e
async def test_it_starts_within_a_long_group_of_pictures(
    page: Page,  # noqa: F811
    clip: ClipMaker,
    tmp_path: Path,
) -> None:
    source = clip("h264_aac", 60, 1500)
    async with live(tmp_path) as server, pushing(source, server.rtmp("cam"), loop=False):
        await server.part("cam")
        life = server.server.hub.life("cam")
        assert life is not None
        for _ in ("from the start", "later"):
            seen: dict[str, Any] = await page.evaluate(WATCH, server.url("/live/cam/index.m3u8"))
            assert seen["errors"] == []
            assert seen["frames"] > 30
            assert life.stats.totals.keyframes == 1
            await server.segment("cam", life.next_msn + 2)
