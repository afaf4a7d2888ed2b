"""The nginx example, really running in front of a real server: one https origin for everything."""

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.running import free_ports, server_env, serving

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "deploy" / "nginx").glob("*.conf"))


@pytest.fixture(scope="module")
def nginx() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail("nginx is not installed")
        pytest.skip("nginx is not installed")
    return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "cert.pem", folder / "cert.key"
    names = ["-subj", "/CN=video.example.org", "-addext", "subjectAltName=DNS:video.example.org"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *kind, "-keyout", str(key), "-out", str(pem), *names]
    subprocess.run(command, capture_output=True, check=True)
    return pem, key


def whole_config(folder: Path, example: str, certificate: tuple[Path, Path], ports: dict[int, int]) -> Path:
    """The example inside a minimal nginx.conf, with this test's certificate and ports."""
    pem, key = certificate
    text = re.sub(r"ssl_certificate .*?;", f"ssl_certificate {pem};", example)
    text = re.sub(r"ssl_certificate_key .*?;", f"ssl_certificate_key {key};", text)
    text = re.sub(r"listen \[::\]:\d+[^;]*;", "", text)
    for old, new in ports.items():
        text = re.sub(rf"listen {old}\b", f"listen 127.0.0.1:{new}", text)
        text = text.replace(f"127.0.0.1:{old};", f"127.0.0.1:{new};")
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\nhttp {{ {paths} access_log off;\n{text}\n}}\n"
    )
    return file


@pytest.mark.parametrize("example", CONFIGS, ids=lambda path: path.name)
def test_nginx_accepts_it(nginx: str, example: Path, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    ports = dict(zip((80, 443), free_ports(2), strict=True))
    file = whole_config(tmp_path, example.read_text(), certificate, ports)
    done = subprocess.run([nginx, "-t", "-q", "-c", str(file), "-p", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


class Echo(BaseHTTPRequestHandler):
    """Stands where the media server listens and says which path it saw."""

    def do_GET(self) -> None:
        body = f"{self.server.server_port} {self.path}".encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Be quiet."""


@contextlib.contextmanager
def echo_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class Origin:
    """One https origin, asked by its name."""

    def __init__(self, port: int, pem: Path) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(pem))

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        connection = HTTPSConnection("video.example.org", self._port, context=self._context, timeout=30)
        connection._create_connection = lambda _address, *args: socket.create_connection(  # type: ignore[attr-defined]
            ("127.0.0.1", self._port), *args
        )
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": "video.example.org", **headers})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    while True:
        assert process.poll() is None, "nginx ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return


def test_one_origin_for_page_api_and_media(nginx: str, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    env = server_env(
        tmp_path / "data", ONETAKE_PUBLIC_URL="https://video.example.org", ONETAKE_TRUSTED_PROXIES="127.0.0.1"
    )
    with contextlib.ExitStack() as stack:
        live, files = stack.enter_context(echo_server()), stack.enter_context(echo_server())
        server = stack.enter_context(serving(env))
        http, https = free_ports(2)
        ports = {80: http, 443: https, 8000: server.port, 8080: live, 8081: files}
        file = whole_config(tmp_path, (ROOT / "deploy/nginx/onetake.conf").read_text(), certificate, ports)
        process = stack.enter_context(subprocess.Popen([nginx, "-c", str(file), "-p", str(tmp_path)]))
        stack.callback(process.terminate)
        wait_for_port(https, process)
        server.wait_until_ready()
        origin = Origin(https, certificate[0])

        status, headers, page = origin.get("/")
        assert (status, "<html" in page) == (200, True)
        assert headers["strict-transport-security"]
        assert "'self'" in headers["content-security-policy"]
        assert str(live) not in headers["content-security-policy"], "media come from the page's own origin"
        assert origin.get("/api/config")[0] == 200
        assert origin.get("/api/users")[0] == 401
        assert origin.get("/metrics")[0] == 404
        assert origin.get("/readyz")[0] == 404
        assert origin.get("/live/x/index.m3u8")[2] == f"{live} /live/x/index.m3u8"
        assert origin.get("/t/abc.def/live/x.flv")[2] == f"{live} /t/abc.def/live/x.flv"
        assert origin.get("/t/abc.def/vod/1/video.mp4")[2] == f"{files} /t/abc.def/vod/1/video.mp4"
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        assert origin.get("/api/ws", **upgrade, **{"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})[0] == 403
