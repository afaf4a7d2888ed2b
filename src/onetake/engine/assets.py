"""Recordings that are being served: open indexes and files, looked at again while they grow, closed when idle.

Loop only; everything that may block runs in a thread. A path is made from a parsed UUIDv7 and fixed names, never from
text of a request, and files are opened without following links (R27).
"""

import asyncio
import json
import os
import re
import stat
import time
import uuid
from array import array
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from onetake.kit.errors import NotFound
from onetake.media.codecs import CodecError, rfc6381
from onetake.media.codecs import describe as describe_track
from onetake.media.fmp4.boxes import Malformed
from onetake.media.fmp4.initreader import read_init
from onetake.media.hls import MediaName, Variant, master_playlist
from onetake.media.hls.vod import Form, Slice, VodTitle
from onetake.media.index import BadIndex, IndexReader
from onetake.media.recording import asset_folder, open_marker, video_files
from onetake.media.recording.paths import index_path
from onetake.media.units import Kind, Track

SOURCE = "source"
SHEET = "recording.json"
WINDOW_TRIGGER = "time_shift"
INTERRUPTED = "interrupted"
MAX_SHEET_BYTES = 16 << 20
MAX_OPEN = 256
MAX_RENDITIONS = 16
LOOK_AGAIN_S = 0.5
STILL_THERE_S = 5.0
IDLE_S = 60.0
_RENDITION = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Outdated(Exception):
    """What is open is no longer what lies on disk: open it anew."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open file of ours and what its headers need. `version` changes with the file, not with its growth."""

    fd: int
    size_bytes: int
    modified_s: float
    version: str


class SegmentTable:
    """Where the segments of a finished file lie: one number per segment, so that a look-up costs the same in any title.

    `None` from `find` means that the file has no such segment.
    """

    def __init__(self, video: Path) -> None:
        self._video = video
        self._bounds = array("Q")
        with IndexReader(video.with_suffix(".idx")) as index:
            self.prefix, self._first_msn, self._init_bytes = _names_of(index)
            end = index.header.media_start
            for record in index.records():
                while len(self._bounds) <= record.segment:
                    self._bounds.append(record.offset)
                end = record.end
        self._bounds.append(end)

    def find(self, name: MediaName) -> Slice | None:
        """The bytes of a segment, or of the init."""
        if name.msn is None:
            return Slice(self._video, 0, self._init_bytes)
        number = name.msn - self._first_msn
        if not 0 <= number < len(self._bounds) - 1:
            return None
        offset, end = self._bounds[number], self._bounds[number + 1]
        return Slice(self._video, offset, end - offset) if end > offset else None


class State(NamedTuple):
    """What the disk says of an asset: whether more may come, whether it is a rolling window, its renditions."""

    growing: bool
    window: bool
    names: tuple[str, ...]


class Rendition:
    """One rendition of an asset, open. `videos` are its MP4s in order."""

    def __init__(self, folder: Path, *, growing: bool, window: bool = False) -> None:
        self.folder = folder
        self.growing = growing
        self.videos = video_files(folder)
        if not self.videos:
            raise NotFound
        self.title = VodTitle(self.videos, live=growing, window=window)
        self._fds: dict[str, int] = {}
        self._tables = None if growing else [SegmentTable(video) for video in self.videos]

    def close(self) -> None:
        """Give everything back."""
        self.title.close()
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def refresh(self, *, ended: bool) -> None:
        """Look for new files and parts. Raises `Outdated` when a rolling window has lost its first file."""
        videos = video_files(self.folder)
        if videos[:1] != self.videos[:1]:
            raise Outdated
        self.videos = videos
        self.title.refresh(videos, ended=ended)
        if ended and self.growing:
            self._tables = [SegmentTable(video) for video in videos]
            self.growing = False

    def find(self, name: MediaName, file_number: int | None) -> Slice | None:
        """The bytes of a segment or init; None when it does not exist or is not complete yet."""
        if self._tables is not None:
            wanted = self._tables if file_number is None else self._tables[file_number : file_number + 1]
            places = (table.find(name) for table in wanted if table.prefix == name.prefix)
            return next((place for place in places if place is not None), None)
        return self.title.resolve(name, file_number) if self.title.is_complete(name, file_number) else None

    def open(self, path: Path) -> OpenFile:
        """A file of this rendition, opened once. Loop only. Raises `OSError`."""
        fd = self._fds.get(path.name)
        if fd is None:
            fd = self._fds[path.name] = _open(path)
        return describe(fd)


@dataclass(eq=False, slots=True)
class Asset:
    """A recording, its renditions opened as they are asked for. `users` requests hold it at present.

    `state.names` can be streamed, the source first; empty when there are only pictures.
    """

    id: uuid.UUID
    folder: Path
    state: State
    renditions: dict[str, Rendition] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    evicted: bool = False
    looked_s: float = 0.0
    used_s: float = 0.0

    @property
    def growing(self) -> bool:
        """Whether more may come."""
        return self.state.growing

    @property
    def names(self) -> tuple[str, ...]:
        """The renditions that can be streamed, the source first."""
        return self.state.names

    def close(self) -> None:
        """Give everything back."""
        for rendition in self.renditions.values():
            rendition.close()
        self.renditions.clear()


class Assets:
    """The assets below a data folder. Use `opened`; call `sweep` every few seconds and `close` at the end."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._open: OrderedDict[uuid.UUID, Asset] = OrderedDict()

    @asynccontextmanager
    async def opened(self, asset_id: uuid.UUID) -> AsyncIterator[Asset]:
        """The asset for as long as the block runs; nothing of it is closed before.

        Raises:
            NotFound: there is none.
        """
        asset = await self._enter(asset_id)
        try:
            yield asset
        finally:
            self._leave(asset)

    async def rendition(self, asset: Asset, name: str) -> Rendition:
        """One rendition of an asset that is `opened`.

        Raises:
            NotFound: there is none of this name, or its files cannot be read.
        """
        found = asset.renditions.get(name)
        if found is not None:
            return found
        if not _RENDITION.fullmatch(name):
            raise NotFound
        async with asset.lock:
            if name not in asset.renditions:
                asset.renditions[name] = await asyncio.to_thread(_open_rendition, asset.folder / name, asset.state)
        return asset.renditions[name]

    async def playlist(self, asset: Asset, rendition: Rendition, form: Form) -> tuple[bytes, bytes]:
        """The playlist, plain and gzipped. Built in a thread from what is new."""
        async with asset.lock:
            return await asyncio.to_thread(_both_forms, rendition, form)

    async def master(self, asset: Asset) -> bytes:
        """The multivariant playlist over all renditions, the source first."""
        if not asset.names:
            raise NotFound
        renditions = [(name, await self.rendition(asset, name)) for name in asset.names]
        opened = [(name, one, one.open(one.videos[0]).fd) for name, one in renditions]
        async with asset.lock:
            return await asyncio.to_thread(lambda: master_playlist([_variant(*item) for item in opened]))

    async def sweep(self) -> None:
        """Close what nobody has used for a minute, and what is gone from the disk."""
        now = time.monotonic()
        for asset in [one for one in self._open.values() if not one.users]:
            if now - asset.used_s > IDLE_S or not await asyncio.to_thread(asset.folder.is_dir):
                self._evict(asset)

    def forget(self, asset_id: uuid.UUID) -> None:
        """Close an asset that is about to be deleted, as soon as nobody holds it."""
        asset = self._open.get(asset_id)
        if asset is not None:
            self._evict(asset)

    def close(self) -> None:
        """Close everything that nobody holds."""
        for asset in list(self._open.values()):
            self._evict(asset)

    def __len__(self) -> int:
        return len(self._open)

    async def _enter(self, asset_id: uuid.UUID) -> Asset:
        """The asset as it is on disk now; one that is outdated is left to those who use it, and opened anew."""
        while True:
            asset = self._open.get(asset_id) or await self._load(asset_id)
            asset.users += 1
            try:
                await self._look_again(asset)
            except Outdated:
                self._leave(asset)
            except BaseException:
                self._leave(asset)
                raise
            else:
                return asset

    def _leave(self, asset: Asset) -> None:
        asset.users -= 1
        asset.used_s = time.monotonic()
        if asset.evicted and not asset.users:
            asset.close()

    async def _load(self, asset_id: uuid.UUID) -> Asset:
        try:
            folder = asset_folder(self._data_dir, asset_id)
        except ValueError:
            raise NotFound from None
        state = await asyncio.to_thread(_state_on_disk, self._data_dir, asset_id, folder)
        now = time.monotonic()
        made = self._open.setdefault(asset_id, Asset(asset_id, folder, state, looked_s=now, used_s=now))
        self._open.move_to_end(asset_id)
        while len(self._open) > MAX_OPEN:
            self._evict(next(iter(self._open.values())))
        return made

    async def _look_again(self, asset: Asset) -> None:
        """Growing assets are read again at most twice a second, finished ones are checked to be there.

        Raises:
            Outdated: the asset has to be opened anew.
            NotFound: it is gone.
        """
        if time.monotonic() - asset.looked_s < (LOOK_AGAIN_S if asset.growing else STILL_THERE_S):
            return
        async with asset.lock:
            if asset.evicted:
                raise Outdated
            if time.monotonic() - asset.looked_s < LOOK_AGAIN_S:
                return
            asset.looked_s = time.monotonic()
            try:
                asset.state = await asyncio.to_thread(_refresh, self._data_dir, asset)
            except Outdated:
                self._evict(asset)
                raise
            except (NotFound, OSError, BadIndex):
                self._evict(asset)
                raise NotFound from None

    def _evict(self, asset: Asset) -> None:
        if self._open.get(asset.id) is asset:
            del self._open[asset.id]
        asset.evicted = True
        if not asset.users:
            asset.close()


def rendition_names(folder: Path) -> tuple[str, ...]:
    """The renditions of an asset that can be streamed, the source first. A plain file for download has no index."""
    with suppress(OSError):
        names = sorted(path.name for path in folder.iterdir() if _RENDITION.fullmatch(path.name) and _is_indexed(path))
        return tuple(sorted(names, key=lambda name: name != SOURCE)[:MAX_RENDITIONS])
    return ()


def plain_video(asset: Asset, rendition: str, name: str) -> Path:
    """Where a file lies that was only made to be downloaded: `name` in the folder of a rendition without an index.

    Raises:
        NotFound: no rendition has such a name.
    """
    if not _RENDITION.fullmatch(rendition):
        raise NotFound
    return asset.folder / rendition / name


def _is_indexed(folder: Path) -> bool:
    return any(index_path(video).exists() for video in video_files(folder)[:1])


def describe(fd: int) -> OpenFile:
    """What HTTP headers need of an open file. The version is its identity on disk: growth does not change it."""
    found = os.fstat(fd)
    return OpenFile(fd, found.st_size, found.st_mtime, f"{found.st_ino:x}-{found.st_dev:x}")


@asynccontextmanager
async def opened_file(path: Path) -> AsyncIterator[OpenFile]:
    """A small file beside the media (poster, storyboard, subtitles), for as long as the block runs.

    Raises:
        NotFound: it is not there, or no plain file.
    """
    try:
        fd = await asyncio.to_thread(_open, path)
    except OSError:
        raise NotFound from None
    try:
        yield describe(fd)
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileNotFoundError(path.name)
    return fd


def _open_rendition(folder: Path, state: State) -> Rendition:
    try:
        return Rendition(folder, growing=state.growing, window=state.window)
    except (BadIndex, OSError):
        raise NotFound from None


def _names_of(index: IndexReader) -> tuple[str, int, int]:
    return index.header.prefix, index.header.first_msn, index.header.init_bytes


def _state_on_disk(data_dir: Path, asset_id: uuid.UUID, folder: Path) -> State:
    """The state of an asset. More may come when it is being written, is a rolling window, or was interrupted.

    Raises:
        NotFound: the folder is not there.
    """
    if not folder.is_dir() or folder.is_symlink():
        raise NotFound
    listed = open_marker(data_dir, asset_id).exists()
    sheet = {} if listed else _read_sheet(folder / SHEET)
    window = sheet.get("trigger") == WINDOW_TRIGGER
    growing = listed or window or sheet.get("state") == INTERRUPTED
    return State(growing, window, rendition_names(folder))


def _read_sheet(path: Path) -> dict[str, Any]:
    """The sheet of a recording; empty when there is none that can be read."""
    try:
        with path.open("rb") as file:
            sheet = json.loads(file.read(MAX_SHEET_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return sheet if isinstance(sheet, dict) else {}


def _refresh(data_dir: Path, asset: Asset) -> State:
    state = _state_on_disk(data_dir, asset.id, asset.folder)
    if state.growing and not asset.growing:
        raise Outdated
    if asset.growing:
        for rendition in asset.renditions.values():
            rendition.refresh(ended=not state.growing)
    return state


def _both_forms(rendition: Rendition, form: Form) -> tuple[bytes, bytes]:
    body = rendition.title.playlist(form)
    return body.plain, body.gzipped


def _variant(name: str, rendition: Rendition, fd: int) -> Variant:
    rendition.title.playlist()  # measures the rates
    rates, tracks = rendition.title.rates, list(_tracks(fd))
    video = next((track for track in tracks if track.kind is Kind.VIDEO), None)
    uri = "index.m3u8?media=1" if name == SOURCE else f"{name}/index.m3u8"
    size = (video.width, video.height) if video else (0, 0)
    codecs = [rfc6381(track) for track in tracks]
    return Variant(uri, codecs, rates.peak_bps, rates.average_bps, *size, _nominal_fps(video) if video else 0.0)


def _nominal_fps(video: Track) -> float:
    """What the stream says of itself, as live; 0 when it says nothing. An index does not count frames."""
    try:
        return describe_track(video).fps
    except CodecError:
        return 0.0


def _tracks(fd: int) -> Iterator[Track]:
    """The tracks in the init of an MP4, video first."""
    try:
        info = read_init(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size)
    except Malformed:
        raise NotFound from None
    known = [item.track for item in info.tracks if item.track is not None]
    yield from sorted(known, key=lambda track: track.kind is not Kind.VIDEO)
