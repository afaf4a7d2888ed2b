"""Cron expressions: what is taken, what is refused, when it runs across DST, what it says."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.kit.cron import BadCron, NeverRuns, UnknownTimezone, parse_cron, zone
from onetake.kit.cron_words import describe
from onetake.kit.errors import LANGS

BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")


def runs(text: str, start: datetime, tz: ZoneInfo, count: int = 3) -> list[str]:
    return [run.isoformat() for run in parse_cron(text).next_runs(start, tz, count)]


class TestRuns:
    def test_a_missing_hour_moves_the_run_behind_it(self) -> None:
        found = runs("30 2 * * *", datetime(2026, 3, 28, tzinfo=UTC), BERLIN)
        assert found == ["2026-03-28T02:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"]

    def test_a_doubled_hour_runs_a_fixed_plan_once(self) -> None:
        found = runs("30 2 * * *", datetime(2026, 10, 24, tzinfo=UTC), BERLIN)
        assert found == ["2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]

    def test_a_doubled_hour_runs_an_hourly_plan_twice(self) -> None:
        found = runs("30 * * * *", datetime(2026, 10, 25, 0, 0, tzinfo=UTC), BERLIN)
        assert found == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"]

    def test_sunday_is_zero_and_seven(self) -> None:
        start = datetime(2026, 11, 22, 12, 1, tzinfo=UTC)
        assert runs("0 20 * * 0", start, SHANGHAI) == runs("0 20 * * 7", start, SHANGHAI)
        assert runs("0 20 * * sun", start, SHANGHAI)[0] == "2026-11-29T20:00:00+08:00"

    def test_both_day_fields_mean_either(self) -> None:
        found = runs("0 0 13 * 5", datetime(2026, 12, 5, tzinfo=UTC), SHANGHAI)
        assert found == ["2026-12-11T00:00:00+08:00", "2026-12-13T00:00:00+08:00", "2026-12-18T00:00:00+08:00"]

    def test_leap_days(self) -> None:
        assert runs("0 0 29 2 *", datetime(2026, 1, 1, tzinfo=UTC), SHANGHAI, 1) == ["2028-02-29T00:00:00+08:00"]

    def test_a_run_at_the_very_moment_is_past(self) -> None:
        at = datetime(2026, 11, 22, 20, 0, tzinfo=SHANGHAI)
        assert runs("0 20 * * *", at, SHANGHAI, 1) == ["2026-11-23T20:00:00+08:00"]


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("", ""),
            ("* * * *", "* * * *"),
            ("60 * * * *", "60"),
            ("* 24 * * *", "24"),
            ("* * 0 * *", "0"),
            ("* * * 13 *", "13"),
            ("* * * * 8", "8"),
            ("*/0 * * * *", "*/0"),
            ("5-1 * * * *", "5-1"),
            ("1,,2 * * * *", ""),
            ("-1 * * * *", "-1"),
            ("٣ * * * *", "٣"),
            ("@reboot", "@reboot"),
            ("* * * * * *", "* * * * * *"),
            ("0 " * 60, ("0 " * 60)[:64]),
        ],
    )
    def test_not_an_expression(self, text: str, part: str) -> None:
        with pytest.raises(BadCron) as caught:
            parse_cron(text)
        assert caught.value.params["part"] == part
        assert caught.value.field == "cron_expr"

    def test_no_such_date(self) -> None:
        with pytest.raises(NeverRuns):
            parse_cron("0 0 30,31 2 *")

    @pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "A" * 500, "\0"])
    def test_no_such_zone(self, name: str) -> None:
        with pytest.raises(UnknownTimezone):
            zone(name)


_WORDS = [
    ("30 8 * * 1-5", "Monday to Friday at 08:30", "周一至周五 08:30"),
    ("*/15 * * * *", "every 15 minutes", "每15分钟"),
    ("@daily", "every day at 00:00", "每天 00:00"),
    ("0 20 * * 0", "Sunday at 20:00", "周日 20:00"),
    ("0 0 13 * 5", "on day 13 of the month or Friday at 00:00", "每月13日或周五 00:00"),
    ("0 6,18 1 1-3 *", "on day 1 of the month in January–March at 06:00, 18:00", "1月–3月 每月1日 06:00、18:00"),
    ("*/5 8-18 * * *", "every day every 5 minutes (08:00–18:00)", "每天 每5分钟 (08:00–18:00)"),
    ("0 */6 * * *", "every 6 hours at minute 0", "每6小时第0分"),
    ("* * * * sat,sun", "every minute Saturday and Sunday", "周六和周日 每分钟"),
    ("7,9 8-20 * 5 *", "every day in May at minute 7, 9 of the hours 8–20", "5月 每天 8–20点的第7、9分"),
]


@pytest.mark.parametrize(("text", "english", "chinese"), _WORDS)
def test_in_words(text: str, english: str, chinese: str) -> None:
    assert describe(parse_cron(text), "en") == english
    assert describe(parse_cron(text), "zh-CN") == chinese


@given(st.text(alphabet="0123456789*/,- @abcsunmonjan", max_size=70))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        cron = parse_cron(text)
    except (BadCron, NeverRuns):
        return
    first = cron.next_run(datetime(2026, 11, 22, tzinfo=UTC), SHANGHAI)
    assert first is not None
    assert all(describe(cron, lang) for lang in LANGS)
