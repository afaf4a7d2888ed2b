"""Which of the product's languages a person wants, from `Accept-Language` or a stored choice."""

import re

from onetake.kit.errors import LANGS, Lang

_RANGE = re.compile(r"\s*([A-Za-z*][A-Za-z0-9-]{0,34})\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?\Z")
_TRADITIONAL = ("zh-tw", "zh-hk", "zh-mo", "zh-hant")
MAX_HEADER_CHARS = 1024


def match_language(tag: str) -> Lang | None:
    """The product language that serves the BCP 47 tag best, None when there is none.

    Chinese of Taiwan, Hong Kong and Macao, or in Hant script, is zh-TW; every other Chinese is zh-CN.
    """
    low = tag.lower()
    if low == "zh" or low.startswith("zh-"):
        return "zh-TW" if low.startswith(_TRADITIONAL) else "zh-CN"
    return "en" if low == "en" or low.startswith("en-") else None


def negotiate_language(accept_language: str | None, default: Lang = "en") -> Lang:
    """The wanted language of an `Accept-Language` value (RFC 9110 §12.5.4); malformed parts are skipped."""
    best: tuple[float, Lang] | None = None
    for part in (accept_language or "")[:MAX_HEADER_CHARS].split(","):
        found = _RANGE.match(part)
        lang = match_language(found[1]) if found else None
        quality = float(found[2] or 1) if found else 0.0
        if lang and quality > 0 and (best is None or quality > best[0]):
            best = (quality, lang)
    return best[1] if best else default


def stored_language(value: str | None) -> Lang | None:
    """A language choice as stored, None when it is not (or no longer) one of the product's."""
    return next((lang for lang in LANGS if lang == value), None)
