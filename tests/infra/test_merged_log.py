"""One stream from several processes."""

import io
import json
import logging

from onetake.infra.merged_log import MergedLog


def test_prefix_for_people() -> None:
    sink = io.StringIO()
    MergedLog(sink, as_json=False, colors=False).line("api", "hello")
    assert sink.getvalue() == "api    │ hello\n"


def test_colour_marks_only_the_name() -> None:
    sink = io.StringIO()
    MergedLog(sink, as_json=False, colors=True).line("worker", "hello")
    assert sink.getvalue() == "\x1b[33mworker │\x1b[0m hello\n"


def test_json_passes_and_other_lines_are_wrapped() -> None:
    sink = io.StringIO()
    merged = MergedLog(sink, as_json=True, colors=True)
    merged.line("api", '{"event": "x"}')
    merged.line("api", 'Fatal Python error: "oh"')
    first, second = (json.loads(line) for line in sink.getvalue().splitlines())
    assert first == {"event": "x"}
    assert second == {"event": 'Fatal Python error: "oh"', "level": "info", "process": "api", "raw": True}


def test_empty_lines_are_dropped_and_a_closed_sink_is_survived() -> None:
    sink = io.StringIO()
    merged = MergedLog(sink, as_json=False, colors=False)
    merged.line("api", "  ")
    assert sink.getvalue() == ""
    sink.close()
    merged.line("api", "hello")


def test_stream_feeds_a_logging_handler() -> None:
    sink = io.StringIO()
    handler = logging.StreamHandler(MergedLog(sink, as_json=False, colors=False).stream("serve"))
    handler.emit(logging.makeLogRecord({"msg": "two\nlines"}))
    assert sink.getvalue() == "serve  │ two\nserve  │ lines\n"
