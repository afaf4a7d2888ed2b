"""Log lines: one event one line, no secret, no forged line, every library routed in."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from onetake.infra.context import Actor, acting_as
from onetake.infra.logging import (
    bind_log_context,
    configure_logging,
    get_logger,
    one_line,
    redact_event,
    unbind_log_context,
    use_colors,
)

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, show = list(root.handlers), root.level, warnings.showwarning
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    warnings.showwarning = show
    structlog.reset_defaults()
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("uvicorn", "aiosqlite", "asyncio", "alembic", "httpx", "httpcore")):
            logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def json_lines() -> Lines:
    sink = io.StringIO()
    configure_logging("api", "json", "info", stream=sink)
    return lambda: [json.loads(line) for line in sink.getvalue().splitlines()]


@pytest.fixture
def text() -> Callable[[], str]:
    sink = io.StringIO()
    configure_logging("api", "text", "info", colors=False, stream=sink)
    return sink.getvalue


def test_json_fields(json_lines: Lines) -> None:
    get_logger("onetake.jobs").info("job done", job=7)
    (line,) = json_lines()
    assert line["event"] == "job done"
    assert line["job"] == 7
    assert (line["level"], line["logger"], line["process"]) == ("info", "onetake.jobs", "api")
    assert line["timestamp"].endswith("Z")


def test_other_libraries_look_the_same(json_lines: Lines) -> None:
    logging.getLogger("sqlalchemy.pool").warning("pool %s", "small", extra={"size": 3})
    (line,) = json_lines()
    assert (line["event"], line["size"], line["logger"]) == ("pool small", 3, "sqlalchemy.pool")


def test_request_and_user_come_from_the_context(json_lines: Lines) -> None:
    with acting_as(Actor(kind="user", user_id=5, request_id="r-1")):
        get_logger("x").info("inside")
    get_logger("x").info("outside")
    inside, outside = json_lines()
    assert (inside["request_id"], inside["user_id"]) == ("r-1", 5)
    assert "request_id" not in outside


def test_bound_values_join_every_line(json_lines: Lines) -> None:
    tokens = bind_log_context(job=7)
    logging.getLogger("lib").warning("one")
    unbind_log_context(tokens)
    logging.getLogger("lib").warning("two")
    one, two = json_lines()
    assert one["job"] == 7
    assert "job" not in two


@pytest.mark.parametrize(
    "name", ["password", "access_token", "Authorization", "set-cookie", "client_secret", "api_key"]
)
def test_secret_by_name(json_lines: Lines, name: str) -> None:
    get_logger("x").info(
        "login", **{name: "hunter2-value"}, nested={name: "hunter2-value"}, rows=[{name: "hunter2-value"}]
    )
    assert "hunter2-value" not in json.dumps(json_lines())


def test_secret_by_shape(json_lines: Lines) -> None:
    logging.getLogger("x").warning("pull %s", "rtsp://cam:pass-word@host/s?auth=abc")
    get_logger("x").info("see postgresql://me:pass-word@db/x")
    text = json.dumps(json_lines())
    assert "pass-word" not in text
    assert "abc" not in text


def test_secret_in_a_traceback(json_lines: Lines) -> None:
    try:
        raise ValueError("cannot open rtmp://host/live/stream-key-1")
    except ValueError:
        get_logger("x").exception("failed", reason="rtmp://host/live/stream-key-1")
    (line,) = json_lines()
    assert "ValueError" in line["exception"]
    assert "stream-key-1" not in json.dumps(line)


def test_one_event_is_one_line_for_people(text: Callable[[], str]) -> None:
    logging.getLogger("x").warning("user %s", "eve\r\n00:00:00 [error] forged\x1b[2J\u2028")
    assert len(text().splitlines()) == 1
    assert "\x1b" not in text()
    assert "\\r\\n" in text()


def test_traceback_keeps_its_lines_for_people(text: Callable[[], str]) -> None:
    try:
        raise ValueError("evil\x1b[31m")
    except ValueError:
        get_logger("x").exception("failed")
    assert "Traceback (most recent call last):\n" in text()
    assert "\x1b" not in text()


def test_level_and_noise(text: Callable[[], str]) -> None:
    get_logger("onetake.x").debug("fine detail")
    logging.getLogger("httpx").info("GET /")
    logging.getLogger("uvicorn.error").info("started")
    assert text() == ""


def test_huge_values_are_cut(json_lines: Lines) -> None:
    get_logger("x").info("big", value="v" * 1_000_000)
    (line,) = json_lines()
    assert len(line["value"]) < 10_000


def test_deep_and_cyclic_values_end(json_lines: Lines) -> None:
    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    get_logger("x").info("deep", value=cyclic)
    assert json_lines()[0]["event"] == "deep"


@given(st.text())
def test_no_text_breaks_the_line(value: str) -> None:
    cleaned = one_line(None, "", {"event": value})["event"]
    assert len(cleaned.splitlines()) <= 1
    assert all(ord(char) >= 0x20 and ord(char) != 0x7F for char in cleaned)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_value_can_be_logged(value: object) -> None:
    json.dumps(redact_event(None, "", {"event": "x", "value": value}), default=str)


def test_colour_only_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("_ONETAKE_COLOR", raising=False)
    assert use_colors() is False
    monkeypatch.setenv("_ONETAKE_COLOR", "1")
    assert use_colors() is True
    monkeypatch.setenv("NO_COLOR", "1")
    assert use_colors() is False
