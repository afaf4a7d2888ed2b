"""Pydantic's complaints as sentences for a person in three languages; the refused value itself is never repeated."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from onetake.kit.errors import Lang, Text

MAX_FIELDS = 20
_IN = ("body", "query", "path", "header", "cookie")

_GENERIC = Text("This value is not valid.", "该值无效。", "此值無效。")
_NUMBER = Text("A number is needed.", "需要填写数字。", "需要填寫數字。")
_WHOLE = Text("A whole number is needed.", "需要填写整数。", "需要填寫整數。")
_TEXT = Text("Text is needed.", "需要填写文本。", "需要填寫文字。")
_BOOL = Text("True or false is needed.", "需要填写 true 或 false。", "需要填寫 true 或 false。")
_OBJECT = Text("A JSON object is needed.", "需要 JSON 对象。", "需要 JSON 物件。")
_TIME = Text(
    "A date and time such as 2026-01-31T08:00:00Z is needed.",
    "需要形如 2026-01-31T08:00:00Z 的日期时间。",
    "需要形如 2026-01-31T08:00:00Z 的日期時間。",
)
_CHOICE = Text("Allowed are: {expected}.", "允许的值：{expected}。", "允許的值：{expected}。")

_TEXTS: dict[str, Text] = {
    "missing": Text("This field is required.", "此项必填。", "此項必填。"),
    "extra_forbidden": Text("This field is unknown.", "未知字段。", "未知欄位。"),
    "json_invalid": Text("The body is not valid JSON.", "请求体不是有效的 JSON。", "請求內容不是有效的 JSON。"),
    "model_attributes_type": _OBJECT,
    "model_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": Text("A list is needed.", "需要列表。", "需要清單。"),
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "string_too_short": Text(
        "At least {min_length} characters are needed.",
        "至少需要 {min_length} 个字符。",
        "至少需要 {min_length} 個字元。",
    ),
    "string_too_long": Text(
        "At most {max_length} characters are allowed.", "最多 {max_length} 个字符。", "最多 {max_length} 個字元。"
    ),
    "too_long": Text("At most {max_length} entries are allowed.", "最多 {max_length} 项。", "最多 {max_length} 項。"),
    "too_short": Text(
        "At least {min_length} entries are needed.", "至少需要 {min_length} 项。", "至少需要 {min_length} 項。"
    ),
    "string_pattern_mismatch": Text(
        "It contains characters that are not allowed here.", "包含不允许的字符。", "包含不允許的字元。"
    ),
    "control_characters": Text("Control characters are not allowed.", "不允许使用控制字符。", "不允許使用控制字元。"),
    "email": Text("This is not an e-mail address.", "邮箱地址无效。", "電子郵件地址無效。"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": _TIME,
    "enum": _CHOICE,
    "literal_error": _CHOICE,
    "greater_than_equal": Text("It must be at least {ge}.", "不得小于 {ge}。", "不得小於 {ge}。"),
    "greater_than": Text("It must be more than {gt}.", "必须大于 {gt}。", "必須大於 {gt}。"),
    "less_than_equal": Text("It must be at most {le}.", "不得大于 {le}。", "不得大於 {le}。"),
    "less_than": Text("It must be less than {lt}.", "必须小于 {lt}。", "必須小於 {lt}。"),
}


def explain(complaints: Sequence[Mapping[str, Any]], lang: Lang) -> Iterator[tuple[str, str, str]]:
    """Field path, stable code and sentence of each complaint, at most twenty."""
    for complaint in complaints[:MAX_FIELDS]:
        kind = str(complaint["type"])
        yield _path(complaint["loc"], kind), kind, _sentence(kind, complaint.get("ctx") or {}, lang)


def _path(location: Sequence[str | int], kind: str) -> str:
    parts = location[1:] if location and location[0] in _IN else location
    if kind == "json_invalid" or not parts:
        return "body"
    return ".".join(str(part)[:64] for part in parts[:8]) or "body"  # a key may be the empty text


def _sentence(kind: str, context: Mapping[str, Any], lang: Lang) -> str:
    if lang != "en" and "expected" in context:
        context = {**context, "expected": re.sub(", | or ", "、", str(context["expected"]))}
    try:
        return _TEXTS.get(kind, _GENERIC).render(lang, **context)
    except (KeyError, IndexError):
        return _GENERIC.render(lang)
