"""Cron expressions: what is taken, what is refused, when it runs across DST, what it says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetake.kit.cron import BadCron, Cron, NeverRuns, UnknownTimezone, parse_cron, zone
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

    @pytest.mark.parametrize(
        ("text", "name", "start", "expected"),
        [
            ("0 0 * * *", "Europe/Berlin", "2027-03-28", ["2027-03-29T00:00+02:00", "2027-03-30T00:00+02:00"]),
            ("30 0 * * *", "America/New_York", "2027-03-14", ["2027-03-14T00:30-05:00", "2027-03-15T00:30-04:00"]),
            ("0 0 * * *", "America/Santiago", "2026-09-05", ["2026-09-05T00:00-04:00", "2026-09-06T01:00-03:00"]),
            ("0 0 * * 0", "America/Santiago", "2026-09-05", ["2026-09-06T01:00-03:00", "2026-09-13T00:00-03:00"]),
            ("0 0 * * *", "Africa/Cairo", "2026-04-22", ["2026-04-23T00:00+02:00", "2026-04-24T01:00+03:00"]),
            ("30 0 * * *", "America/Havana", "2027-03-14", ["2027-03-14T01:30-04:00", "2027-03-15T00:30-04:00"]),
            ("*/30 2 * * *", "Europe/Berlin", "2027-03-28", ["2027-03-28T03:00+02:00", "2027-03-28T03:30+02:00"]),
            ("0 2,3 * * *", "Europe/Berlin", "2027-03-28", ["2027-03-28T03:00+02:00", "2027-03-29T02:00+02:00"]),
            ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03", ["2026-10-04T02:45+11:00", "2026-10-05T02:15+11:00"]),
            ("*/30 * * * *", "Europe/Berlin", "2027-03-28T00:15", ["2027-03-28T01:30+01:00", "2027-03-28T03:00+02:00"]),
        ],
    )
    def test_no_day_is_lost(self, text: str, name: str, start: str, expected: list[str]) -> None:
        moment = datetime.fromisoformat(f"{start}{'' if 'T' in start else 'T00:00'}+00:00")
        found = parse_cron(text).next_runs(moment, ZoneInfo(name), 2)
        assert [run.isoformat(timespec="minutes") for run in found] == expected

    def test_dates_that_hardly_exist_are_found_at_once(self) -> None:
        found = runs("0 0 31 2,4,6 0", datetime(2026, 11, 22, tzinfo=UTC), SHANGHAI)
        assert found == ["2027-02-07T00:00:00+08:00", "2027-02-14T00:00:00+08:00", "2027-02-21T00:00:00+08:00"]
        leap = parse_cron("0 0 29 2 *").next_runs(datetime(2090, 1, 1, tzinfo=UTC), SHANGHAI, 3)
        assert [run.year for run in leap] == [2092, 2096, 2104]

    def test_sunday_is_zero_and_seven(self) -> None:
        start = datetime(2026, 11, 22, 12, 1, tzinfo=UTC)
        assert runs("0 20 * * 0", start, SHANGHAI) == runs("0 20 * * 7", start, SHANGHAI)
        assert runs("0 20 * * sun", start, SHANGHAI)[0] == "2026-11-29T20:00:00+08:00"

    def test_both_day_fields_mean_either(self) -> None:
        found = runs("0 0 13 * 5", datetime(2026, 12, 5, tzinfo=UTC), SHANGHAI)
        assert found == ["2026-12-11T00:00:00+08:00", "2026-12-13T00:00:00+08:00", "2026-12-18T00:00:00+08:00"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0 0 */2 * 1", ["2026-12-07", "2026-12-21", "2027-01-11"]),
            ("0 0 */2 * */6", ["2026-12-05", "2026-12-13", "2026-12-19"]),
            ("0 0 13 * */5", ["2026-12-13", "2027-06-13", "2027-08-13"]),
            ("0 0 *,13 * 5", ["2026-12-11", "2026-12-18", "2026-12-25"]),
            ("0 0 1-31 * 5", ["2026-12-05", "2026-12-06", "2026-12-07"]),
            ("0 0 13 * 0-6", ["2026-12-05", "2026-12-06", "2026-12-07"]),
            ("0 0 29 2 */7", ["2032-02-29", "2060-02-29", "2088-02-29"]),
        ],
    )
    def test_a_day_field_that_begins_with_a_star_means_both(self, text: str, expected: list[str]) -> None:
        found = parse_cron(text).next_runs(datetime(2026, 12, 4, 15, tzinfo=UTC), SHANGHAI, 3)
        assert [run.date().isoformat() for run in found] == expected

    def test_the_rarest_date_is_found(self) -> None:
        found = parse_cron("0 0 29 2 */7").next_runs(datetime(2088, 3, 1, tzinfo=UTC), SHANGHAI, 1)
        assert [run.year for run in found] == [2128]

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
        for text in ("0 0 30,31 2 *", "0 0 30 2 */2"):
            with pytest.raises(NeverRuns):
                parse_cron(text)

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
    ("0 0 13 * */6", "on day 13 of the month falling on Saturday and Sunday at 00:00", "每月13日且逢周六和周日 00:00"),
    ("0 0 */15 * 1", "on day 1, 16, 31 of the month falling on Monday at 00:00", "每月1、16、31日且逢周一 00:00"),
    ("0 0 1-31 * 1", "every day at 00:00", "每天 00:00"),
    ("0 0 1 1 *", "on day 1 of the month in January at 00:00", "每年1月1日 00:00"),
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


def test_in_traditional_words() -> None:
    assert describe(parse_cron("0 0 */15 * 1"), "zh-TW") == "每月1、16、31日且逢週一 00:00"
    assert describe(parse_cron("0 0 13 * 5"), "zh-TW") == "每月13日或週五 00:00"


@given(st.text(alphabet="0123456789*/,- @abcsunmonjan", max_size=70))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        cron = parse_cron(text)
    except (BadCron, NeverRuns):
        return
    first = cron.next_run(datetime(2026, 11, 22, tzinfo=UTC), SHANGHAI)
    assert first is not None
    assert all(describe(cron, lang) for lang in LANGS)


# -- against a search that tries every minute ----------------------------------------------------------------------

_ZONES = (
    *("Europe/Berlin", "Europe/London", "Atlantic/Azores", "Africa/Cairo", "Africa/Casablanca", "Asia/Gaza"),
    *("Asia/Beirut", "Asia/Shanghai", "Asia/Kathmandu", "America/New_York", "America/Havana", "America/Santiago"),
    *(
        "America/St_Johns",
        "America/Nuuk",
        "Australia/Sydney",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "Pacific/Apia",
    ),
)
_MINUTE = timedelta(minutes=1)


@cache
def changes(name: str) -> list[datetime]:
    """The days of 2024 to 2031 on which the clocks of a zone change; one day of a zone where they never do."""
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(8 * 365)]
    offsets = [day.astimezone(ZoneInfo(name)).utcoffset() for day in days]
    return [day for day, here, there in zip(days, offsets, offsets[1:], strict=False) if here != there] or days[:1]


def every_minute(cron: Cron, both: bool, start: datetime, tz: ZoneInfo) -> Iterator[datetime]:
    """The runs of five days by the rules alone: what the clock shows, or would show had it not been advanced."""
    advanced_until, before = start, start.astimezone(tz).utcoffset()
    old_offset = before
    for minute in range(1, 5 * 1440):
        now = start + minute * _MINUTE
        wall = now.astimezone(tz)
        offset = wall.utcoffset()
        assert offset is not None
        assert before is not None
        if offset > before:
            advanced_until, old_offset = now + (offset - before), before
        before = offset
        shown = names(cron, both, wall) and (wall.fold == 0 or cron.hours is None)
        missing = now < advanced_until and cron.hours is not None
        if shown or (missing and names(cron, both, now.astimezone(UTC) + (old_offset or timedelta()))):
            yield wall


def names(cron: Cron, both: bool, wall: datetime) -> bool:
    """Whether the fields name this minute of the wall; of the day fields both must, or either."""
    days, weekdays = cron.days or range(1, 32), cron.weekdays or range(7)
    fits_day = (all if both else any)([wall.day in days, (wall.weekday() + 1) % 7 in weekdays])
    fits_time = (cron.hours is None or wall.hour in cron.hours) and (
        cron.minutes is None or wall.minute in cron.minutes
    )
    return fits_time and fits_day and (cron.months is None or wall.month in cron.months)


_MINUTES = st.sampled_from(["0", "30", "15,45", "*/30", "*/7", "*", "59", "10-20/5"])
_HOURS = st.sampled_from(["0", "1", "2", "3", "23", "*/2", "0-3", "22-23,0", "*", "1,2,3", "12"])
_DAYS = st.sampled_from(["*", "*", "*", "*/2", "1-7", "25-31"])
_WEEKDAYS = st.sampled_from(["*", "*", "*", "0", "1-5", "6,0", "*/3"])


@settings(max_examples=100, deadline=None)
@given(_MINUTES, _HOURS, _DAYS, _WEEKDAYS, st.sampled_from(_ZONES), st.data())
def test_runs_are_those_of_a_search_minute_by_minute(
    minutes: str, hours: str, days: str, weekdays: str, name: str, data: st.DataObject
) -> None:
    cron, tz = parse_cron(f"{minutes} {hours} {days} * {weekdays}"), ZoneInfo(name)
    change = data.draw(st.sampled_from(changes(name)))
    start = change - data.draw(st.integers(0, 3 * 1440)) * _MINUTE
    end = start + 5 * 1440 * _MINUTE
    found = []
    for run in cron.runs_after(start, tz):
        if run >= end:
            break
        found.append(run)
    both = "*" in (days[0], weekdays[0])
    expected = list(every_minute(cron, both, start, tz))
    assert [run.isoformat() for run in found] == [run.isoformat() for run in expected]
