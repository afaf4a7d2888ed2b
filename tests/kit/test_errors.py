"""Every expected error has a stable code, a status and three real sentences."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import onetake
from onetake.kit.errors import LANGS, AppError, TooManyRequests

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _subclasses(base: type[AppError]) -> Iterator[type[AppError]]:
    for child in base.__subclasses__():
        yield child
        yield from _subclasses(child)


def _all_errors() -> list[type[AppError]]:
    for found in pkgutil.walk_packages(onetake.__path__, "onetake."):
        if found.name.endswith("errors"):
            importlib.import_module(found.name)
    return sorted({cls for cls in _subclasses(AppError) if cls.__module__.startswith("onetake.")}, key=str)


def test_three_languages_with_the_same_placeholders() -> None:
    for cls in _all_errors():
        texts = (cls.text.en, cls.text.zh_cn, cls.text.zh_tw)
        assert all(texts), cls
        assert len({frozenset(_PLACEHOLDER.findall(text)) for text in texts}) == 1, cls
        assert re.search(r"[\u4e00-\u9fff]", cls.text.zh_cn), cls
        assert not re.search(r"[\u4e00-\u9fff]", cls.text.en), cls


def test_status_and_code_are_well_formed_and_a_code_means_one_status() -> None:
    statuses: dict[str, int] = {}
    for cls in _all_errors():
        assert 400 <= cls.status < 600, cls
        assert re.fullmatch(r"[a-z][a-z0-9_]*", cls.code), cls
        assert statuses.setdefault(cls.code, cls.status) == cls.status, cls


def test_retry_after_goes_into_the_header_and_the_sentence() -> None:
    error = TooManyRequests(retry_after_s=30)
    assert error.headers == {"Retry-After": "30"}
    assert all("30" in error.detail(lang) for lang in LANGS)
