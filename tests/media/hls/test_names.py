"""Names of media: made and read back, and nothing else accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.media.hls import MediaName, init_uri, parse_name, part_uri, segment_uri


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.integers(0, 10**15), st.integers(0, 255))
def test_names_read_back(prefix: str, msn: int, part: int) -> None:
    for uri, expected in (
        (init_uri(prefix), MediaName(prefix)),
        (segment_uri(prefix, msn), MediaName(prefix, msn)),
        (part_uri(prefix, msn, part), MediaName(prefix, msn, part)),
    ):
        folder, found, name = uri.split("/")
        assert folder == "s"
        assert parse_name(found, name) == expected


@pytest.mark.parametrize(
    ("prefix", "name"),
    [("", "1.m4s"), ("../x", "1.m4s"), ("a", "01.m4s"), ("a", "1.m4s\n"), ("a", "-1.m4s"), ("a", "1.2.3.m4s"),
     ("a", "1.mp4"), ("a", "１.m4s"), ("a" * 17, "1.m4s"), ("a", "9" * 17 + ".m4s"), ("a/b", "init.mp4")],
)  # fmt: skip
def test_anything_else_is_no_name(prefix: str, name: str) -> None:
    assert parse_name(prefix, name) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_answered(prefix: str, name: str) -> None:
    parse_name(prefix, name)
