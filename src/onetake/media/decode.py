"""Opening and decoding with PyAV. Files from outside: only inside `av_child`, never in a server process (R3)."""

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from onetake.media.ffmpeg.commands import DECODERS
from onetake.media.ffmpeg.errors import LimitExceeded, NotMedia, NoTracks, UnsupportedCodec
from onetake.media.index import IndexReader
from onetake.media.sniff import Container

MAX_STREAMS = 64
PACKETS_TO_FIRST_FRAME = 300
JPEG_QUALITY = 4  # mjpeg's quantizer: 2 is best, 31 worst
_ATTACHED_PICTURE = "attached_pic"
_DECODERS = frozenset(DECODERS.split(","))


@contextmanager
def opened(source: Path | bytes, container: Container) -> Iterator[InputContainer]:
    """A file (or the bytes of one) with its demuxer forced and every whitelist set.

    Raises:
        NotMedia: it is none.
    """
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": container.value,
        "codec_whitelist": DECODERS,
        "max_streams": str(MAX_STREAMS),
        "probesize": "5000000",
        "analyzeduration": "5000000",
    }
    file: Any = io.BytesIO(source) if isinstance(source, bytes) else os.fspath(source)
    try:
        with av.open(file, mode="r", format=container.value, options=options, metadata_errors="replace") as found:
            yield found
    except (av.error.FFmpegError, ValueError) as error:
        raise _named(error) from None
    except MemoryError:
        raise LimitExceeded from None


def inspect(path: Path, container: Container) -> dict[str, Any]:
    """The JSON form of a `Probe`; the first picture is decoded, so that a file which cannot be played is found out.

    Raises:
        NotMedia, NoTracks, UnsupportedCodec, LimitExceeded: as the names say.
    """
    with opened(path, container) as media:
        streams = [stream for stream in media.streams if not _is_cover(stream)]
        tracks = [track for stream in streams if (track := _track(stream)) is not None]
        videos = [stream for stream in streams if isinstance(stream, VideoStream)]
        if videos:
            _add_first_frame(media, videos[0], tracks)
        elif not any(track["kind"] == "audio" for track in tracks):
            raise NoTracks
        duration_s = _finite((media.duration or 0) / av.time_base)
        size_bytes = path.stat().st_size
        bitrate = int(media.bit_rate or 0) or (int(size_bytes * 8 / duration_s) if duration_s else 0)
        return {
            "container": container.value,
            "duration_s": duration_s or max((track["duration_s"] for track in tracks), default=0.0),
            "size_bytes": size_bytes,
            "bitrate_bps": bitrate,
            "tracks": tracks,
        }


class Pictures(Protocol):
    """Pictures of a title by time, by way of keyframes. Times in seconds from its start."""

    duration_s: float

    def at(self, time_s: float, *, exact: bool = False) -> VideoFrame | None:
        """The keyframe at or before `time_s`, with `exact` the very picture; None when there is none to decode."""


class FilePictures:
    """Pictures of any file, by the demuxer's own seeking."""

    def __init__(self, media: InputContainer) -> None:
        self._media = media
        videos = [stream for stream in media.streams.video if not _is_cover(stream)]
        if not videos:
            raise NoTracks
        self._stream = _prepared(videos[0])
        self.duration_s = _finite((media.duration or 0) / av.time_base)
        self._start_s = _finite((media.start_time or 0) / av.time_base)

    def at(self, time_s: float, *, exact: bool = False) -> VideoFrame | None:
        """See `Pictures.at`."""
        wanted_s = self._start_s + time_s
        self._stream.codec_context.skip_frame = "DEFAULT" if exact else "NONKEY"
        self._media.seek(int(wanted_s * av.time_base), backward=True)
        return _pick(self._decoded(), wanted_s if exact else None)

    def _decoded(self) -> Iterator[VideoFrame]:
        for number, packet in enumerate(self._media.demux(self._stream)):
            if number > PACKETS_TO_FIRST_FRAME * 10:
                return
            yield from packet.decode()


class IndexedPictures:
    """Pictures of our own recording: its index tells where the keyframe parts lie, so nothing else is read."""

    def __init__(self, videos: list[Path]) -> None:
        self._files = [(path, IndexReader(path.with_suffix(".idx"))) for path in videos]
        self._files = [(path, index) for path, index in self._files if len(index)]
        self.duration_s = sum(_length_s(index) for _, index in self._files)

    def close(self) -> None:
        """Give the indexes back."""
        for _, index in self._files:
            index.close()

    def at(self, time_s: float, *, exact: bool = False) -> VideoFrame | None:
        """See `Pictures.at`."""
        for path, index in self._files:
            length_s = _length_s(index)
            if time_s < length_s or path == self._files[-1][0]:
                return self._from(path, index, min(time_s, length_s), exact)
            time_s -= length_s
        return None

    def _from(self, path: Path, index: IndexReader, time_s: float, exact: bool) -> VideoFrame | None:
        wanted_ticks = index[0].dts_ticks + int(time_s * index.header.timescale)
        first, last = index.find_keyframe(wanted_ticks), index.find_time(wanted_ticks)
        data = _read(path, 0, index.header.init_bytes)
        stop = min(last + 1, len(index) - 1) if exact else first
        data += _read(path, index[first].offset, index[stop].end - index[first].offset)
        with opened(data, Container.MP4) as media:
            if not media.streams.video:
                raise NoTracks
            wanted_s = wanted_ticks / index.header.timescale if exact else None
            return _pick(media.decode(_prepared(media.streams.video[0])), wanted_s)


def jpeg(frame: VideoFrame, width: int, height: int) -> bytes:
    """`frame` as a JPEG of the given size (both even)."""
    picture = frame.reformat(width=width, height=height, format="yuvj420p")
    coder = av.CodecContext.create("mjpeg", "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = width, height, "yuvj420p", Fraction(1, 25)
    coder.options = {"qmin": str(JPEG_QUALITY), "qmax": str(JPEG_QUALITY)}
    picture.pts = 0
    packets = [*coder.encode(picture), *coder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def fitted(frame: VideoFrame, max_width: int, max_height: int) -> tuple[int, int]:
    """The largest even size inside the box with the frame's shape; never larger than the frame."""
    scale = min(max_width / frame.width, max_height / frame.height, 1.0)
    return max(2, int(frame.width * scale) // 2 * 2), max(2, int(frame.height * scale) // 2 * 2)


def _pick(frames: Iterator[VideoFrame], wanted_s: float | None) -> VideoFrame | None:
    """The first frame, or the last one that is shown at `wanted_s`."""
    best: VideoFrame | None = None
    for number, frame in enumerate(frames):
        if wanted_s is None:
            return frame
        if best is not None and frame.time > wanted_s + 1e-6:
            return best
        best = frame
        if number > PACKETS_TO_FIRST_FRAME * 10:
            break
    return best


def _prepared(stream: VideoStream) -> VideoStream:
    """`stream`, ready to be decoded.

    The whitelist of `opened` holds for the decoders with which libav looks for tracks, not for the one that PyAV opens.

    Raises:
        UnsupportedCodec: its decoder is unknown, or none of ours.
    """
    context: Any = stream.codec_context
    if context is None or context.codec.name not in _DECODERS:
        raise UnsupportedCodec(codec=context.codec.canonical_name if context else "?")
    stream.thread_type = "NONE"
    return stream


def _add_first_frame(media: InputContainer, stream: VideoStream, tracks: list[dict[str, Any]]) -> None:
    for number, packet in enumerate(media.demux(_prepared(stream))):
        for frame in packet.decode():
            shown = next(track for track in tracks if track["index"] == stream.index)
            shown |= {"rotation": -int(frame.rotation) % 360, "width": frame.width, "height": frame.height}
            return
        if number > PACKETS_TO_FIRST_FRAME:
            break
    raise NotMedia


def _track(stream: Any) -> dict[str, Any] | None:
    if stream.type not in ("video", "audio", "subtitle"):
        return None
    context = stream.codec_context
    if context is None:
        return {"index": stream.index, "kind": stream.type, "codec": "unknown"}
    base = Fraction(stream.time_base or 0)
    common = {
        "index": stream.index,
        "kind": stream.type,
        "codec": context.codec.canonical_name,
        "profile": str(context.profile or ""),
        "language": str(stream.language or "")[:16],
        "bitrate_bps": int(getattr(context, "bit_rate", 0) or 0),
        "duration_s": _finite(float((stream.duration or 0) * base)),
    }
    return common | (_video(stream, context) if stream.type == "video" else _audio(stream, context))


def _video(stream: Any, context: Any) -> dict[str, Any]:
    return {
        "width": context.width,
        "height": context.height,
        "fps": round(_finite(float(stream.average_rate or stream.guessed_rate or 0)), 3),
        "pixel_format": str(context.pix_fmt or ""),
        "color_transfer": int(context.color_trc or 0),
    }


def _audio(stream: Any, context: Any) -> dict[str, Any]:
    if stream.type != "audio":
        return {}
    layout = context.layout
    return {"sample_rate": int(context.sample_rate or 0), "channels": layout.nb_channels, "layout": layout.name}


def _is_cover(stream: Any) -> bool:
    return _ATTACHED_PICTURE in str(getattr(stream.disposition, "name", "") or "")


def _named(error: Exception) -> NotMedia | LimitExceeded | UnsupportedCodec:
    if isinstance(error, av.error.DecoderNotFoundError):
        return UnsupportedCodec(codec="?")
    return LimitExceeded() if isinstance(error, MemoryError) else NotMedia(reason=type(error).__name__)


def _length_s(index: IndexReader) -> float:
    return (index[-1].end_ticks - index[0].dts_ticks) / index.header.timescale


def _read(path: Path, offset: int, size_bytes: int) -> bytes:
    with path.open("rb") as file:
        return os.pread(file.fileno(), size_bytes, offset)


def _finite(value: float) -> float:
    return value if math.isfinite(value) and 0 <= value < 1e9 else 0.0
