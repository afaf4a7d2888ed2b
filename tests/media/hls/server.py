"""A small HTTP server for the playlist tests: virtual segments by `VodTitle.resolve`, and byte ranges of the MP4s.

It counts on nothing of the product's own server, so that a fault there cannot hide one of the playlists.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from onetake.media.hls import Form, VodTitle, parse_name


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    title: VodTitle

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        name = url.path.rsplit("/", 1)[-1]
        if name == "index.m3u8":
            form = Form.RANGE if query.get("form") == ["range"] else Form.VIRTUAL
            self._send(200, self.title.playlist(form).plain)
        elif name.startswith("video-"):
            self._send_range(next(file.video for file in self.title._files if file.video.name == name))
        else:
            self._send_virtual(url.path, query)

    def _send_virtual(self, path: str, query: dict[str, list[str]]) -> None:
        _, folder, prefix, name = path.split("/")
        asked = parse_name(prefix, name) if folder == "s" else None
        place = self.title.resolve(asked, int(query["f"][0]) if "f" in query else None) if asked else None
        if place is None:
            self._send(404, b"")
        else:
            self._send(200, place.path.read_bytes()[place.offset : place.offset + place.size_bytes])

    def _send_range(self, video: Path) -> None:
        data = video.read_bytes()
        header = self.headers.get("Range")
        if header is None:
            self._send(200, data)
            return
        first, _, last = header.removeprefix("bytes=").partition("-")
        stop = min(int(last) + 1 if last else len(data), len(data))
        extra = {"Content-Range": f"bytes {first}-{stop - 1}/{len(data)}"}
        self._send(206, data[int(first) : stop], extra)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(title: VodTitle) -> Iterator[str]:
    """Serve a title; the URL of its folder."""
    handler = type("Handler", (_Handler,), {"title": title})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
