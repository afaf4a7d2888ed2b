"""Range and conditional requests: RFC 9110 examples, hostile headers, linear work (R24, L3)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.engine.ranges import (
    MAX_RANGES,
    ByteRange,
    RangeNotSatisfiable,
    etag_matches,
    http_date,
    if_range_holds,
    multipart_heads,
    not_modified,
    parse_range,
)

SIZE = 10_000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 500)]),
        ("bytes=-500", [(9500, 500)]),
        ("bytes=9500-", [(9500, 500)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 1)]),
        ("Bytes=0-0", [(0, 1)]),
        ("bytes= 0-4 , 10-14 ", [(0, 5), (10, 5)]),
        ("bytes=9999-20000", [(9999, 1)]),
        ("bytes=-20000", [(0, 10_000)]),
        ("bytes=20000-30000,1-2", [(1, 2)]),
        ("bytes=0-999999999999999999", [(0, 10_000)]),
    ],
)
def test_sound_ranges(header: str, expected: list[tuple[int, int]]) -> None:
    assert parse_range(header, SIZE) == [ByteRange(*item) for item in expected]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "items=0-1",
        "bytes=5-1",
        "bytes=a-b",
        "bytes=--1",
        "bytes=1",
        "bytes=-",
        "bytes=0x1-2",
        "bytes=٣-٤",
        "bytes=+1-2",
        "bytes=1-2,1-2",
        "bytes=10-20,0-5",
        "bytes=0-5,5-9",
        "bytes=0-1,2-3,4-5,6-7,8-9,10-11",
        "bytes=0-9999999999999999999",
        "bytes=0-1" + " " * 1100,
    ],
)
def test_unsound_or_too_many_means_the_whole_file(header: str | None) -> None:
    assert parse_range(header, SIZE) is None


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=20000-20001,30000-"])
def test_outside_the_file_is_416(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, SIZE)


def test_empty_file_has_no_satisfiable_range() -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=0-", 0)


@given(
    st.text("bytes=0123456789-, \t;", max_size=200) | st.text(max_size=100).map("bytes=".__add__), st.integers(0, 2**50)
)
def test_any_header_gives_ranges_inside_the_file_in_order(header: str, size: int) -> None:
    try:
        ranges = parse_range(header, size)
    except RangeNotSatisfiable:
        return
    if ranges is None:
        return
    assert 1 <= len(ranges) <= MAX_RANGES
    end = 0
    for item in ranges:
        assert item.start >= end
        assert item.length > 0
        end = item.start + item.length
    assert end <= size


@pytest.mark.parametrize(
    "header",
    [
        "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
        "bytes=" + ",".join("0-" for _ in range(1000)),
        "bytes=" + ",".join(f"{n}-{n - 1}" for n in range(1000, 0, -1)),
        "bytes=" + "9" * 100_000 + "-",
        "bytes=" + "-" * 100_000,
    ],
)
def test_hostile_headers_cost_next_to_nothing(header: str) -> None:
    before = time.process_time()
    for _ in range(100):
        assert parse_range(header, SIZE) is None
    assert (time.process_time() - before) / 100 < 0.010  # L3: CPU, not wall time


def test_if_none_match_wins_over_date() -> None:
    assert not_modified('W/"a", "b"', None, '"b"', 1000)
    assert not_modified("*", None, '"b"', 1000)
    assert not not_modified('"c"', http_date(2000), '"b"', 1000)
    assert not_modified(None, http_date(1000.9), '"b"', 1000.2)
    assert not not_modified(None, http_date(999), '"b"', 1000)
    assert not not_modified(None, http_date(5000), '"b"', None)
    assert not not_modified(None, "rubbish", '"b"', 1000)


def test_if_range_needs_the_strong_tag_or_the_exact_date() -> None:
    assert if_range_holds(None, '"a"', None)
    assert if_range_holds('"a"', '"a"', None)
    assert not if_range_holds('W/"a"', '"a"', None)
    assert if_range_holds(http_date(1000), '"a"', 1000.7)
    assert not if_range_holds(http_date(1001), '"a"', 1000.7)
    assert not if_range_holds(http_date(1000), '"a"', None)


@given(st.text(max_size=200))
def test_conditional_headers_never_raise(text: str) -> None:
    not_modified(text, text, '"a"', 5.0)
    not_modified(None, text, '"a"', 5.0)
    if_range_holds(text, '"a"', 5.0)
    etag_matches(text, '"a"', weak=False)


def test_http_date_is_imf_fixdate() -> None:
    assert http_date(784_111_777.9) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_multipart_heads_frame_every_part() -> None:
    heads = multipart_heads([ByteRange(0, 1), ByteRange(9999, 1)], SIZE, "video/mp4", "B")
    assert heads[0] == b"\r\n--B\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-0/10000\r\n\r\n"
    assert heads[-1] == b"\r\n--B--\r\n"
    assert len(heads) == 3
