"""A real Chromium plays recordings from the file process: the MP4 itself, and HLS in both forms with hls.js."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright
from tests.e2e.chromium import CHROMIUM_FLAGS, find_chromium
from tests.engine.recorded import record
from tests.media.fmp4.clips import REPOSITORY, missing

from onetake.engine.http_files import FileServer, running
from onetake.engine.options import MediaOptions

HLS_JS = REPOSITORY / "web/node_modules/hls.js/dist/hls.min.js"
PAGE = """<!doctype html><video muted playsinline></video><script src="/hls.js"></script><script>
const video = document.querySelector('video'), errors = [];
const once = (name) => new Promise((done) => video.addEventListener(name, done, { once: true }));
const until = async (condition) => { while (!condition()) await new Promise((done) => setTimeout(done, 20)); };
window.play = async (url, hls, at) => {
  if (hls) {
    const player = new Hls({ enableWorker: false });
    player.on(Hls.Events.ERROR, (_, error) => error.fatal && errors.push(error.details));
    player.loadSource(url);
    player.attachMedia(video);
  } else video.src = url;
  video.onerror = () => errors.push(video.error.message);
  await until(() => video.readyState >= 1);
  await video.play();
  await until(() => video.currentTime > 0.3 || errors.length);
  const started = video.currentTime;
  const seeked = once('seeked');
  video.currentTime = at;
  await Promise.race([seeked, until(() => errors.length)]);
  await until(() => video.currentTime > at + 0.2 || video.ended || errors.length);
  return { started, now: video.currentTime, duration: video.duration, errors,
           frames: video.getVideoPlaybackQuality().totalVideoFrames, width: video.videoWidth };
};
</script>"""


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    executable = find_chromium()
    if executable is None:
        missing("no Chromium found")
    if not HLS_JS.exists():
        missing("hls.js is not installed (npm ci in web/)")

    async def get(request: web.Request) -> web.Response:
        script = request.path == "/hls.js"
        return web.Response(
            text=HLS_JS.read_text() if script else PAGE, content_type="text/javascript" if script else "text/html"
        )

    app = web.Application()
    app.router.add_get("/{tail:.*}", get)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_FLAGS))
        opened = await browser.new_page()
        opened.set_default_timeout(40_000)
        await opened.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        yield opened
        await browser.close()
    await runner.cleanup()


@pytest.mark.parametrize(("name", "hls"), [("video.mp4", False), ("index.m3u8", True), ("index.m3u8?form=range", True)])
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.e2e
async def test_chromium_plays_and_seeks(page: Page, tmp_path: Path, name: str, hls: bool, finished: bool) -> None:
    recorded = record(tmp_path, "bframes", finish=finished)
    server = FileServer(MediaOptions(tmp_path, files_port=0))
    async with running(MediaOptions(tmp_path, files_port=0), server) as port:
        url = f"http://127.0.0.1:{port}/vod/{recorded.id}/{name}"
        seen: dict[str, Any] = await page.evaluate("([url, hls, at]) => play(url, hls, at)", [url, hls, 3.5])
        assert seen["errors"] == []
        assert seen["started"] > 0
        assert seen["now"] > 3.5
        assert seen["width"] == 320
        assert seen["frames"] > 5
        if finished:
            assert seen["duration"] == pytest.approx(6, abs=0.3)
    if not finished:
        recorded.finish()
