"""Which tracks of a source are taken: from what ffmpeg really prints, and from nonsense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.media.ffmpeg.errors import NoTracks, ToolError, UnsupportedCodec
from onetake.media.ffmpeg.streams import SourceTrack, choose, parse_duration_s, parse_stream_list
from onetake.media.units import Kind

HEADER = """\
#extradata 0:       38, 0xdba80a7e
#software: Lavf63.1.102
#tb 0: 1/90000
#media_type 0: video
#codec_id 0: h264
#dimensions 0: 320x180
#sar 0: 1/1
#media_type 1: video
#codec_id 1: hevc
#dimensions 1: 1920x1080
#media_type 2: audio
#codec_id 2: aac
#sample_rate 2: 48000
#channel_layout_name 2: stereo
#media_type 3: audio
#codec_id 3: ac3
#sample_rate 3: 44100
"""


def video(codec: str = "h264", width: int = 640, height: int = 360) -> SourceTrack:
    return SourceTrack(Kind.VIDEO, codec, width, height)


def audio(codec: str = "aac", rate: int = 48_000) -> SourceTrack:
    return SourceTrack(Kind.AUDIO, codec, sample_rate=rate)


def test_header_is_read() -> None:
    assert parse_stream_list(HEADER.splitlines()) == [
        video("h264", 320, 180),
        video("hevc", 1920, 1080),
        audio("aac"),
        audio("ac3", 44_100),
    ]


def test_largest_picture_and_the_audio_of_its_variant_are_taken() -> None:
    plan = choose(parse_stream_list(HEADER.splitlines()))
    assert plan.maps == ("0:V:1", "0:a:1")
    assert plan.codecs[:4] == ("-c:v", "copy", "-c:a", "aac")
    assert not plan.finite


@pytest.mark.parametrize(
    ("track", "copied"),
    [
        (audio("aac", 44_100), True),
        (audio("opus"), True),
        (audio("mp3", 44_100), True),
        (audio("mp3", 48_000), False),
        (audio("ac3"), False),
        (audio("pcm_alaw", 8_000), False),
    ],
)
def test_audio_is_copied_or_becomes_aac(track: SourceTrack, copied: bool) -> None:
    plan = choose([video(), track])
    assert plan.codecs[2:4] == ("-c:a", "copy" if copied else "aac")


def test_one_of_each_only() -> None:
    assert choose([video(), audio(), audio("ac3")]).maps == ("0:V:0", "0:a:0")
    assert choose([audio()]).maps == ("0:a:0",)
    assert choose([video("av1")]).maps == ("0:V:0",)
    assert choose([video("vp9", 4000, 2000), video("h264")]).maps == ("0:V:1",)


def test_a_source_of_one_track_is_told_from_one_of_two() -> None:
    assert choose([video()]).single
    assert choose([audio(), audio()]).single
    assert not choose([audio(), video()]).single


def test_other_video_and_nothing_are_named_errors() -> None:
    with pytest.raises(UnsupportedCodec, match="vp9"):
        choose([video("vp9"), audio()])
    with pytest.raises(NoTracks):
        choose([])


def test_duration_tells_files_from_live() -> None:
    assert parse_duration_s("  Duration: 01:02:03.50, start: 0.0") == 3723.5
    assert parse_duration_s("  Duration: N/A, start: 0.0") is None
    assert choose([video()], 5.0).finite


@given(st.lists(st.text() | st.sampled_from(HEADER.splitlines())))
def test_any_text_gives_a_plan_or_a_named_error(lines: list[str]) -> None:
    try:
        plan = choose(parse_stream_list(lines), parse_duration_s("\n".join(lines)))
    except ToolError:
        return
    assert 1 <= len(plan.maps) <= 2
