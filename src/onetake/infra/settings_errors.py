"""Readable complaints about settings: one sentence that names the variable, never a library's dump."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

_PREFIX = "ONETAKE_"
_WORDS = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "missing": "is required",
    "path_type": "must be a path",
    "string_type": "must be text",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
}


class SettingsError(Exception):
    """A setting is unusable; the text is one sentence for a person and names the variable."""


def read_toml(path: Path) -> dict[str, Any]:
    """The keys of the settings file. Raises SettingsError when it cannot be read or parsed."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"ONETAKE_CONFIG names {path}, which cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"ONETAKE_CONFIG names {path}, which is not valid TOML: {error}.") from None


def unknown_names(environment: Mapping[str, str], in_file: Mapping[str, Any], fields: Sequence[str]) -> Iterator[str]:
    """One sentence per name that no setting has, with the nearest known name."""
    known = [_PREFIX + field.upper() for field in fields]
    for name in sorted(environment):
        if name.startswith(_PREFIX) and name.upper() not in known:
            yield f"Unknown variable {name} is ignored.{_did_you_mean(name, known)}"
    for key in sorted(in_file):
        if key not in fields:
            yield f"Unknown key {key!r} in the settings file is ignored.{_did_you_mean(key, fields)}"


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


def first_sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first complaint of a validation as one sentence; secrets' values are left out."""
    detail = error.errors(include_url=False)[0]
    if not detail["loc"]:
        return f"{_own_words(detail)}."
    field = str(detail["loc"][0])
    return f"{_PREFIX}{field.upper()} {_explain(detail)}{_shown_value(detail, field, model)}."


def _explain(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return _own_words(detail)
    template = _WORDS.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else f"is not usable: {detail['msg'].lower()}"


def _own_words(detail: ErrorDetails) -> str:
    return detail["msg"].removeprefix("Value error, ")


def _shown_value(detail: ErrorDetails, field: str, model: type[BaseModel]) -> str:
    info = model.model_fields.get(field)
    if info is None or "SecretStr" in str(info.annotation) or isinstance(detail["input"], SecretStr):
        return ""
    if detail["type"] in ("missing", "value_error"):
        return ""
    return f", not {str(detail['input'])[:80]!r}"
