"""The live playlist as players without low latency see it: both ffmpegs read every packet of a stream that ended."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.media.fmp4 import clips
from tests.media.hls.test_vod import expected, packets, parts_of

from onetake.media.fmp4 import Part
from onetake.media.hls import LivePlaylist, parse_name


class _Ring(BaseHTTPRequestHandler):
    """Serves a playlist and the segments of the parts it was made of."""

    protocol_version = "HTTP/1.1"
    playlist: LivePlaylist
    parts: list[Part]

    def do_GET(self) -> None:
        pieces = self.path.strip("/").split("/")
        body = self.playlist.body().plain if pieces[0] == "live.m3u8" else self._media(pieces)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _media(self, pieces: list[str]) -> bytes:
        name = parse_name(*pieces[1:]) if len(pieces) == 3 else None
        mine = [part for part in self.parts if name and part.run.prefix == name.prefix]
        if name and name.msn is None:
            return mine[0].run.init
        return b"".join(part.data for part in mine if name and part.msn == name.msn)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(parts: list[Part]) -> Iterator[str]:
    playlist = LivePlaylist()
    for part in parts:
        playlist.append(part)
    playlist.end()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Ring", (_Ring,), {"playlist": playlist, "parts": parts}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/live.m3u8"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("executable", ["ffmpeg9", "ffmpeg5"])
@pytest.mark.parametrize("name", ["h264_aac", "bframes", "one_fps", "hevc", "audio_only"])
def test_every_packet_of_a_live_playlist(executable: str, name: str) -> None:
    with serving(parts_of(name)) as url:
        assert packets(getattr(clips, executable)(), url) == expected(name)


def test_every_packet_over_a_discontinuity() -> None:
    first, second = parts_of("bframes"), parts_of("h264_aac", "ba9876543210", 3)
    with serving([*first, *second]) as url:
        found = packets(clips.ffmpeg9(), url, quiet=False)
    assert found[0] == expected("bframes")[0] + expected("h264_aac")[0]
