"""Seeking in finished recordings with libav, as Chromium and mpv do it: to a keyframe, and nothing lost behind it."""

from itertools import pairwise
from pathlib import Path

import av
import pytest
from tests.engine.recorded import record

TIMES_S = (0.5, 1.9, 2.5, 3.5)
READ_AHEAD = (0, 16, 40, 400)


def after_seek(path: Path, time_s: float, packets_before: int, kind: str) -> list[tuple[float, bool]]:
    """Decode time and keyframe flag of every video packet that comes after a seek."""
    with av.open(str(path)) as media:
        video = media.streams.video[0]
        sought = media.streams.audio[0] if kind == "audio" and media.streams.audio else video
        for number, _ in enumerate(media.demux()):
            if number >= packets_before:
                break
        assert sought.time_base
        media.seek(int(time_s / sought.time_base), stream=sought, backward=True)
        return [
            (float(packet.dts * packet.time_base), packet.is_keyframe)
            for packet in media.demux(video)
            if packet.dts is not None
        ]


@pytest.mark.parametrize("clip", ["bframes", "h264_aac", "short_gop", "video_only"])
@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_seek_finds_a_keyframe_and_everything_behind_it(tmp_path: Path, clip: str, kind: str) -> None:
    recorded = record(tmp_path, clip)
    for time_s in TIMES_S:
        for packets_before in READ_AHEAD:
            packets = after_seek(recorded.video, time_s, packets_before, kind)
            start_s, is_keyframe = packets[0]
            steps = [later - earlier for (earlier, _), (later, _) in pairwise(packets)]
            assert is_keyframe, (time_s, packets_before)
            assert time_s - 2.1 < start_s <= time_s
            assert max(steps) < 0.06, f"media is skipped after a seek to {time_s}"
            assert min(steps) > 0, f"media is repeated after a seek to {time_s}"
