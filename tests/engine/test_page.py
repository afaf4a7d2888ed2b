"""The stand-alone page in a real Chromium: it lists, plays and records, in three languages."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright
from tests.e2e.chromium import CHROMIUM_FLAGS, find_chromium
from tests.engine.peers import pushing
from tests.engine.servers import live, options

from onetake.engine.http_files import running

ClipMaker = Callable[..., Path]
CHROMIUM = find_chromium()
FLAGS = [*CHROMIUM_FLAGS, "--autoplay-policy=no-user-gesture-required"]
WORDS = {"en": ("Live streams", "live"), "zh-CN": ("正在直播", "直播中"), "zh-TW": ("正在直播", "錄製中")}

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="Chromium is not installed"),
]


async def comes_true(page: Page, expression: str) -> None:
    """Wait until an expression is true on the page (whose policy forbids Playwright's own way to wait)."""
    async with asyncio.timeout(20):
        while not await page.evaluate(expression):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_it_lists_plays_and_stops_recordings(clip: ClipMaker, tmp_path: Path) -> None:
    faults: list[str] = []
    async with (
        running(options(tmp_path)) as files_port,
        live(tmp_path, files_port=files_port) as server,
        pushing(clip("h264_aac", 10), server.rtmp("cam")),
        async_playwright() as playwright,
    ):
        await server.segment("cam", 3)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for language, words in WORDS.items():
            context = await browser.new_context(locale=language)
            page = await context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            await page.goto(server.url("/"))
            await page.wait_for_selector("#live button")
            text = await page.inner_text("main")
            assert all(word in text for word in words), text
            await page.click("#recordings button >> nth=1")
            await comes_true(page, "document.querySelector('video').currentTime > 0.5")
            await context.close()
        page = await browser.new_page()
        await page.goto(server.url("/"))
        await page.click("#live button >> nth=2")
        await comes_true(page, "document.querySelector('#recordings').innerText.includes('finished')")
        assert server.server.recordings.active == {}
        await browser.close()
    assert faults == []
