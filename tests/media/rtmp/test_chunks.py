"""Chunk streams: every header form, its quirks and its limits."""

import struct
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.rtmp.wire import chunk, message

from onetake.media.rtmp.chunks import ChunkReader
from onetake.media.rtmp.messages import Limits, Message, RtmpError, encode_message


def reader(size: int = 128, limits: Limits | None = None) -> ChunkReader:
    made = ChunkReader(limits or Limits())
    made.set_chunk_size(size)
    return made


def read(made: ChunkReader, *parts: bytes) -> list[Message]:
    found = []
    for part in parts:
        made.feed(part)
        while each := made.next_message():
            found.append(each)
    return found


class TestHeaders:
    def test_deltas_add_up(self) -> None:
        data = chunk(0, 4, b"ab", time=1000, length=2, kind=8, stream=1)
        data += chunk(1, 4, b"abc", time=20, length=3, kind=9)
        data += chunk(2, 4, b"def", time=30)
        data += chunk(3, 4, b"ghi")
        assert read(reader(), data) == [
            Message(8, 1000, 1, b"ab"),
            Message(9, 1020, 1, b"abc"),
            Message(9, 1050, 1, b"def"),
            Message(9, 1080, 1, b"ghi"),
        ]

    def test_type_3_behind_type_0_repeats_its_time(self) -> None:
        """§ 5.3.1.2.4: the delta is then the timestamp of the type 0 chunk."""
        data = chunk(0, 4, b"a", time=40, length=1, kind=8, stream=1) + chunk(3, 4, b"b")
        assert [each.timestamp_ms for each in read(reader(), data)] == [40, 80]

    @pytest.mark.parametrize("csid", [2, 63, 64, 319, 320, 65_599])
    def test_chunk_stream_ids_of_all_lengths(self, csid: int) -> None:
        body = bytes(range(256)) * 2
        assert read(reader(), message(9, body, csid=csid, stream=7)) == [Message(9, 0, 7, body)]

    def test_interleaved_streams(self) -> None:
        video, audio = bytes(300), b"a" * 200
        data = chunk(0, 6, video[:128], length=300, kind=9, stream=1)
        data += chunk(0, 4, audio[:128], length=200, kind=8, stream=1)
        data += chunk(3, 6, video[128:256]) + chunk(3, 4, audio[128:]) + chunk(3, 6, video[256:])
        assert read(reader(), data) == [Message(8, 0, 1, audio), Message(9, 0, 1, video)]

    def test_empty_message(self) -> None:
        assert read(reader(), chunk(0, 4, b"", length=0, kind=9, stream=1)) == [Message(9, 0, 1, b"")]

    def test_timestamps_wrap(self) -> None:
        data = chunk(0, 4, b"a", time=0xFFFFFFF0, length=1, kind=8) + chunk(2, 4, b"b", time=0x20)
        assert [each.timestamp_ms for each in read(reader(), data)] == [0xFFFFFFF0, 0x10]


class TestExtendedTimestamps:
    BODY = bytes(range(1, 251)) * 2

    def test_repeated_in_type_3(self) -> None:
        assert read(reader(), message(9, self.BODY, time=0x1000000)) == [Message(9, 0x1000000, 0, self.BODY)]

    def test_left_out_in_type_3(self) -> None:
        data = chunk(0, 3, self.BODY[:128], time=0x1000000, length=500, kind=9)
        for start in range(128, 500, 128):
            data += chunk(3, 3, self.BODY[start : start + 128])
        assert read(reader(), data) == [Message(9, 0x1000000, 0, self.BODY)]
        assert read(reader(), *(bytes([byte]) for byte in data)) == [Message(9, 0x1000000, 0, self.BODY)]

    def test_absolute_time_in_type_3_of_a_delta(self) -> None:
        data = chunk(0, 3, b"x", time=5, length=1, kind=9)
        data += chunk(1, 3, self.BODY[:128], time=0x1000000, length=200, kind=9)
        data += chunk(3, 3, struct.pack(">I", 0x1000005) + self.BODY[128:200])
        assert read(reader(), data)[1] == Message(9, 0x1000005, 0, self.BODY[:200])

    def test_exactly_the_escape_value(self) -> None:
        assert read(reader(), message(9, b"a", time=0xFFFFFF)) == [Message(9, 0xFFFFFF, 0, b"a")]


class TestUnfinished:
    def test_abort_forgets(self) -> None:
        made = reader()
        assert read(made, chunk(0, 6, bytes(128), length=300, kind=9)) == []
        made.abort(6)
        made.abort(7)
        assert read(made, chunk(0, 6, b"new", length=3, kind=9)) == [Message(9, 0, 0, b"new")]

    def test_new_header_gives_the_old_message_up(self) -> None:
        made = reader()
        data = chunk(0, 6, bytes(128), length=300, kind=9) + chunk(0, 6, b"new", time=9, length=3, kind=8)
        assert read(made, data) == [Message(8, 9, 0, b"new")]

    def test_chunk_size_changes_inside_a_message(self) -> None:
        made = reader()
        read(made, chunk(0, 6, bytes(128), length=300, kind=9))
        made.set_chunk_size(4096)
        assert read(made, chunk(3, 6, bytes(172))) == [Message(9, 0, 0, bytes(300))]

    def test_many_small_chunks_at_once_and_in_pieces(self) -> None:
        body = bytes(range(256)) * 40
        data = message(9, body, csid=6, stream=1)
        assert read(reader(), data) == [Message(9, 0, 1, body)]
        assert read(reader(), data[:5000], data[5000:]) == [Message(9, 0, 1, body)]
        mixed = data[:3000] + message(8, b"sound", csid=4, stream=1)
        cut = 12 + 128 + 129 * 20
        mixed = data[:cut] + message(8, b"sound", csid=4, stream=1) + data[cut:]
        assert read(reader(), mixed) == [Message(8, 0, 1, b"sound"), Message(9, 0, 1, body)]


class TestLimits:
    @pytest.mark.parametrize("size", [0, 1, 127, 1024 * 1024 + 1, 0x80000000, 0xFFFFFFFF])
    def test_chunk_size(self, size: int) -> None:
        with pytest.raises(RtmpError, match="chunk size"):
            reader().set_chunk_size(size)

    def test_message_before_admission(self) -> None:
        with pytest.raises(RtmpError, match="over the limit"):
            read(reader(), chunk(0, 6, b"", length=256 * 1024 + 1, kind=9))

    def test_message_after_admission(self) -> None:
        made = reader()
        made.admit()
        assert read(made, chunk(0, 6, b"", length=16 * 1024 * 1024 - 1, kind=9)) == []
        with pytest.raises(RtmpError, match="over the limit"):
            read(reader(limits=Limits(early_message_bytes=10)), chunk(0, 6, b"", length=11, kind=9))

    def test_many_unfinished_messages(self) -> None:
        made = reader(65_536)
        parts = [chunk(0, csid, bytes(65_536), length=200_000, kind=9) for csid in range(4, 60)]
        with pytest.raises(RtmpError, match="unfinished"):
            read(made, *parts)
        assert made.buffered_bytes < 70_000

    def test_memory_before_admission_stays_below_two_megabytes(self) -> None:
        tracemalloc.start()
        try:
            made = reader(65_536)
            for csid in range(4, 12):
                read(made, chunk(0, csid, bytes(65_536), length=262_144, kind=9))
            made.set_chunk_size(1024 * 1024)
            made.feed(chunk(0, 20, bytes(262_143), length=262_144, kind=9))
            assert made.next_message() is None
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()

    def test_too_many_chunk_streams(self) -> None:
        parts = [chunk(0, csid, b"a", length=1, kind=9) for csid in range(2, 100)]
        with pytest.raises(RtmpError, match="one too many"):
            read(reader(), *parts)

    @pytest.mark.parametrize("header", [2, 3])
    def test_first_chunk_needs_a_header(self, header: int) -> None:
        with pytest.raises(RtmpError, match="without a header"):
            read(reader(), chunk(header, 5, b"abc"))


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([8, 9, 18]),
        st.one_of(st.integers(0, 2**32 - 1), st.integers(0xFFFFF0, 0x100000F)),
        st.integers(0, 2**32 - 1),
        st.integers(2, 63),
        st.binary(max_size=400) | st.integers(0, 3000).map(lambda size: bytes([0x41]) * size),
    ),
    max_size=6,
)


@given(MESSAGES, st.integers(128, 600), st.lists(st.integers(1, 500), min_size=1, max_size=10))
def test_what_is_written_is_read_however_it_is_cut(
    sent: list[tuple[int, int, int, int, bytes]], chunk_bytes: int, sizes: list[int]
) -> None:
    data = b"".join(
        encode_message(kind, stamp, stream, body, csid, chunk_bytes) for kind, stamp, stream, csid, body in sent
    )
    made, position, found = reader(chunk_bytes), 0, list[Message]()
    while position < len(data):
        for size in sizes:
            found += read(made, data[position : position + size])
            position += size
    assert found == [Message(kind, stamp, stream, body) for kind, stamp, stream, _, body in sent]


def take(made: ChunkReader, parts: Iterable[bytes]) -> list[Message] | str:
    try:
        return read(made, *parts)
    except RtmpError as error:
        return str(error)


@given(st.binary(max_size=600), st.integers(1, 200))
def test_any_bytes_give_the_same_messages_or_error_however_cut(data: bytes, size: int) -> None:
    whole = take(reader(), [data])
    cut = take(reader(), [data[start : start + size] for start in range(0, len(data), size)])
    assert whole == cut
