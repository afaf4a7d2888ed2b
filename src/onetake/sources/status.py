"""What the media server says about a stream, as a person wants to read it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from onetake.kit import ssrf  # noqa: F401  so that their codes are known here
from onetake.kit.errors import Lang, words_of
from onetake.media import pull_errors  # noqa: F401
from onetake.media.ffmpeg import errors as tool_errors  # noqa: F401
from onetake.sources.models import LiveSource, PullMode
from onetake.sources.schemas import MediaTrack, SourceStatus

_ONLINE = ("pushing", "stalled")
_PULL_STATES = {"connecting": "connecting", "retrying": "retrying", "failed": "failed"}


def offline(source: LiveSource) -> SourceStatus:
    """The status of a source that the media server has nothing to say about."""
    return SourceStatus(
        online=False,
        state="offline" if source.is_active else "disabled",
        since=None,
        tracks=[],
        codec=None,
        resolution=None,
        fps=None,
        bitrate_bps=None,
        gop_ms=None,
        viewers=0,
        recording=False,
        poster_url=None,
        reconnects=0,
        error_code=None,
        last_error=None,
    )


def has_session(detail: Mapping[str, Any] | None) -> bool:
    """Whether a session runs: media arrive, or may go on arriving within the grace time."""
    return is_online(detail) or (detail is not None and detail["state"] == "grace")


def is_online(detail: Mapping[str, Any] | None) -> bool:
    """Whether media arrive on a stream of `/control/streams`."""
    return detail is not None and detail["state"] in _ONLINE


def has_picture(detail: Mapping[str, Any] | None) -> bool:
    """Whether a session runs that has pictures."""
    tracks = detail.get("tracks", []) if detail is not None and has_session(detail) else []
    return any(track["kind"] == "video" for track in tracks)


def source_status(source: LiveSource, detail: Mapping[str, Any] | None, lang: Lang) -> SourceStatus:
    """One stream of `/control/streams` as the status of its source."""
    status = offline(source)
    if detail is None or not source.is_active:
        return status
    pull = detail.get("pull") or {}
    online = is_online(detail)
    status.online = online
    status.state = _state(str(detail["state"]), str(pull.get("state", "")))
    status.viewers = int(detail.get("viewers", 0))
    status.recording = detail.get("recording") is not None
    status.reconnects = int(detail.get("reconnects", 0))
    if online:
        _describe(status, detail)
    elif pull.get("error"):
        _blame(status, pull, lang)
    return status


def may_be_probed(source: LiveSource, detail: Mapping[str, Any] | None) -> bool:
    """Whether a source rests because nobody wants it: only a look at it tells whether it could be had."""
    is_idle = detail is not None and (detail.get("pull") or {}).get("state") == "idle"
    return source.is_active and source.pull_mode == PullMode.ON_DEMAND and is_idle and not has_session(detail)


def add_probe(status: SourceStatus, probe: Mapping[str, Any], lang: Lang) -> SourceStatus:
    """The status of an idle source with what the media server found when it looked."""
    if "tracks" in probe:
        status.online, status.state = True, "idle"
        known = [{name: value for name, value in track.items() if value} for track in probe["tracks"]]
        _add_tracks(status, known)
    elif probe.get("error"):
        status.state = "failed"
        _blame(status, probe, lang)
    return status


def explain(pull: Mapping[str, Any], lang: Lang) -> str:
    """The last error of a pull in the caller's language; the media server's English when its code is unknown here."""
    params = pull.get("params")
    known = words_of(str(pull.get("error")), params if isinstance(params, dict) else {}, lang)
    return known or str(pull.get("detail", ""))


def _state(push: str, pull: str) -> str:
    if push == "pushing":
        return "live"
    if push == "offline" and pull in _PULL_STATES:
        return _PULL_STATES[pull]
    return push


def _describe(status: SourceStatus, detail: Mapping[str, Any]) -> None:
    stats = detail.get("stats") or {}
    video = _add_tracks(status, detail.get("tracks", []))
    if stats:
        status.fps = round(float(stats["video_fps"]), 2) if video else None
        status.bitrate_bps = round(stats["video_bps"] + stats["audio_bps"])
        status.gop_ms = round(stats["gop_last_ms"]) if video else None
    if detail.get("started_ms"):
        status.since = datetime.fromtimestamp(detail["started_ms"] / 1000, UTC)


def _add_tracks(status: SourceStatus, tracks: Sequence[Mapping[str, Any]]) -> MediaTrack | None:
    """Note the tracks; the picture."""
    status.tracks = [MediaTrack.model_validate(track) for track in tracks]
    video = next((track for track in status.tracks if track.kind == "video"), None)
    main = video or (status.tracks[0] if status.tracks else None)
    status.codec = main.codec if main else None
    status.resolution = f"{video.width}x{video.height}" if video and video.width and video.height else None
    return video


def _blame(status: SourceStatus, pull: Mapping[str, Any], lang: Lang) -> None:
    status.error_code, status.last_error = str(pull["error"]), explain(pull, lang)
