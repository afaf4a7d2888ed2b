"""Folding and grams: Chinese, full-width, mixed scripts, hostile input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.library.search import END, fold, like_pattern, parse_query, title_grams


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("直播回放：第３期", "直播回放 第3期"),
        ("Big Buck Bunny — 1080p", "big buck bunny 1080p"),
        ("STRASSE straße", "strasse strasse"),
        ("100%_done", "100 done"),
        ("  \t\n", ""),
        ("Ａ—Ｚ", "a z"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_grams_overlap_and_mark_the_end_of_a_word() -> None:
    assert title_grams("直播课 OK") == {"直播", "播课", "课" + END, "ok", "k" + END}


def test_query_words_grams_and_single_characters() -> None:
    query = parse_query("直播 ok 猫")
    assert query.words == ("直播", "ok", "猫")
    assert query.grams == ("直播", "ok")
    assert query.prefixes == ("猫",)


@pytest.mark.parametrize("text", [" %_!? ", "???", "。。", "？", "—", "\u200b", "🎉"])
def test_a_query_without_a_letter_or_digit_is_hopeless(text: str) -> None:
    query = parse_query(text)
    assert query
    assert query.is_hopeless
    assert query.words == ()


@pytest.mark.parametrize("text", ["", "  ", "\u3000\t"])
def test_a_blank_query_asks_for_nothing(text: str) -> None:
    assert not parse_query(text)
    assert parse_query("？数学").is_hopeless is False


@given(title=st.text(max_size=128), data=st.data())
def test_every_part_of_a_title_finds_it(title: str, data: st.DataObject) -> None:
    words = fold(title).split()
    if not words:
        assert title_grams(title) == set()
        return
    word = data.draw(st.sampled_from(words))
    start = data.draw(st.integers(0, len(word) - 1))
    part = word[start : data.draw(st.integers(start + 1, len(word)))]
    query = parse_query(part)
    grams = title_grams(title)
    assert set(query.grams) <= grams
    assert all(any(gram.startswith(char) for gram in grams) for char in query.prefixes)


@given(st.text(max_size=400))
def test_a_query_holds_nothing_that_like_would_interpret(text: str) -> None:
    for word in parse_query(text).words:
        assert not set(like_pattern(word)[1:-1]) & set("%_\\")
