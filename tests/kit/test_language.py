"""Language negotiation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.kit.errors import LANGS
from onetake.kit.language import match_language, negotiate_language, stored_language


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, "en"),
        ("", "en"),
        ("fr-FR,fr;q=0.9", "en"),
        ("zh", "zh-CN"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-Hans-SG", "zh-CN"),
        ("zh-HK", "zh-TW"),
        ("zh-Hant-TW", "zh-TW"),
        ("en;q=0.3, zh-TW;q=0.7", "zh-TW"),
        ("zh-CN;q=0, en", "en"),
        ("zh-CN;q=banana, zh-TW", "zh-TW"),
        ("*", "en"),
        ("EN-gb", "en"),
    ],
)
def test_the_best_language_wins(header: str | None, wanted: str) -> None:
    assert negotiate_language(header) == wanted


@given(st.text(max_size=2000))
def test_any_header_gives_a_language(header: str) -> None:
    assert negotiate_language(header) in LANGS


@given(st.text(max_size=40))
def test_matching_gives_a_language_or_nothing(tag: str) -> None:
    assert match_language(tag) in (*LANGS, None)


def test_stored_choice_must_be_ours() -> None:
    assert stored_language("zh-TW") == "zh-TW"
    assert stored_language("tlh") is None
    assert stored_language(None) is None
