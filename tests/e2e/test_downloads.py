"""Downloading in a real browser: the files as they are, and the compatible MP4 from the button to the saved file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Download, Locator, Page, expect
from tests.conftest import run_aside
from tests.e2e.browsing import ADMIN_PASSWORD, PHONE, Site, axe_violations, go, overflow_px
from tests.engine.recorded import record
from tests.library.test_videos import add
from tests.media.fmp4 import clips
from tests.running import Server, server_env, serving

from onetake.infra.db import Database
from onetake.infra.db.migrate import upgrade
from onetake.media.units import Kind
from onetake.sources.models import Protocol
from onetake.sources.schemas import SourceCreate
from onetake.sources.service import create_source

LONG_MS = 60_000
SEVERAL, EMPTY, OTHER = "高等数学 第一讲", "Nothing in it", "For members"
CLIP = "bframes"


@dataclass
class Shelf:
    """A running server over a library that was there before."""

    server: Server
    videos: dict[str, int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


async def fill(data_dir: Path) -> dict[str, int]:
    """A video of several files, one whose files are lost, and one that guests do not see; each of its own source."""
    url = f"sqlite:///{data_dir}/onetake.db"
    await upgrade(url)
    database = Database(url)
    recorded = record(data_dir, CLIP, rotate_s=1)
    fields: dict[str, dict[str, Any]] = {
        SEVERAL: {"asset_id": str(recorded.id), "file_size": 500_000},
        EMPTY: {},
        OTHER: {"visibility": "members"},
    }
    videos = {}
    for title, values in fields.items():
        async with database.write() as session:
            body = SourceCreate(name=f"Source of {title}", protocol=Protocol.PUSH, is_active=False)
            source = (await create_source(session, body)).source
        videos[title] = (await add(database, title, source_id=source.id, source_name=source.name, **values)).id
    await database.dispose()
    return videos


@pytest.fixture(scope="module")
def shelf(built_ui: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    data_dir = tmp_path_factory.mktemp("downloads") / "data"
    data_dir.mkdir()
    videos = run_aside(fill(data_dir))
    with serving(server_env(data_dir, ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)) as server:
        server.wait_until_ready()
        yield Shelf(server, videos)


@pytest.fixture
def visit(shelf: Shelf, open_site: Callable[..., Site]) -> Callable[..., Site]:
    """The site of the shelf in a browser profile of its own."""

    def open_one(**options: Any) -> Site:
        return open_site(at=shelf.url, **options)

    return open_one


def downloads_of(page: Page) -> Locator:
    """The dialog with the ways to download, opened."""
    page.locator("[data-test=video-download]").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-test=compatible]")).to_be_visible()
    return dialog


def check_is_whole(saved: Download, target: Path) -> None:
    """One progressive MP4 with every packet that was recorded."""
    saved.save_as(target)
    data = target.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    packets = clips.read_packets(target)
    for kind in Kind:
        assert [payload for _, _, payload in packets[kind]] == [unit.payload for unit in clips.clip(CLIP).of(kind)]


def test_a_recording_of_several_files_becomes_one(shelf: Shelf, visit: Callable[..., Site], tmp_path: Path) -> None:
    guest = visit()
    page = guest.open(f"/video/{shelf.videos[SEVERAL]}")
    dialog = downloads_of(page)
    expect(dialog.locator("[data-test=download-part]")).to_have_count(3)
    expect(dialog.locator("[data-test=compatible]")).to_contain_text("Sign in to have it made")
    with page.expect_download() as part:
        dialog.locator("[data-test=download-part]").nth(1).click()
    assert part.value.suggested_filename == f"{SEVERAL} 2.mp4"

    site = visit()
    page = site.sign_in()
    go(page, f"/video/{shelf.videos[SEVERAL]}")
    dialog = downloads_of(page)
    compatible = dialog.locator("[data-test=compatible]")
    worker = shelf.server.child("worker")
    worker.suspend()
    try:
        dialog.locator("[data-test=compatible-make]").click()
        expect(compatible).to_contain_text("Waiting for its turn")
        expect(compatible.get_by_role("progressbar")).to_be_visible()
        assert axe_violations(page) == []
    finally:
        with page.expect_download(timeout=LONG_MS) as saved:
            worker.resume()
    assert saved.value.suggested_filename == f"{SEVERAL}.mp4"
    check_is_whole(saved.value, tmp_path / "made.mp4")
    expect(compatible).to_contain_text("ready until")
    assert axe_violations(page) == []
    site.watcher.note_violations(page)

    page = guest.open(f"/video/{shelf.videos[SEVERAL]}")
    dialog = downloads_of(page)
    with page.expect_download() as saved:
        dialog.locator("[data-test=compatible-download]").click()
    check_is_whole(saved.value, tmp_path / "fetched.mp4")
    guest.watcher.note_violations(page)


def test_why_it_cannot_be_made_is_said_in_the_table_of_videos(shelf: Shelf, visit: Callable[..., Site]) -> None:
    site = visit(locale="zh-TW", viewport=PHONE)
    page = site.sign_in()
    go(page, "/admin/videos?q=nothing")
    dialog = downloads_of(page)
    dialog.locator("[data-test=compatible-make]").click()
    compatible = dialog.locator("[data-test=compatible]")
    expect(compatible).to_contain_text("產生失敗：沒有錄到任何內容", timeout=LONG_MS)
    expect(dialog.locator("[data-test=compatible-make]")).to_have_text("重試")
    assert overflow_px(page) == 0
    assert axe_violations(page) == []
    site.watcher.note_violations(page)


def test_everybody_filters_by_the_sources_of_the_videos_that_they_see(shelf: Shelf, visit: Callable[..., Site]) -> None:
    assert sources_offered(visit().open("/search?q=数学")) == [f"Source of {EMPTY}", f"Source of {SEVERAL}"]
    page = visit().sign_in()
    go(page, "/search")
    assert len(sources_offered(page)) == 3
    page.get_by_role("option", name=f"Source of {OTHER}").click()
    expect(page.locator("[data-test=video-card]")).to_have_count(1)
    expect(page.locator("[data-test=video-card]")).to_contain_text(OTHER)


def sources_offered(page: Page) -> list[str]:
    page.get_by_role("combobox", name="Source").press("Enter")
    expect(page.get_by_role("option").first).to_be_visible()
    return sorted(page.get_by_role("option").all_inner_texts())
