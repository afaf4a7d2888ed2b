"""AMF0 round trips, and every way to be wrong ends in `AmfError`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.media import amf
from onetake.media.amf import AmfError, Date, EcmaArray

SCALARS = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
    | st.builds(Date, st.floats(allow_nan=False))
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES: st.SearchStrategy[amf.Value] = st.recursive(
    SCALARS,
    lambda children: (
        st.lists(children, max_size=5)
        | st.dictionaries(KEYS, children, max_size=5)
        | st.dictionaries(KEYS, children, max_size=5).map(EcmaArray)
    ),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=4))
def test_round_trip(values: list[amf.Value]) -> None:
    assert amf.decode(amf.encode(*values)) == values


@given(st.binary(max_size=200))
def test_any_bytes_give_values_or_an_error(data: bytes) -> None:
    values, error = amf.decode_prefix(data)
    if error is None:
        assert amf.decode(data) == values or "nan" in repr(values)
    else:
        with pytest.raises(AmfError):
            amf.decode(data)


@given(st.lists(VALUES, min_size=1, max_size=3), st.data())
def test_cut_anywhere_it_is_an_error_or_a_prefix(values: list[amf.Value], data: st.DataObject) -> None:
    whole = amf.encode(*values)
    cut = data.draw(st.integers(0, len(whole)))
    found, _ = amf.decode_prefix(whole[:cut])
    assert found == values[: len(found)]


class TestDecode:
    def test_connect_of_ffmpeg(self) -> None:
        data = bytes.fromhex("020007636f6e6e656374003ff0000000000000030003617070020004") + b"live\0\0\x09"
        assert amf.decode(data) == ["connect", 1.0, {"app": "live"}]

    def test_ecma_array_with_a_wrong_count(self) -> None:
        (found,) = amf.decode(b"\x08\0\0\0\0\0\x01a\x01\x01\0\0\x09")
        assert found == {"a": True}
        assert isinstance(found, EcmaArray)

    @pytest.mark.parametrize(
        ("data", "value"),
        [
            (b"\x06", None),
            (b"\x0d", None),
            (b"\x0f\0\0\0\x03<a>", "<a>"),
            (b"\x10\0\x03Foo\0\x01a\x05\0\0\x09", {"a": None}),
            (b"\x11\x00", None),
            (b"\x11\x02", False),
            (b"\x11\x03", True),
            (b"\x11\x04\x07", 7.0),
            (b"\x11\x04\xff\xff\xff\xff", -1.0),
            (b"\x11\x05" + bytes.fromhex("3ff8000000000000"), 1.5),
            (b"\x11\x06\x05ab", "ab"),
            (b"\x02\0\x02\xff\xfe", "\ufffd\ufffd"),
        ],
    )
    def test_rare_types(self, data: bytes, value: amf.Value) -> None:
        assert amf.decode(data) == [value]

    @pytest.mark.parametrize(
        "data",
        [
            b"\x04",  # movie clip
            b"\x07\0\0",  # reference
            b"\x0e",  # record set
            b"\x11\x09\x01",  # AMF3 array
            b"\x11\x06\x02",  # AMF3 string reference
            b"\x12",
            b"\0\0",
            b"\x02\0\x05abc",
            b"\x03\0\x01a",
            b"\x0a\xff\xff\xff\xff\x05",
            b"\x0c\xff\xff\xff\xffab",
        ],
    )
    def test_refused(self, data: bytes) -> None:
        with pytest.raises(AmfError):
            amf.decode(data)

    def test_too_deep(self) -> None:
        assert amf.decode(b"\x0a\0\0\0\x01" * amf.MAX_DEPTH + b"\x05")
        with pytest.raises(AmfError, match="deeper"):
            amf.decode(b"\x0a\0\0\0\x01" * (amf.MAX_DEPTH + 1) + b"\x05")

    def test_too_many(self) -> None:
        with pytest.raises(AmfError, match="values"):
            amf.decode(b"\x05" * (amf.MAX_ITEMS + 1))
        values, error = amf.decode_prefix(b"\x05" * 10, max_items=4)
        assert values == [None] * 4
        assert isinstance(error, AmfError)

    def test_not_a_number_passes(self) -> None:
        (found,) = amf.decode(b"\0" + bytes.fromhex("7ff8000000000000"))
        assert isinstance(found, float)
        assert math.isnan(found)


class TestEncode:
    def test_long_string(self) -> None:
        text = "x" * 70_000
        data = amf.encode(text)
        assert data[0] == 12
        assert amf.decode(data) == [text]

    def test_whole_numbers_become_doubles(self) -> None:
        assert amf.encode(1) == amf.encode(1.0)

    def test_too_deep(self) -> None:
        value: amf.Writable = None
        for _ in range(amf.MAX_DEPTH + 1):
            value = [value]
        with pytest.raises(AmfError, match="deeper"):
            amf.encode(value)

    @pytest.mark.parametrize("value", [10**400, {"k" * 70_000: 1}, b"bytes", object()])
    def test_what_amf_cannot_hold(self, value: object) -> None:
        with pytest.raises(AmfError):
            amf.encode(value)  # type: ignore[arg-type]
