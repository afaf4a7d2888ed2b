"""The count of wrong keys per address."""

import pytest

from onetake.engine import wrong_keys
from onetake.engine.wrong_keys import WrongKeys


def test_an_address_is_blocked_for_the_rest_of_its_window() -> None:
    tries = WrongKeys(3, 60)
    for at_s in (0, 10, 20):
        assert not tries.is_blocked("a", at_s)
        tries.note("a", at_s)
    assert tries.is_blocked("a", 21)
    assert not tries.is_blocked("b", 21)
    assert not tries.is_blocked("a", 60)
    tries.note("a", 61)
    assert not tries.is_blocked("a", 62)


def test_the_oldest_address_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_keys, "MAX_ADDRESSES", 2)
    tries = WrongKeys(1, 60)
    for address in ("a", "b", "c"):
        tries.note(address, 0)
    assert [tries.is_blocked(address, 1) for address in ("a", "b", "c")] == [False, True, True]
