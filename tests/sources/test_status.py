"""From the media server's words to a status that a person understands."""

from typing import Any

import pytest

from onetake.kit.clock import utc_now
from onetake.kit.errors import LANGS, AppError
from onetake.kit.ssrf import AddressRefused, UrlRefused
from onetake.media.ffmpeg.errors import UnsupportedCodec
from onetake.sources.models import LiveSource
from onetake.sources.schemas import SourceStatus
from onetake.sources.status import add_probe, explain, may_be_probed, source_status

LIVE: dict[str, Any] = {
    "name": "abc",
    "state": "pushing",
    "viewers": 3,
    "recording": "0199",
    "reconnects": 1,
    "pull": None,
    "started_ms": 1_795_000_000_000,
    "stats": {
        "video_fps": 25.0,
        "audio_fps": 46.9,
        "video_bps": 1_200_000.4,
        "audio_bps": 50_000.0,
        "gop_last_ms": 2000.0,
    },
    "tracks": [
        {"kind": "video", "codec": "h264", "profile": "High", "level": "4.0", "width": 1920, "height": 1080},
        {"kind": "audio", "codec": "aac", "profile": "LC", "level": "", "sample_rate": 48000, "channels": 2},
    ],
}


def source(**fields: object) -> LiveSource:
    now = utc_now()
    values: dict[str, object] = {"id": 1, "name": "Hall", "protocol": "hls", "is_active": True}
    return LiveSource(**(values | {"created_at": now, "updated_at": now} | fields))


def test_live() -> None:
    status = source_status(source(), LIVE, "en")
    assert status.online
    assert (status.state, status.codec, status.resolution) == ("live", "h264", "1920x1080")
    assert (status.fps, status.bitrate_bps, status.gop_ms) == (25.0, 1_250_000, 2000)
    assert (status.viewers, status.recording, status.reconnects) == (3, True, 1)
    assert status.since is not None


def test_sound_only_has_a_codec_and_no_resolution() -> None:
    status = source_status(source(), LIVE | {"tracks": LIVE["tracks"][1:]}, "en")
    assert (status.codec, status.resolution) == ("aac", None)


@pytest.mark.parametrize(
    ("push", "pull", "state", "online"),
    [
        ("offline", None, "offline", False),
        ("stalled", None, "stalled", True),
        ("grace", None, "grace", False),
        ("offline", {"state": "connecting"}, "connecting", False),
        ("offline", {"state": "retrying", "error": "source_not_found", "detail": "x"}, "retrying", False),
        ("offline", {"state": "failed", "error": "unsupported_codec", "detail": "x"}, "failed", False),
    ],
)
def test_states(push: str, pull: dict[str, Any] | None, state: str, online: bool) -> None:
    status = source_status(source(), {"state": push, "pull": pull}, "en")
    assert (status.state, status.online) == (state, online)


def test_errors_come_in_the_readers_language_or_as_the_media_server_says() -> None:
    detail = {"state": "offline", "pull": {"state": "retrying", "error": "source_not_found", "detail": "english"}}
    english, chinese = (source_status(source(), detail, lang).last_error for lang in ("en", "zh-CN"))
    assert english
    assert chinese
    assert english != chinese
    unknown = {"state": "offline", "pull": {"state": "retrying", "error": "new_in_2030", "detail": "as it says"}}
    assert source_status(source(), unknown, "zh-TW").last_error == "as it says"


@pytest.mark.parametrize("code", ["source_ended", "redirect_refused", "not_rtsp", "stream_taken", "pull_ended"])
def test_errors_of_the_media_server_itself_are_translated(code: str) -> None:
    assert explain({"error": code, "detail": "English"}, "zh-TW") != "English"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UrlRefused("wrong_scheme", schemes="srt"), ("one of srt.", "协议须为 srt 之一。", "通訊協定須為 srt 之一。")),
        (UrlRefused("no_host"), ("it names no host.", "缺少主机名。", "缺少主機名稱。")),
        (AddressRefused("camera.lan"), ("camera.lan leads", "camera.lan 指向", "camera.lan 指向")),
        (UnsupportedCodec(codec="vp9"), ("codec vp9", "编码格式 vp9", "編碼格式 vp9")),
    ],
)
def test_an_error_keeps_its_parameters_on_the_way(error: AppError, words: tuple[str, str, str]) -> None:
    pull = {"state": "failed", "error": error.code, "detail": "english", "params": error.plain_params()}
    told = [source_status(source(), {"state": "offline", "pull": pull}, lang).last_error or "" for lang in LANGS]
    assert [word in text for word, text in zip(words, told, strict=True)] == [True] * 3, told


def test_a_switched_off_or_unknown_source_is_not_online() -> None:
    assert source_status(source(is_active=False), LIVE, "en").state == "disabled"
    assert source_status(source(), None, "en").state == "offline"


class TestIdle:
    """A source on demand that nobody watches: only a look at it tells whether it could be had."""

    IDLE: dict[str, Any] = {"state": "offline", "pull": {"state": "idle"}}

    @pytest.mark.parametrize(
        ("fields", "detail", "probed"),
        [
            ({}, IDLE, True),
            ({"pull_mode": "always"}, IDLE, False),
            ({"is_active": False}, IDLE, False),
            ({}, None, False),
            ({}, IDLE | {"state": "grace"}, False),
            ({}, LIVE, False),
            ({}, IDLE | {"pull": {"state": "connecting"}}, False),
        ],
    )
    def test_only_idle_ones_are_looked_at(
        self, fields: dict[str, object], detail: dict[str, Any] | None, probed: bool
    ) -> None:
        assert may_be_probed(source(**({"pull_mode": "on_demand"} | fields)), detail) is probed

    def test_what_was_found_is_told(self) -> None:
        tracks = [
            {"kind": "video", "codec": "h264", "width": 1280, "height": 720, "sample_rate": 0},
            {"kind": "audio", "codec": "aac", "width": 0, "height": 0, "sample_rate": 48000},
        ]
        status = self.status({"tracks": tracks})
        assert (status.online, status.state, status.codec, status.resolution) == (True, "idle", "h264", "1280x720")
        assert (status.tracks[1].width, status.tracks[1].sample_rate) == (None, 48000)

    def test_why_it_cannot_be_had_is_told(self) -> None:
        status = self.status({"error": "source_unauthorized", "detail": "english", "params": {}})
        assert (status.online, status.state, status.error_code) == (False, "failed", "source_unauthorized")
        assert status.last_error == "源站要求用户名和密码，或拒绝访问。"

    def test_what_is_not_known_yet_stays_offline(self) -> None:
        status = self.status({})
        assert (status.online, status.state, status.last_error) == (False, "offline", None)

    def status(self, probe: dict[str, Any]) -> SourceStatus:
        rare = source(pull_mode="on_demand")
        return add_probe(source_status(rare, self.IDLE, "zh-CN"), probe, "zh-CN")
