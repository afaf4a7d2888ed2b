"""Page arithmetic and sort orders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.kit.paging import MAX_SORT_KEYS, BadSort, PageRequest, SortKey, page_of, parse_sort

ALLOWED = ("id", "name", "created_at", "size_bytes")


@given(total=st.integers(0, 10_000), per_page=st.integers(1, 200))
def test_pages_hold_every_row_once(total: int, per_page: int) -> None:
    pages = page_of([], total, PageRequest(1, per_page)).pages
    assert (pages - 1) * per_page < total <= pages * per_page or total == pages == 0


def test_offset_counts_from_the_first_page() -> None:
    assert PageRequest(1, 20).offset == 0
    assert PageRequest(3, 20).offset == 40


def test_sort_keeps_order_and_direction() -> None:
    assert parse_sort("-created_at,name", ALLOWED, "id") == (SortKey("created_at", descending=True), SortKey("name"))


@pytest.mark.parametrize("text", [None, ""])
def test_sort_falls_back_to_the_default(text: str | None) -> None:
    assert parse_sort(text, ALLOWED, "-id") == (SortKey("id", descending=True),)


@pytest.mark.parametrize(
    "text",
    ["password_hash", "--id", "-", ",", "id,", "id,id", "id,-id", "ID", "id;drop", "id,name,created_at,size_bytes"],
)
def test_sort_refuses_everything_else(text: str) -> None:
    with pytest.raises(BadSort) as caught:
        parse_sort(text, ALLOWED, "id")
    assert caught.value.field == "sort"
    assert "created_at" in caught.value.detail("en")


@given(st.text(max_size=200))
def test_sort_parses_or_refuses_any_text(text: str) -> None:
    try:
        keys = parse_sort(text, ALLOWED, "id")
    except BadSort:
        return
    assert 1 <= len(keys) <= MAX_SORT_KEYS
    assert {key.name for key in keys} <= set(ALLOWED)
