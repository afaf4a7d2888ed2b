"""Shortened playlists: only what starts before the limit, nothing announced that does not come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.engine.trial import shorten

PLAYLIST = b"""#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="s/a/init.mp4"
#EXTINF:2.00000,
s/a/0.m4s
#EXTINF:2.00000,
s/a/1.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="s/b/init.mp4"
#EXTINF:2.00000,
s/b/2.m4s
#EXT-X-ENDLIST
"""


@pytest.mark.parametrize(
    ("limit_s", "names"),
    [(1, ["0"]), (2, ["0"]), (3, ["0", "1"]), (4, ["0", "1"]), (5, ["0", "1", "2"]), (99, ["0", "1", "2"])],
)
def test_segments_that_start_before_the_limit_are_kept(limit_s: int, names: list[str]) -> None:
    trial = shorten(PLAYLIST, limit_s)
    segments = [line for line in trial.playlist.decode().splitlines() if line.endswith(".m4s")]
    assert [line.split("/")[-1].removesuffix(".m4s") for line in segments] == names
    assert set(segments) <= trial.names
    assert trial.playlist.endswith(b".m4s\n#EXT-X-ENDLIST\n")
    assert trial.playlist.count(b"#EXT-X-ENDLIST") == 1
    assert trial.playlist.startswith(b"#EXTM3U\n#EXT-X-VERSION:7\n")


@given(st.binary(max_size=400), st.integers(1, 100))
def test_any_text_is_survived(text: bytes, limit_s: int) -> None:
    assert shorten(text, limit_s).playlist.endswith(b"#EXT-X-ENDLIST\n")
