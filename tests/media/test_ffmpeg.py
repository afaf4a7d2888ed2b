"""Commands, children and errors of ffmpeg: real binary, fake hostile tools (F27), argument fuzzing (N2, R5)."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.kit.errors import LANGS
from onetake.media.ffmpeg import (
    Child,
    Limits,
    ProgressParser,
    Scheme,
    ToolError,
    binary,
    command,
    explain,
    run,
    running,
)
from onetake.media.ffmpeg import commands as build
from onetake.media.ffmpeg import errors as named
from onetake.media.ffmpeg.child import STDERR_BYTES, StderrRing, read_output
from onetake.media.probe import probe_own

FFMPEG = binary()
PYTHON = sys.executable
LIMITS = Limits(address_space_bytes=None)


def script(folder: Path, text: str) -> list[str]:
    """A fake tool: a Python script to be run by its absolute path."""
    path = folder / "tool"
    path.write_text(f"#!{PYTHON}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):  # noqa: ASYNC110  # another process gives no event to wait for
            await asyncio.sleep(0.01)


# -- commands ------------------------------------------------------------------------


def test_whitelists_stand_before_every_input(tmp_path: Path) -> None:
    inputs = [
        build.from_file(tmp_path / "a.mp4", start_s=1, length_s=2, paced=True, endless=True),
        build.from_url("rtmp://192.0.2.1/live/x", Scheme.RTMP, rtmp_tc_url="rtmp://host/live"),
        build.from_url("http://example.com/a.m3u8", Scheme.HTTP, http_proxy="http://t:x@127.0.0.1:1"),
    ]
    for one in inputs:
        at = one.args.index("-i")
        assert one.args.index("-protocol_whitelist") < at
        assert one.args.index("-format_whitelist") < at
        assert one.args.index("-codec_whitelist") < at
        assert at == len(one.args) - 2
    assert "-nostdin" in command(FFMPEG, inputs, [])


def test_every_decoder_and_demuxer_that_is_named_exists() -> None:
    def names(what: str) -> set[str]:
        text = subprocess.run([FFMPEG, "-hide_banner", what], capture_output=True, text=True, check=True).stdout
        return {name for line in text.splitlines() if len(line.split()) > 1 for name in line.split()[1].split(",")}

    assert set(build.DECODERS.split(",")) <= names("-decoders")
    assert set(f"{build.FILE_FORMATS},{build.HTTP_FORMATS},rtsp,live_flv".split(",")) <= names("-demuxers")


@pytest.mark.parametrize("scheme", list(Scheme))
async def test_every_option_is_known_to_the_real_binary(scheme: Scheme) -> None:
    """An unknown or misplaced option ends ffmpeg with its own message, whatever the network does."""
    url = f"{scheme.value}://127.0.0.1:1/live/x.flv"
    source = build.from_url(
        url, scheme, http_proxy="http://t:x@127.0.0.1:1", tls_name="h.example", rtmp_tc_url="rtmp://h/l"
    )
    async with running(command(FFMPEG, [source], [build.to_stream_list()]), Limits()) as child:
        assert await child.wait() != 0
    assert "Option" not in child.stderr.text
    assert "Unrecognized" not in child.stderr.text
    assert isinstance(child.failure(), named.SourceRefused | named.SourceTimedOut | named.SourceUnreachable), (
        child.stderr.text
    )


def test_http_without_the_guarding_proxy_and_other_schemes_are_refused() -> None:
    for url, scheme in (
        ("http://example.com/", Scheme.HTTP),
        ("file:///etc/passwd", Scheme.RTMP),
        ("concat:a|b", Scheme.SRT),
        ("-i", Scheme.RTSP),
    ):
        with pytest.raises(named.FormatNotAllowed):
            build.from_url(url, scheme)


@given(st.text(max_size=40))
def test_operands_never_look_like_options(name: str) -> None:
    for path in (Path(name), Path("/data") / name):
        try:
            operand = build.operand(path)
        except ValueError:
            continue
        assert operand.startswith("/")
        assert not any(ord(char) < 32 for char in operand)


@pytest.mark.parametrize(
    "query",
    ["mode=listener", "mode=rendezvous", "localaddr=0.0.0.0", "MODE=listener", "mode=caller&mode=listener", "x"],
)
def test_srt_addresses_cannot_change_how_we_connect(query: str) -> None:
    with pytest.raises(named.FormatNotAllowed):
        build.from_url(f"srt://192.0.2.1:9000?{query}", Scheme.SRT)
    build.from_url("srt://192.0.2.1:9000?mode=caller&streamid=read:a&passphrase=0123456789", Scheme.SRT)


@given(st.sampled_from(Scheme), st.text(max_size=60))
def test_url_operands_are_addresses_of_their_scheme(scheme: Scheme, tail: str) -> None:
    for url in (f"{scheme.value}://192.0.2.1/{tail}", tail):
        try:
            args = build.from_url(url, scheme, http_proxy="http://t:x@127.0.0.1:1").args
        except (named.FormatNotAllowed, ValueError):
            continue
        assert args[-2] == "-i"
        assert args[-1].lower().startswith(f"{scheme.value}:")


@given(st.integers(), st.integers(), st.floats())
def test_numbers_are_bounded(width: int, kbps: int, start_s: float) -> None:
    for make in (
        lambda: build.pattern(width),
        lambda: build.tone(kbps),
        lambda: build.encode_h264(kbps=kbps),
        lambda: build.encode_aac(kbps=kbps),
        lambda: build.from_file(Path("/a"), start_s=start_s),
    ):
        try:
            made = make()
        except ValueError:
            continue
        args = made if isinstance(made, list) else list(made.args)
        assert all(arg and "\n" not in arg for arg in args)
        assert len(" ".join(args)) < 1500


# -- children ------------------------------------------------------------------------


async def test_child_has_its_own_group_session_and_an_empty_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    text = (
        "import os, json; print(json.dumps([os.getpid(), os.getpgid(0), os.getsid(0), os.getcwd(), dict(os.environ)]))"
    )
    out = await read_output(script(tmp_path, text), LIMITS, timeout_s=20, max_bytes=10_000)
    pid, group, session, cwd, environment = __import__("json").loads(out)
    assert pid == group == session != os.getpid()
    assert cwd == "/"
    assert set(environment) <= {"PATH", "LANG", "HOME", "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR"}


async def test_limits_are_in_force_and_named(tmp_path: Path) -> None:
    hog = script(tmp_path, "data = []\nwhile True: data.append(bytearray(1 << 24))")
    with pytest.raises(named.LimitExceeded):
        await run(hog, Limits(address_space_bytes=512 << 20), timeout_s=60)
    writer = script(tmp_path, f"open({str(tmp_path / 'big')!r}, 'wb').write(bytes(1 << 20))")
    with pytest.raises(ToolError) as caught:
        await run(writer, Limits(address_space_bytes=None, file_bytes=4096), timeout_s=60)
    assert isinstance(caught.value, named.LimitExceeded | named.DiskFull)
    assert (tmp_path / "big").stat().st_size <= 4096
    busy = script(tmp_path, "while True: pass")
    with pytest.raises(named.LimitExceeded):
        await run(busy, Limits(address_space_bytes=None, cpu_s=1), timeout_s=60)


async def test_no_network_where_the_system_allows_it(tmp_path: Path) -> None:
    text = "import os; print(len(open('/proc/net/dev').readlines()) - 2)"
    interfaces = await read_output(
        script(tmp_path, text), Limits(address_space_bytes=None, no_network=True), timeout_s=20, max_bytes=100
    )
    if os.geteuid() == 0:
        assert int(interfaces) == 1  # a loopback that is down


async def test_a_tool_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    text = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "print(os.getpid(), flush=True) if child else signal.pause()\n"
        "print(child, flush=True)\n"
        "signal.pause()\n"
    )
    child = await Child.start(script(tmp_path, text), LIMITS, stdout=True)
    pids = [int(await child.stdout.readline()) for _ in range(2)]
    assert await child.stop(grace_s=0.1) == -signal.SIGKILL
    for pid in pids:
        await gone(pid)


async def test_a_tool_blocked_on_a_full_pipe_still_ends_by_sigterm(tmp_path: Path) -> None:
    text = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    child = await Child.start(script(tmp_path, text), LIMITS, stdout=True)
    await child.stdout.read(1)
    assert await child.stop(grace_s=20) == -signal.SIGTERM


async def test_cancelling_the_caller_leaves_no_process(tmp_path: Path) -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def use() -> None:
        async with running(script(tmp_path, "import time; time.sleep(600)"), LIMITS) as child:
            started.set_result(child.pid)
            await child.wait()

    task = asyncio.create_task(use())
    pid = await started
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)


async def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    text = (
        "import asyncio\n"
        "from onetake.media.ffmpeg import Child, Limits\n"
        "async def main():\n"
        "    child = await Child.start(['/bin/sleep', '600'], Limits(address_space_bytes=None))\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([PYTHON, "-c", text], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        await asyncio.sleep(0)
        parent.kill()
    await gone(pid)


async def test_babbling_stderr_is_kept_small_and_redacted(tmp_path: Path) -> None:
    text = (
        "import sys\n"
        "for _ in range(3000): sys.stderr.write('noise ' * 200)\n"
        "sys.stderr.write('\\nrtmp://h/live/SECRETKEY gone\\n'); sys.exit(3)"
    )
    async with running(script(tmp_path, text), LIMITS) as child:
        assert await child.wait() == 3
    assert child.stderr.total_bytes > 3_000_000
    assert len(child.stderr.text) <= STDERR_BYTES + 100
    assert "SECRETKEY" not in child.stderr.text
    assert "SECRETKEY" not in str(child.failure())


@given(st.lists(st.binary(max_size=200)), st.integers(1, 100))
def test_the_ring_keeps_the_end(chunks: list[bytes], size: int) -> None:
    ring = StderrRing(size)
    for chunk in chunks:
        ring.feed(chunk)
    assert bytes(ring._tail) == b"".join(chunks)[-size:]


async def test_silence_and_wall_time_end_a_hanging_tool(tmp_path: Path) -> None:
    hanging = script(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(named.LimitExceeded):
        await run(hanging, LIMITS, timeout_s=0.2)
    with pytest.raises(named.LimitExceeded):
        await run(hanging, LIMITS, timeout_s=60, on_progress=lambda report: None, silence_s=0.2)


@pytest.mark.parametrize("size_bytes", [0, 1, 5_000_000])
async def test_a_tool_is_given_something_to_read(tmp_path: Path, size_bytes: int) -> None:
    reader = script(tmp_path, "import sys; print(len(sys.stdin.buffer.read()))")
    out = await read_output(reader, LIMITS, timeout_s=20, max_bytes=100, stdin=bytes(size_bytes))
    assert int(out) == size_bytes


async def test_a_tool_that_does_not_read_what_it_is_given_does_no_harm(tmp_path: Path) -> None:
    deaf = script(tmp_path, "print('done')")
    assert await read_output(deaf, LIMITS, timeout_s=20, max_bytes=100, stdin=bytes(5_000_000)) == b"done\n"
    stuck = script(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(named.LimitExceeded):
        await read_output(stuck, LIMITS, timeout_s=0.5, max_bytes=100, stdin=bytes(5_000_000))


async def test_endless_output_is_cut(tmp_path: Path) -> None:
    with pytest.raises(named.LimitExceeded):
        await read_output(script(tmp_path, "while True: print('x' * 1000)"), LIMITS, timeout_s=60, max_bytes=100_000)


async def test_missing_programs_are_named(tmp_path: Path) -> None:
    with pytest.raises(named.ToolMissing):
        await run([str(tmp_path / "nothing")], LIMITS, timeout_s=20)
    with pytest.raises(named.ToolMissing):
        binary(str(tmp_path / "nothing"))
    for argv in (["ffmpeg"], [FFMPEG, "a\nb"]):
        with pytest.raises(ValueError, match=r"program|argument"):
            await Child.start(argv, LIMITS)


async def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(named.ToolMissing):
        await run(script(tmp_path, "pass"), LIMITS, timeout_s=20, cwd=tmp_path / "gone")


def test_a_system_without_any_ffmpeg_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", nothing)
    with pytest.raises(named.ToolMissing):
        binary()


async def test_the_built_in_clip_is_made(tmp_path: Path) -> None:
    out = build.to_file(tmp_path / "clip.mp4", [*build.encode_h264(), *build.encode_aac()], length_s=0.4)
    await run(command(FFMPEG, [build.clip_picture(), build.clip_sound()], [out]), Limits(), timeout_s=60)
    found = probe_own(tmp_path / "clip.mp4")
    assert [(track.codec, track.height) for track in found.tracks] == [("h264", 360), ("aac", 0)]


async def test_a_real_encode_reports_progress(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    out = build.to_file(target, [*build.encode_h264(kbps=300), "-an"], length_s=2)
    graph = build.Input(("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=25"))
    reports: list[float] = []
    await run(
        command(FFMPEG, [graph], [out], progress=True),
        Limits(file_bytes=50 << 20),
        timeout_s=60,
        on_progress=lambda report: reports.append(report.out_s),
    )
    assert reports[-1] == pytest.approx(2, abs=0.1)
    assert target.stat().st_size > 1000


# -- progress and errors -------------------------------------------------------------


def test_progress_blocks_in_any_pieces() -> None:
    text = b"frame=50\nfps=25.00\nout_time_us=2000000\ntotal_size=N/A\nspeed=1.5x\nprogress=continue\n"
    text += b"frame=60\nprogress=end\n"
    for size in (1, 7, 1000):
        parser = ProgressParser()
        reports = [r for at in range(0, len(text), size) for r in parser.feed(text[at : at + size])]
        assert [(r.frame, r.out_s, r.speed, r.done) for r in reports] == [(50, 2.0, 1.5, False), (60, 0, 0, True)]


def test_a_flood_of_fields_is_cut() -> None:
    flood = b"frame=7\n" + b"".join(b"field%d=1\n" % number for number in range(100_000))
    parser = ProgressParser()
    parser.feed(flood)
    assert len(parser._fields) == 64
    assert [report.frame for report in parser.feed(b"progress=continue\nframe=8\nprogress=end\n")] == [7, 8]


@given(st.lists(st.binary(max_size=100)))
def test_progress_never_raises(pieces: list[bytes]) -> None:
    parser = ProgressParser()
    for piece in pieces:
        parser.feed(piece)


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        (
            "Failed to resolve hostname x: Name or service not known\nError opening input: Input/output error",
            named.SourceNameNotFound,
        ),
        ("[tcp @ 0x1] Connection to tcp://127.0.0.1:1 failed: Connection refused", named.SourceRefused),
        ("Error opening input: Server returned 401 Unauthorized (authorization failed)", named.SourceUnauthorized),
        ("Error opening input: Server returned 403 Forbidden (access denied)", named.SourceUnauthorized),
        ("Error opening input files: Server returned 404 Not Found", named.SourceNotFound),
        ("method DESCRIBE failed: 404 Not Found", named.SourceNotFound),
        ("Server error: NetStream.Play.StreamNotFound", named.SourceNotFound),
        (
            "[rtmp @ 0x1] Server error: No such stream.\nError opening input: Operation not permitted",
            named.SourceNotFound,
        ),
        ("Error opening input files: Operation not permitted", named.SourceNotFound),
        ("[rtmp @ 0x1] Incorrect username/password\n[rtmp @ 0x1] Server error: authfailed", named.SourceUnauthorized),
        ("Server returned 5XX Server Error reply", named.SourceServerError),
        ("[tls @ 0x1] error:0A000086:SSL routines::certificate verify failed", named.TlsFailed),
        ("[in#0 @ 0x1] Format not on whitelist 'flv'", named.FormatNotAllowed),
        ("Protocol 'http' not on whitelist 'file'!", named.FormatNotAllowed),
        ("Error opening input files: Invalid data found when processing input", named.NotMedia),
        (
            "[http @ 0x1] Stream ends prematurely at 900, should be 18446744073709551615\n"
            "Error opening input files: Input/output error",
            named.NotMedia,
        ),
        (
            "[http @ 0x1] Stream ends prematurely at 0, should be 18446744073709551615\n"
            "Error opening input files: Input/output error",
            named.SourceUnreachable,
        ),
        (
            "[http @ 0x1] Stream ends prematurely at 5120, should be 18446744073709551615\n"
            "[tcp @ 0x1] Connection reset by peer\nError opening input files: Input/output error",
            named.SourceUnreachable,
        ),
        ("Output file does not contain any stream", named.NoTracks),
        ("Connection to srt://1:1 failed: Connection timed out", named.SourceTimedOut),
        ("[rtmp @ 0x1] Cannot read RTMP handshake response", named.SourceUnreachable),
        ("av_interleaved_write_frame(): No space left on device", named.DiskFull),
        ("Codec (magicyuv) not on whitelist 'h264'", named.UnsupportedCodec),
        ("[flv @ 0x1] Video codec vp8 in stream 0 is not supported", named.UnsupportedCodec),
        ("something else entirely", ToolError),
        ("", ToolError),
    ],
)
def test_errors_are_named(stderr: str, error: type[ToolError]) -> None:
    found = explain(stderr, 1)
    assert type(found) is error
    for lang in LANGS:
        assert found.detail(lang)


@given(st.text(), st.integers(-64, 255) | st.none())
def test_any_stderr_has_a_name(stderr: str, code: int | None) -> None:
    assert isinstance(explain(stderr, code), ToolError)
