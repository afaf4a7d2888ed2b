"""Lists in the API: page numbers, sizes, totals and sort orders."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from onetake.kit.errors import Invalid, Text

ItemT = TypeVar("ItemT")

MAX_PER_PAGE = 200
MAX_PAGE = 1_000_000
DEFAULT_PER_PAGE = 20
MAX_SORT_KEYS = 3
_SORT_KEY = re.compile(r"(-?)([a-z][a-z0-9_]{0,39})\Z")


class BadSort(Invalid):
    """`sort` names an unknown key. Parameter: `allowed`."""

    code = "bad_sort"
    text = Text(
        en="Sorting is possible by: {allowed}.", zh_cn="可排序的字段：{allowed}。", zh_tw="可排序的欄位：{allowed}。"
    )


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page that somebody asked for; `page` counts from 1."""

    page: int = 1
    per_page: int = DEFAULT_PER_PAGE

    @property
    def offset(self) -> int:
        """How many rows stand before this page."""
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class SortKey:
    """One column name of a sort order."""

    name: str
    descending: bool = False


class Page(BaseModel, Generic[ItemT]):
    """One page of a list, with totals."""

    model_config = ConfigDict(from_attributes=True)

    items: list[ItemT] = Field(description="The rows of this page, in the asked order.")
    page: int = Field(description="Number of this page, from 1.", examples=[1])
    per_page: int = Field(description="Rows per page that were asked for.", examples=[20])
    total: int = Field(description="Rows in the whole list.", examples=[1])
    pages: int = Field(description="Number of pages; 0 when the list is empty.", examples=[1])


def page_of(items: Sequence[ItemT], total: int, request: PageRequest) -> Page[ItemT]:
    """`items` as the answer to `request` in a list of `total` rows."""
    pages = -(-total // request.per_page)
    return Page(items=list(items), page=request.page, per_page=request.per_page, total=total, pages=pages)


def parse_sort(text: str | None, allowed: Collection[str], default: str) -> tuple[SortKey, ...]:
    """`"-created_at,name"` as sort keys; a leading minus means descending.

    Raises `BadSort` for an unknown key, a repeated one or more than three of them.
    """
    keys = tuple(_sort_key(part, allowed) for part in (text or default).split(","))
    if len(keys) > MAX_SORT_KEYS or len({key.name for key in keys}) != len(keys):
        raise BadSort(field="sort", allowed=", ".join(sorted(allowed)))
    return keys


def _sort_key(part: str, allowed: Collection[str]) -> SortKey:
    found = _SORT_KEY.match(part)
    if not found or found[2] not in allowed:
        raise BadSort(field="sort", allowed=", ".join(sorted(allowed)))
    return SortKey(found[2], descending=bool(found[1]))
