"""Sentences for refused values."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onetake.infra.web import validation
from onetake.infra.web.validation import MAX_FIELDS, explain
from onetake.kit.errors import LANGS


def test_every_text_exists_in_three_languages_with_the_same_placeholders() -> None:
    for kind, text in validation._TEXTS.items():
        placeholders = {frozenset(re.findall(r"\{(\w+)\}", t)) for t in (text.en, text.zh_cn, text.zh_tw)}
        assert len(placeholders) == 1, kind
        assert re.search(r"[\u4e00-\u9fff]", text.zh_tw), kind


def test_paths_lose_the_place_and_keep_the_rest() -> None:
    complaints: list[dict[str, Any]] = [
        {"type": "missing", "loc": ("body", "scopes", 0, "name")},
        {"type": "int_parsing", "loc": ("query", "page")},
        {"type": "json_invalid", "loc": ("body", 17)},
        {"type": "missing", "loc": ("body",)},
    ]
    assert [field for field, _, _ in explain(complaints, "en")] == ["scopes.0.name", "page", "body", "body"]


def test_limits_are_named() -> None:
    complaint = {"type": "string_too_short", "loc": ("body", "name"), "ctx": {"min_length": 2}}
    assert [next(explain([complaint], lang))[2] for lang in LANGS] == [
        "At least 2 characters are needed.",
        "至少需要 2 个字符。",
        "至少需要 2 個字元。",
    ]


def test_choices_are_listed_in_the_reader_s_punctuation() -> None:
    complaint = {"type": "literal_error", "loc": ("body", "protocol"), "ctx": {"expected": "'rtmp', 'hls' or 'push'"}}
    assert [next(explain([complaint], lang))[2] for lang in LANGS] == [
        "Allowed are: 'rtmp', 'hls' or 'push'.",
        "允许的值：'rtmp'、'hls'、'push'。",
        "允許的值：'rtmp'、'hls'、'push'。",
    ]


def test_many_complaints_are_cut() -> None:
    assert len(list(explain([{"type": "missing", "loc": ("body", str(n))} for n in range(1000)], "en"))) == MAX_FIELDS


@given(
    kind=st.sampled_from([*validation._TEXTS, "something_new"]),
    context=st.none() | st.dictionaries(st.text(max_size=10), st.integers(), max_size=3),
    location=st.lists(st.text(max_size=5) | st.integers(), max_size=12),
)
def test_any_complaint_has_a_sentence(kind: str, context: dict[str, Any] | None, location: list[Any]) -> None:
    for lang in LANGS:
        ((field, code, sentence),) = explain([{"type": kind, "loc": location, "ctx": context}], lang)
        assert field
        assert code == kind
        assert sentence
