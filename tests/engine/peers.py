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
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "{gop}", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-b:a", "64k")
CLIPS: dict[str, tuple[str, ...]] = {
    "h264_aac": ("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE, *X264, *AAC),
    "bframes": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *("-c:v", "libx264", "-preset", "fast", "-bf", "3", "-g", "{gop}", "-pix_fmt", "yuv420p", *AAC),
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
    "opus": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *(*X264, "-c:a", "libopus", "-b:a", "96k"),
    ),
    "mp3": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *(*X264, "-c:a", "libmp3lame", "-b:a", "96k"),
    ),
    "hevc": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint={gop}:log-level=none", *AAC),
    ),
    "av1": (
        *("-f", "lavfi", "-i", VIDEO.format(fps=30), "-f", "lavfi", "-i", SINE),
        *("-c:v", "libsvtav1", "-preset", "12", "-g", "{gop}", "-svtav1-params", "lookahead=0", *AAC),
    ),
}


def make_clip(folder: Path, name: str, seconds: float, gop: int = 30) -> Path:
    """Encode one of `CLIPS` with ffmpeg 9 into `folder`: `gop` frames between keyframes."""
    path = folder / f"{name}-{seconds:g}-{gop}.mp4"
    if not path.exists():
        codecs = [option.replace("{gop}", str(gop)) for option in CLIPS[name]]
        command = [FFMPEG9, *QUIET, *codecs, "-t", f"{seconds}", "-y", str(path)]
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
    """Packet by packet: same number, same payloads, same times between the packets of all streams.

    FLV rounds every time to a millisecond, so two times may be half of one off each. Audio from before the first
    picture (an encoder's priming) is left out: players enter at a keyframe.
    """
    sent, got = without_lead(sent), without_lead(got)
    streams = sorted({packet.stream for packet in sent})
    assert streams == sorted({packet.stream for packet in got})
    for stream in streams:
        left, right = of_stream(sent, stream), of_stream(got, stream)
        assert len(left) == len(right), f"stream {stream}: {len(left)} packets sent, {len(right)} received"
        assert [packet.digest for packet in left] == [packet.digest for packet in right], f"stream {stream} differs"
    shift_s = of_stream(got, 0)[0].dts_s - of_stream(sent, 0)[0].dts_s
    for stream in streams:
        for a, b in zip(of_stream(sent, stream), of_stream(got, stream), strict=True):
            assert abs(a.dts_s + shift_s - b.dts_s) <= tolerance_s, f"stream {stream}: DTS {a} {b}"
            assert abs(a.pts_s + shift_s - b.pts_s) <= tolerance_s, f"stream {stream}: PTS {a} {b}"


def without_lead(packets_sent: list[Packet]) -> list[Packet]:
    """`packets_sent` without the packets of other streams that are sent before the first one of stream 0."""
    start = of_stream(packets_sent, 0)[0].dts_s
    return [packet for packet in packets_sent if packet.stream == 0 or round((packet.dts_s - start) * 1000) >= 0]


def joined_late(sent: list[Packet], got: list[Packet]) -> list[Packet]:
    """What of `sent` a player must have that got `got`: everything from the picture that it began with."""
    first = next(packet for packet in got if packet.stream == 0)
    start = next(number for number, packet in enumerate(sent) if packet.digest == first.digest)
    return [packet for number, packet in enumerate(sent) if packet.stream or number >= start]


def push_command(
    source: Path, url: str, *, ffmpeg: str = FFMPEG9, realtime: bool = True, loop: bool = False
) -> list[str]:
    """An ffmpeg command that publishes `source` unchanged."""
    # A burst at the start saves the tests from waiting for the first GOPs.
    pace = (["-readrate", "1", "-readrate_initial_burst", "3"] if loop else ["-re"]) if realtime else []
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
