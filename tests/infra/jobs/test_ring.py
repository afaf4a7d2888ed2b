"""The bounded tail."""

from hypothesis import given
from hypothesis import strategies as st

from onetake.infra.jobs.ring import Tail


def test_the_end_is_kept() -> None:
    tail = Tail(10)
    for piece in (b"first ", b"second ", b"last"):
        tail.write(piece)
    assert tail.text() == "last"


def test_a_piece_larger_than_everything_is_cut() -> None:
    tail = Tail(4)
    tail.write(b"0123456789")
    assert tail.text() == "6789"


@given(st.lists(st.binary(max_size=50)), st.integers(1, 100))
def test_it_never_exceeds_its_bound(pieces: list[bytes], bound: int) -> None:
    tail = Tail(bound)
    for piece in pieces:
        tail.write(piece)
    kept = b"".join(tail._pieces)
    assert len(kept) <= bound
    assert b"".join(pieces).endswith(kept)
