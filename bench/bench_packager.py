"""What a part costs: packaging, recording and the playlist text, in microseconds per part and share of a core.

    python bench/bench_packager.py [--seconds 60]

The stream is synthetic (30 fps, AAC at 48 kHz) at 600 kbit/s, 4 Mbit/s and 20 Mbit/s; nothing is decoded. As a peer,
libavformat's own fragmenting muxer (through PyAV) packages the same units in the same process.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av

from onetake.kit.ids import uuid7
from onetake.media.fmp4 import Packager, Part
from onetake.media.hls import LivePlaylist
from onetake.media.recording import RecordingWriter, recording_place
from onetake.media.units import Codec, Track, Unit

AVC_CONFIG = bytes.fromhex("0142c01effe1001b6742c01ed900a0476fe016a02020280000030008000003018478b17501000468cb8cb2")
VIDEO = Track(1, Codec.H264, 90_000, AVC_CONFIG, 1280, 720)
AUDIO = Track(2, Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)
RATES_KBPS = (600, 4000, 20_000)
FPS = 30


def units(seconds: float, kbps: int) -> Iterator[Unit]:
    """Video and audio in the order of their times; a keyframe every two seconds, eight times as large as the rest."""
    frame = kbps * 1000 // 8 // FPS
    small = frame * 60 // 67
    key_nal, nal = bytes(4) + b"\x65" + bytes(range(250)), bytes(4) + b"\x41" + bytes(range(250))
    key = (key_nal * (8 * small // len(key_nal) + 1))[: 8 * small]
    other = (nal * (small // len(nal) + 1))[:small]
    audio_number = 0
    for number in range(int(seconds * FPS)):
        while audio_number * 1024 * FPS < number * 48_000:
            yield Unit(2, audio_number * 1024, audio_number * 1024, True, b"\x21" * 170)
            audio_number += 1
        is_key = number % 60 == 0
        yield Unit(1, number * 3000, number * 3000, is_key, key if is_key else other, 1_700_000_000_000 + number * 33)


def package(stream: list[Unit]) -> list[Part]:
    """The whole stream through our packager."""
    packager = Packager()
    packager.set_track(VIDEO)
    packager.set_track(AUDIO)
    return [part for unit in stream for part in packager.push(unit)] + packager.flush()


def package_by_libavformat(stream: list[Unit]) -> int:
    """The same units through libavformat's fragmenting muxer; bytes written."""
    target = io.BytesIO()
    flags = {"movflags": "empty_moov+default_base_moof+frag_keyframe", "frag_duration": "400000"}
    with av.open(target, "w", format="mp4", options=flags) as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = VIDEO.width, VIDEO.height, "yuv420p"
        video.codec_context.extradata = AVC_CONFIG
        audio = container.add_stream("aac", rate=48_000)
        audio.codec_context.extradata = AUDIO.config
        for unit in stream:
            packet = av.Packet(unit.payload)
            packet.stream = video if unit.track_id == 1 else audio
            packet.time_base = Fraction(1, 90_000 if unit.track_id == 1 else 48_000)
            packet.dts, packet.pts, packet.is_keyframe = unit.dts, unit.pts, unit.keyframe
            container.mux_one(packet)
    return len(target.getbuffer())


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of `work`, the best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def record(parts: list[Part]) -> None:
    """Write a recording, `sidx` included, with the default sync interval."""
    with tempfile.TemporaryDirectory() as folder:
        writer = RecordingWriter(recording_place(Path(folder), uuid7()))
        for part in parts:
            writer.append(part)
        writer.close()


def render(parts: list[Part]) -> None:
    """Make the live playlist anew after each part, plain and packed."""
    playlist = LivePlaylist()
    for part in parts:
        playlist.append(part)
        body = playlist.body()
        assert body.gzipped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    print("kbit/s  parts  package us  libavformat us  ratio  record us  playlist+gzip us  all, % of a core")
    for kbps in RATES_KBPS:
        stream = list(units(seconds, kbps))
        parts = package(stream)
        costs = [
            cpu(partial(package, stream)),
            cpu(partial(package_by_libavformat, stream)),
            cpu(partial(record, parts)),
            cpu(partial(render, parts)),
        ]
        own, peer, disk, text = (cost * 1e6 / len(parts) for cost in costs)
        share = (own + disk + text) * len(parts) / 1e4 / seconds
        packaging = f"{kbps:6} {len(parts):6} {own:11.0f} {peer:15.0f} {own / peer:6.2f}"
        print(f"{packaging} {disk:10.0f} {text:17.0f} {share:17.3f}")


if __name__ == "__main__":
    main()
