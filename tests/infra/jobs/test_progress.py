"""The reader of ffmpeg's progress reports."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from onetake.infra.jobs.progress import FfmpegProgress, ProgressParser

BLOCK = (
    b"frame=120\nfps=59.64\nstream_0_0_q=29.0\nbitrate= 531.2kbits/s\ntotal_size=131120\nout_time_us=1966666\n"
    b"out_time_ms=1966666\nout_time=00:00:01.966666\ndup_frames=0\ndrop_frames=0\nspeed=0.978x\nprogress=continue\n"
)


def test_a_block_is_read() -> None:
    parser = ProgressParser()
    assert parser.feed(BLOCK)
    assert parser.latest == FfmpegProgress(1.966666, 120, 59.64, 0.978, 131120, ended=False)


def test_the_end_is_seen() -> None:
    parser = ProgressParser()
    parser.feed(BLOCK.replace(b"continue", b"end"))
    assert parser.latest.ended


def test_the_same_report_again_is_no_progress() -> None:
    parser = ProgressParser()
    parser.feed(BLOCK)
    assert not parser.feed(BLOCK)
    assert parser.feed(BLOCK.replace(b"frame=120", b"frame=121"))


def test_what_ffmpeg_does_not_know_yet_is_left_alone() -> None:
    parser = ProgressParser()
    parser.feed(b"frame=0\nout_time_us=N/A\nspeed=N/A\ntotal_size=N/A\nprogress=continue\n")
    assert parser.latest == FfmpegProgress()


def test_a_negative_start_is_zero() -> None:
    parser = ProgressParser()
    parser.feed(b"out_time_us=-23220\n")
    assert parser.latest.out_time_s == 0


@given(st.lists(st.integers(0, len(BLOCK)), max_size=8))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    whole, cut = ProgressParser(), ProgressParser()
    whole.feed(BLOCK)
    edges = [0, *sorted(cuts), len(BLOCK)]
    for begin, end in pairwise(edges):
        cut.feed(BLOCK[begin:end])
    assert cut.latest == whole.latest


KEYS = st.sampled_from([b"frame", b"fps", b"speed", b"total_size", b"out_time_us", b"progress", b""])
LINES = st.tuples(KEYS, st.binary(max_size=40)).map(lambda pair: pair[0] + b"=" + pair[1] + b"\n")


@given(st.lists(LINES | st.binary(max_size=9000), max_size=20))
def test_anything_is_survived_within_bounds(pieces: list[bytes]) -> None:
    parser = ProgressParser()
    for piece in pieces:
        parser.feed(piece)
    assert parser.latest.out_time_s >= 0
    assert len(parser._rest) <= 4096
