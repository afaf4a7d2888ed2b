"""Record the vectors beside this file from real encoders: `python -m tests.media.vectors.record`.

Each case is encoded once into an MP4 (the truth: payload hashes and times, read by PyAV) and then sent unchanged
(`-c copy`) to a socket that writes down what arrives, or to a pipe. GStreamer cannot send what it did not encode:
its cases have no truth and say only how many units came. Needs ffmpeg 9 (imageio), ffmpeg 5.1 (/usr/bin), gst-launch.
"""

import asyncio
import gzip
import hashlib
import json
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg

from onetake.media.rtmp import ConnectRequested, PlayRequested, PublishRequested, ServerConnection

HERE = Path(__file__).parent
FFMPEG_9 = imageio_ffmpeg.get_ffmpeg_exe()
FFMPEG_5 = "/usr/bin/ffmpeg"
PICTURE = ["-f", "lavfi", "-i", "testsrc2=s=98x58:r=25:d=1.6,format=yuv420p"]
SOUND = ["-f", "lavfi", "-i", "sine=f=440:d=1.6:r=48000"]
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-crf", "38"]
X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "38", "-x265-params", "log-level=none:info=0:keyint=20"]
AV1 = ["-c:v", "libsvtav1", "-preset", "12", "-crf", "60", "-g", "20"]
AAC = ["-c:a", "aac", "-b:a", "32k"]

# name: (encoder arguments, ffmpeg that sends, protocol, extra output options)
CASES: dict[str, tuple[list[str], str, str, list[str]]] = {
    "ffmpeg9-h264-aac-bframes": ([*PICTURE, *SOUND, *X264, "-bf", "3", *AAC], FFMPEG_9, "rtmp", []),
    "ffmpeg5-h264-aac": ([*PICTURE, *SOUND, *X264, "-bf", "0", *AAC], FFMPEG_5, "rtmp", []),
    "ffmpeg9-hevc-aac": ([*PICTURE, *SOUND, *X265, *AAC], FFMPEG_9, "rtmp", ["-rtmp_enhanced_codecs", "hvc1,av01"]),
    "ffmpeg9-av1-opus": ([*PICTURE, *SOUND, *AV1, "-c:a", "libopus"], FFMPEG_9, "rtmp", []),
    "ffmpeg9-aac51-only": ([*SOUND, "-ac", "6", *AAC], FFMPEG_9, "rtmp", []),
    "ffmpeg9-video-only": ([*PICTURE, *X264], FFMPEG_9, "rtmp", []),
    "ffmpeg9-mp3-only": ([*SOUND, "-c:a", "libmp3lame", "-b:a", "32k"], FFMPEG_9, "flv", []),
    "ffmpeg9-h264-opus": ([*PICTURE, *SOUND, *X264, "-c:a", "libopus"], FFMPEG_9, "flv", []),
    "ffmpeg9-hevc-only": ([*PICTURE, *X265], FFMPEG_9, "flv", []),
}
GSTREAMER = {"gstreamer-rtmp2sink-h264-aac": "rtmp2sink", "librtmp-h264-aac": "rtmpsink"}


class DumpServer:
    """Accepts one publisher and keeps every byte that it sends."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.done = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ServerConnection()
        while data := await reader.read(65_536):
            self.received += data
            events = connection.receive(data)
            while events and isinstance(events[-1], ConnectRequested | PublishRequested | PlayRequested):
                connection.accept(events[-1])
                events = connection.receive(b"")
            writer.write(connection.data_to_send())
            await writer.drain()
        writer.close()
        self.done.set()


async def dump(command: list[str]) -> bytes:
    """What `command` sends to the address that replaces URL in it."""
    dumper = DumpServer()
    server = await asyncio.start_server(dumper.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"rtmp://127.0.0.1:{port}/live/camera-1?key=s3cret"
    sender = await asyncio.create_subprocess_exec(*[part.replace("URL", url) for part in command])
    if await sender.wait():
        raise SystemExit(f"{command[0]} failed")
    await dumper.done.wait()
    server.close()
    return bytes(dumper.received)


def in_us(stamp: int | None, base: Fraction | None) -> int:
    if stamp is None or base is None:
        raise SystemExit("a packet without a time")
    return int(stamp * base * 1_000_000)


def add_packet(entry: dict[str, Any], packet: "av.Packet[Any]") -> None:
    entry["hash"].update(bytes(packet))
    entry["dts_us"].append(in_us(packet.dts, packet.time_base))
    entry["pts_us"].append(in_us(packet.pts, packet.time_base))
    entry["keys"] += packet.is_keyframe


def truth(path: Path) -> dict[str, Any]:
    """Per kind of track: count, SHA-256 over all payloads, DTS and PTS in µs."""
    found: dict[str, Any] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                empty = {"hash": hashlib.sha256(), "dts_us": [], "pts_us": [], "keys": 0}
                add_packet(found.setdefault(packet.stream.type, empty), packet)
    for entry in found.values():
        entry["count"] = len(entry["dts_us"])
        entry["hash"] = entry["hash"].hexdigest()
    return found


def record_ffmpeg(name: str, folder: Path) -> tuple[bytes, dict[str, Any]]:
    arguments, sender, protocol, options = CASES[name]
    source = folder / f"{name}.mp4"
    subprocess.run([FFMPEG_9, "-v", "error", *arguments, "-t", "1.6", "-y", source], check=True)
    send = [sender, "-v", "error", "-i", str(source), "-c", "copy", *options, "-f", "flv"]
    if protocol == "flv":
        data = subprocess.run([*send, "pipe:1"], check=True, capture_output=True).stdout
    else:
        data = asyncio.run(dump([*send, "URL"]))
    return data, {"protocol": protocol, "tracks": truth(source)}


def record_gstreamer(name: str) -> tuple[bytes, dict[str, Any]]:
    video = "videotestsrc num-buffers=40 ! video/x-raw,width=98,height=58,framerate=25/1 ! "
    video += "x264enc key-int-max=20 tune=zerolatency bitrate=100 ! h264parse ! flvmux name=mux streamable=true ! "
    audio = (
        "audiotestsrc num-buffers=60 ! audio/x-raw,rate=44100,channels=1 ! avenc_aac bitrate=32000 ! aacparse ! mux."
    )
    pipeline = f"{video} {GSTREAMER[name]} location=URL {audio}"
    data = asyncio.run(dump(["gst-launch-1.0", "-q", *pipeline.split()]))
    return data, {"protocol": "rtmp", "tracks": {"video": {"count": 40, "keys": 2}, "audio": {"at_least": 60}}}


def main() -> None:
    manifest = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES:
            data, manifest[name] = record_ffmpeg(name, Path(folder))
            (HERE / f"{name}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
    for name in GSTREAMER:
        data, manifest[name] = record_gstreamer(name)
        (HERE / f"{name}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
