"""Real peers for the tests of the media server: ffmpeg as source of clips, as publisher and as player."""

import asyncio
import shutil
import signal
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

FFMPEG9: str = imageio_ffmpeg.get_ffmpeg_exe()
FFMPEG5 = "/usr/bin/ffmpeg"
HAS_FFMPEG5 = shutil.which(FFMPEG5) is not None
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error")

VIDEO = "testsrc2=s=320x180:r={fps}"
SINE = "sine=f=440:r=48000"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-b:a", "64k")
CLIPS: dict[str, tuple[str, ...]] = {
    "h264_aac": ("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE, *X264, *AAC),
    "bframes": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *("-c:v", "libx264", "-preset", "fast", "-bf", "3", "-g", "30", "-pix_fmt", "yuv420p", *AAC),
    ),
    "fps60": ("-f", "lavfi", "-i", VIDEO.format(fps=60), "-f", "lavfi", "-i", SINE, *X264, *AAC),
    "vfr": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *("-vf", "select='not(eq(mod(n,7),3))+lt(n,20)'", "-fps_mode", "vfr", *X264, *AAC),
    ),
    "surround": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *("-ac", "6", *X264, *AAC),
    ),
    "video_only": ("-f", "lavfi", "-i", VIDEO.format(fps=30), *X264),
    "audio_only": ("-f", "lavfi", "-i", SINE, *AAC),
    "hevc": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=30:log-level=none", *AAC),
    ),
    "av1": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *("-c:v", "libsvtav1", "-preset", "12", "-g", "30", "-svtav1-params", "lookahead=0", *AAC),
    ),
}


def make_clip(folder: Path, name: str, seconds: float) -> Path:
    """Encode one of `CLIPS` with ffmpeg 9 into `folder`; audio and video end together."""
    path = folder / f"{name}-{seconds:g}.mp4"
    if not path.exists():
        command = [FFMPEG9, *QUIET, *CLIPS[name], "-t", f"{seconds}", "-y", str(path)]
        subprocess.run(command, check=True, timeout=120, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as a player saw it; times in seconds."""

    stream: int
    dts_s: float
    pts_s: float
    digest: str


def parse_framehash(text: str) -> list[Packet]:
    """The packets in the output of ffmpeg's framehash muxer."""
    base: dict[int, float] = {}
    packets = []
    for line in text.splitlines():
        if line.startswith("#tb"):
            index, ratio = line[4:].split(":")
            above, below = ratio.split("/")
            base[int(index)] = int(above) / int(below)
        elif line and not line.startswith("#"):
            cells = [cell.strip() for cell in line.split(",")]
            tick_s = base[int(cells[0])]
            packets.append(Packet(int(cells[0]), int(cells[1]) * tick_s, int(cells[2]) * tick_s, cells[5]))
    return packets


async def run(*command: str, timeout_s: float = 60) -> str:
    """Run a program to its end and return what it printed; its errors become the failure text."""
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    finally:
        await _end(process)
    assert process.returncode == 0, f"{command[0]} {command[-3:]}: {err.decode()[-2000:]}"
    return out.decode()


async def packets(url: str, *options: str, ffmpeg: str = FFMPEG9, timeout_s: float = 60) -> list[Packet]:
    """Every packet that ffmpeg demuxes from `url` until it ends, untouched (`options` go before `-i`)."""
    arguments = (*options, "-i", url, "-map", "0", "-c", "copy", "-f", "framehash", "-hash", "md5", "-")
    return parse_framehash(await run(ffmpeg, *QUIET, *arguments, timeout_s=timeout_s))


def of_stream(all_packets: list[Packet], stream: int) -> list[Packet]:
    """The packets of one stream."""
    return [packet for packet in all_packets if packet.stream == stream]


def assert_same(sent: list[Packet], got: list[Packet], *, tolerance_s: float = 0.00101) -> None:
    """Packet by packet: same number, same payloads, and the same times from the first packet on (FLV has 1 ms)."""
    streams = sorted({packet.stream for packet in sent})
    assert streams == sorted({packet.stream for packet in got})
    for stream in streams:
        left, right = of_stream(sent, stream), of_stream(got, stream)
        assert [packet.digest for packet in left] == [packet.digest for packet in right], f"stream {stream} differs"
        for a, b in zip(left, right, strict=True):
            assert abs((a.dts_s - left[0].dts_s) - (b.dts_s - right[0].dts_s)) <= tolerance_s
            assert abs((a.pts_s - left[0].dts_s) - (b.pts_s - right[0].dts_s)) <= tolerance_s


def push_command(
    source: Path, url: str, *, ffmpeg: str = FFMPEG9, realtime: bool = True, loop: bool = False
) -> list[str]:
    """An ffmpeg command that publishes `source` unchanged."""
    pace = ["-re"] if realtime else []
    again = ["-stream_loop", "-1"] if loop else []
    return [ffmpeg, *QUIET, *pace, *again, "-i", str(source), "-map", "0", "-c", "copy", "-f", "flv", url]


async def push(source: Path, url: str, *, ffmpeg: str = FFMPEG9, realtime: bool = False) -> None:
    """Publish `source` to its end."""
    await run(*push_command(source, url, ffmpeg=ffmpeg, realtime=realtime))


@asynccontextmanager
async def pushing(source: Path, url: str, *, ffmpeg: str = FFMPEG9, loop: bool = True) -> AsyncIterator[Process]:
    """A publisher that runs in real time until the block ends (then it is killed, so: without a clean stop)."""
    command = push_command(source, url, ffmpeg=ffmpeg, loop=loop)
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield process
    finally:
        await _end(process)


async def stop_cleanly(process: Process) -> None:
    """Let a publisher say goodbye (FCUnpublish, deleteStream)."""
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.wait(), 10)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
