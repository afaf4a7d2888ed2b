"""Building blocks of ffmpeg commands: inputs, outputs, and the command around them (R1-R5, DESIGN §10).

Every input carries its whitelists in front of `-i`. Values that come from people are enums, bounded numbers, absolute
paths or URLs whose scheme was checked; nothing else enters a command. Option names are those of FFmpeg 9.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from onetake.media.ffmpeg.errors import FormatNotAllowed, ToolMissing

FILE_FORMATS = "mov,matroska,flv,mpegts,avi,wav,ogg,mp3,aac,flac"
HTTP_FORMATS = "hls,flv,mpegts,mov,matroska,aac,mp3,ogg"
DECODERS = (
    "h264,hevc,libdav1d,av1,vp8,libvpx,vp9,libvpx-vp9,mpeg4,mpeg2video,mpeg1video,mjpeg,prores,h263,flv,msmpeg4,"
    "wmv1,wmv2,vc1,theora,png,aac,mp3float,mp3,mp2float,mp2,opus,libopus,vorbis,flac,alac,ac3,eac3,dca,wmav2,speex,"
    "amrnb,amrwb,nellymoser,adpcm_ima_wav,adpcm_ms,pcm_alaw,pcm_mulaw,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,"
    "pcm_s32le,pcm_s32be,pcm_u8,pcm_f32le,pcm_f32be,pcm_bluray,rawvideo"
)
IO_TIMEOUT_US = 15_000_000
PROBE_BYTES = 5_000_000
ANALYZE_US = 5_000_000
LIVE_PROBE_BYTES = 32 << 20
LIVE_ANALYZE_US = 12_000_000
"""How long a live source may keep its second track to itself: some servers tell of the picture with its next keyframe,
which can be ten seconds away. Where both are known the search ends."""
KNOWN_ANALYZE_US = 1_000_000
MAX_STREAMS = 64


class Scheme(StrEnum):
    """The schemes that a command may open (R19); https comes as http from our proxy, rtsps as rtsp from our gate."""

    RTMP = "rtmp"
    RTMPS = "rtmps"
    RTSP = "rtsp"
    SRT = "srt"
    HTTP = "http"


class Preset(StrEnum):
    """x264 presets that we use."""

    ULTRAFAST = "ultrafast"
    VERYFAST = "veryfast"
    MEDIUM = "medium"


_PROTOCOLS = {
    Scheme.RTMP: "rtmp,tcp",
    Scheme.RTMPS: "rtmps,tls,tcp",
    Scheme.RTSP: "rtp,tcp",
    Scheme.SRT: "srt",
    # No https: our proxy does the TLS. With httpproxy on the list, which https through a proxy needs, a playlist could
    # open httpproxy://127.0.0.1/ as a segment.
    Scheme.HTTP: "http,tcp,crypto,data",
}
_FORMATS = {
    Scheme.RTMP: "flv,live_flv",
    Scheme.RTMPS: "flv,live_flv",
    Scheme.RTSP: "rtsp",
    Scheme.SRT: "mpegts",
    Scheme.HTTP: HTTP_FORMATS,
}


# What a person may say in the query of an SRT address; the rest (listener mode, local addresses) is ours to decide.
SRT_OPTIONS = frozenset({"streamid", "srt_streamid", "passphrase", "pbkeylen", "latency", "rcvlatency", "peerlatency"})
_SRT_FIXED = frozenset({("mode", "caller"), ("transtype", "live")})


@dataclass(frozen=True, slots=True)
class Input:
    """Options and operand of one `-i`."""

    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """Options and operand of one output."""

    args: tuple[str, ...]


def binary(configured: str = "") -> str:
    """Absolute path of ffmpeg: the configured one, else the one of the imageio-ffmpeg package.

    Raises:
        ToolMissing: there is none.
    """
    if configured:
        found = shutil.which(configured)
    else:
        import imageio_ffmpeg  # only here: a configured binary makes the package unnecessary

        try:
            found = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError:
            found = None
    if not found:
        raise ToolMissing(reason=configured or "imageio-ffmpeg")
    return str(Path(found).resolve())


def command(
    program: str,
    inputs: Sequence[Input],
    outputs: Sequence[Output],
    *,
    log_level: str = "warning",
    progress: bool = False,
) -> list[str]:
    """The argument list of one ffmpeg run; with `progress` its reports go to stdout."""
    head = [program, "-nostdin", "-hide_banner", "-loglevel", log_level, "-nostats"]
    if progress:
        head += ["-progress", "pipe:1", "-stats_period", "0.5"]
    return [*head, *(arg for one in inputs for arg in one.args), *(arg for one in outputs for arg in one.args)]


def from_file(
    path: Path,
    *,
    formats: str = FILE_FORMATS,
    start_s: float = 0.0,
    length_s: float | None = None,
    paced: bool = False,
    endless: bool = False,
) -> Input:
    """A file on our disk; with `paced` in real time, with `endless` over and over."""
    args = ["-protocol_whitelist", "file,pipe", "-format_whitelist", formats, *_limits()]
    args += ["-stream_loop", "-1"] if endless else []
    args += ["-readrate", "1"] if paced else []
    args += ["-ss", _seconds(start_s)] if start_s else []
    args += ["-t", _seconds(length_s)] if length_s is not None else []
    return Input((*args, "-i", f"file:{operand(path)}"))


def from_url(
    url: str,
    scheme: Scheme,
    *,
    tls_name: str = "",
    rtmp_tc_url: str = "",
    http_proxy: str = "",
    paced: bool = False,
    endless: bool = False,
    single: bool = False,
) -> Input:
    """A network source.

    Args:
        url: with the checked literal address for rtmp, rtsp and srt; as given for http, whose traffic `http_proxy`
            guards.
        scheme: its scheme, already checked.
        tls_name: the name that the certificate must have, for rtmps.
        rtmp_tc_url: the `tcUrl` with the original host name, which virtual hosts need.
        http_proxy: our guarding proxy; without it an http source is refused.
        paced: read in real time (a file, not a live stream).
        endless: read over and over.
        single: it is known to have one track only, so that no other one is waited for.

    Raises:
        FormatNotAllowed: the URL has another scheme, or an http source would go out unguarded.
    """
    if urlsplit(url).scheme.lower() != scheme or (scheme is Scheme.HTTP and not http_proxy):
        raise FormatNotAllowed
    check_query(url)
    limits = _limits(LIVE_PROBE_BYTES, KNOWN_ANALYZE_US if single else LIVE_ANALYZE_US)
    args = ["-protocol_whitelist", _PROTOCOLS[scheme], "-format_whitelist", _FORMATS[scheme], *limits]
    args += ["-stream_loop", "-1"] if endless else []
    args += ["-readrate", "1", "-readrate_initial_burst", "2"] if paced else []
    args += _scheme_options(scheme, tls_name, rtmp_tc_url, http_proxy)
    return Input((*args, "-i", url))


def check_query(url: str) -> None:
    """Refuse an SRT address whose query would change how we connect: ffmpeg takes its options from there.

    Raises:
        FormatNotAllowed: it names another option.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() == Scheme.SRT:
        told = parse_qsl(parts.query, keep_blank_values=True)
        # ffmpeg takes what follows the first question mark, also behind a hash.
        if "#" in url or any(key not in SRT_OPTIONS and (key, value) not in _SRT_FIXED for key, value in told):
            raise FormatNotAllowed


def pattern(width: int = 640, height: int = 360, fps: int = 25) -> Input:
    """The built-in moving pattern with a running clock in the picture, in real time."""
    graph = f"testsrc2=size={_bounded(width, 64, 3840)}x{_bounded(height, 64, 2160)}:rate={_bounded(fps, 1, 60)}"
    return Input(("-readrate", "1", "-f", "lavfi", "-i", graph))


def tone(frequency_hz: int = 440) -> Input:
    """The built-in tone with a beep every second, in real time."""
    graph = f"sine=frequency={_bounded(frequency_hz, 20, 16_000)}:beep_factor=4:sample_rate=48000"
    return Input(("-readrate", "1", "-f", "lavfi", "-i", graph))


def clip_picture() -> Input:
    """Picture of the built-in clip: a zoom into the Mandelbrot set, as fast as it can be made."""
    return Input(("-f", "lavfi", "-i", "mandelbrot=size=640x360:rate=25:end_pts=500:maxiter=512"))


def clip_sound() -> Input:
    """Sound of the built-in clip."""
    return Input(("-f", "lavfi", "-i", "sine=frequency=330:beep_factor=3:sample_rate=48000"))


def encode_h264(*, kbps: int = 1000, gop_frames: int = 50, preset: Preset = Preset.ULTRAFAST) -> list[str]:
    """Options for H.264 that every player takes, without B-frames, at a bounded rate."""
    rate = f"{_bounded(kbps, 50, 50_000)}k"
    gop = str(_bounded(gop_frames, 1, 600))
    return [
        *("-c:v", "libx264", "-preset", preset.value, "-tune", "zerolatency", "-pix_fmt", "yuv420p"),
        *("-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-g", gop, "-keyint_min", gop, "-sc_threshold", "0"),
    ]


def encode_aac(*, kbps: int = 128, channels: int = 2) -> list[str]:
    """Options for AAC-LC at 48 kHz."""
    return ["-c:a", "aac", "-b:a", f"{_bounded(kbps, 16, 512)}k", "-ac", str(_bounded(channels, 1, 8)), "-ar", "48000"]


def to_flv_pipe(maps: Sequence[str], codecs: Sequence[str]) -> Output:
    """FLV on stdout, one packet at a time. `maps` are stream specifiers of ours, `codecs` the encoder options.

    A declared track that stays silent holds back the other one for at most a second.
    """
    mapped = [arg for one in maps for arg in ("-map", one)]
    return Output(
        (
            *(*mapped, *codecs, "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
            *("-max_interleave_delta", "1000000", "-flush_packets", "1", "-flvflags", "no_duration_filesize"),
            *("-f", "flv", "pipe:1"),
        )
    )


def to_stream_list() -> Output:
    """The list of tracks as text on stdout (framecrc's header), video without cover pictures first, then audio."""
    return Output(("-map", "0:V?", "-map", "0:a?", "-c", "copy", "-t", "1", "-f", "framecrc", "pipe:1"))


def to_file(path: Path, codecs: Sequence[str], *, container: str = "mp4", length_s: float | None = None) -> Output:
    """A new file of ours; `container` is a muxer name of ours."""
    length = ["-t", _seconds(length_s)] if length_s is not None else []
    return Output((*codecs, *length, "-map_metadata", "-1", "-f", container, "-y", f"file:{operand(path)}"))


def operand(path: Path) -> str:
    """`path` as a file operand: absolute, so that it never looks like an option (R5).

    Raises:
        ValueError: it is relative or holds control characters.
    """
    text = os.fspath(path)
    if not path.is_absolute() or any(ord(char) < 32 for char in text):
        raise ValueError("a file operand must be an absolute path without control characters")
    return text


def _limits(probe_bytes: int = PROBE_BYTES, analyze_us: int = ANALYZE_US) -> list[str]:
    return [
        *("-codec_whitelist", DECODERS, "-max_streams", str(MAX_STREAMS)),
        *("-probesize", str(probe_bytes), "-analyzeduration", str(analyze_us)),
    ]


def _scheme_options(scheme: Scheme, tls_name: str, rtmp_tc_url: str, http_proxy: str) -> list[str]:
    timeout = str(IO_TIMEOUT_US)
    verify = ["-verifyhost", tls_name] if tls_name else []
    match scheme:
        case Scheme.RTMP | Scheme.RTMPS:
            tc_url = ["-rtmp_tcurl", rtmp_tc_url] if rtmp_tc_url else []
            return ["-rw_timeout", timeout, "-rtmp_live", "any", *tc_url, *verify]
        case Scheme.RTSP:
            return ["-timeout", timeout, "-rtsp_transport", "tcp", "-allowed_media_types", "video+audio"]
        case Scheme.SRT:
            return ["-timeout", timeout, "-connect_timeout", "5000", "-mode", "caller"]
        case _:
            return ["-rw_timeout", timeout, "-http_proxy", http_proxy, "-max_redirects", "5", "-icy", "0"]


def _seconds(value: float) -> str:
    if not 0 <= value < 1e7:
        raise ValueError("seconds out of range")
    return f"{value:.3f}"


def _bounded(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"a number between {low} and {high} is needed")
    return value
