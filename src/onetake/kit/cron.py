"""Cron expressions: five fields as crontab(5) has them, and their runs in a time zone, right across DST.

A plan names wall times. They are walked in order and turned into instants one by one, so nothing is lost when a day has
23 hours or begins at 01:00.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onetake.kit.errors import Invalid, Text

MAX_CHARS = 64
SEARCH_YEARS = 40
"""No date comes more seldom than 29 February on a certain weekday; in 2100 that day is missing."""
LARGEST_CHANGE = timedelta(hours=3)
"""No clock has been advanced or put back by more since 2012 (Antarctica/Troll: two hours)."""
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SHORTCUTS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES: tuple[tuple[str, ...], ...] = ((), (), (), MONTHS, DAYS)
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?\Z")


class BadCron(Invalid):
    """Not a cron expression. Parameter: `part`, the piece that cannot be read."""

    code = "bad_cron"
    text = Text(
        en="“{part}” is not understood. A cron expression has five fields: minute, hour, day, month, weekday.",
        zh_cn="无法理解“{part}”。cron 表达式由五部分组成：分、时、日、月、星期。",
        zh_tw="無法理解「{part}」。cron 運算式由五個部分組成：分、時、日、月、星期。",
    )


class NeverRuns(Invalid):
    """The expression is well-formed, but no date fulfils it, such as 30 February."""

    code = "cron_never_runs"
    text = Text(en="No date fulfils this plan.", zh_cn="没有任何日期符合该计划。", zh_tw="沒有任何日期符合此計畫。")


class UnknownTimezone(Invalid):
    """Not a zone of the IANA database. Parameter: `name`."""

    code = "unknown_timezone"
    text = Text(en="“{name}” is not a known time zone.", zh_cn="未知时区“{name}”。", zh_tw="未知時區「{name}」。")


def zone(name: str, field: str = "timezone") -> ZoneInfo:
    """The IANA zone `name`; raises UnknownTimezone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownTimezone(field=field, name=name[:64]) from None


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression: the values of each field, None for an unrestricted one; Sunday is 0.

    A day must have both its date and its weekday in the plan; `is_either`: one of them is enough.
    """

    minutes: tuple[int, ...] | None
    hours: tuple[int, ...] | None
    days: tuple[int, ...] | None
    months: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None
    is_either: bool = False

    def runs_after(self, moment: datetime, tz: ZoneInfo) -> Iterator[datetime]:
        """Every run later than the aware `moment`, in order, as aware datetimes in `tz`; ends with the calendar.

        A plan for every hour follows the clock on the wall. For fixed hours: a time that comes twice runs the first
        time only; one that is missing runs as much later as the clock was advanced (RFC 5545, 3.3.5).
        """
        last = moment.astimezone(UTC)
        found: list[datetime] = []
        for wall in self._wall_times(moment.astimezone(tz).replace(tzinfo=None) - LARGEST_CHANGE):
            first, second = (wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
            while found and found[0] < min(first, second):
                run = heappop(found)
                if run > last:  # not past, and not the same instant again
                    last = run
                    yield run.astimezone(tz)
            is_missing, comes_twice = second < first, first < second
            if not (is_missing and self.hours is None):
                heappush(found, first)
            if comes_twice and self.hours is None:
                heappush(found, second)

    def next_run(self, moment: datetime, tz: ZoneInfo) -> datetime | None:
        """The first run later than `moment`, None when there is none any more."""
        return next(self.runs_after(moment, tz), None)

    def next_runs(self, moment: datetime, tz: ZoneInfo, count: int) -> list[datetime]:
        """The next `count` runs later than `moment`."""
        return list(islice(self.runs_after(moment, tz), count))

    def _wall_times(self, start: datetime) -> Iterator[datetime]:
        """What the plan names from `start` on, without a zone."""
        for day in self._dates(start.date()):
            for hour in self.hours or range(24):
                for minute in self.minutes or range(60):
                    wall = datetime.combine(day, time(hour, minute))
                    if wall >= start:
                        yield wall

    def _dates(self, start: date) -> Iterator[date]:
        latest = start
        for year in range(start.year, MAXYEAR):
            if year - latest.year > SEARCH_YEARS:
                return
            for month in self.months or range(1, 13):
                for day in range(1, monthrange(year, month)[1] + 1):
                    found = date(year, month, day)
                    if found >= start and self._has_day(found):
                        latest = found
                        yield found

    def _has_day(self, day: date) -> bool:
        by_date = self.days is None or day.day in self.days
        by_weekday = self.weekdays is None or day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.is_either else by_date and by_weekday


def parse_cron(text: str, field: str = "cron_expr") -> Cron:
    """The meaning of `text`; raises BadCron for anything that crontab(5) would not take, NeverRuns for 30 February."""
    text = text.strip().lower()
    parts = SHORTCUTS.get(text, text).split()
    if len(parts) != 5 or len(text) > MAX_CHARS:
        raise BadCron(field=field, part=text[:MAX_CHARS])
    minutes, hours, days, months, weekdays = (_field(part, index, field) for index, part in enumerate(parts))
    is_either = _is_either(parts[2], parts[4])
    if is_either and (days is None or weekdays is None):
        days = weekdays = None
    if not is_either and days and months and not _exists(days, months):
        raise NeverRuns(field=field)
    return Cron(minutes, hours, days, months, weekdays, is_either and days is not None)


def _is_either(day: str, weekday: str) -> bool:
    """As crontab(5) has it: either day field is enough, unless one of them begins with a star, be it `*/2`."""
    return not (day.startswith("*") or weekday.startswith("*"))


def _field(text: str, index: int, field: str) -> tuple[int, ...] | None:
    values: set[int] = set()
    for part in text.split(","):
        values |= _part(part, index, field)
    low, high = _LIMITS[index]
    if index == 4:
        values = {value % 7 for value in values}
        return None if len(values) == 7 else tuple(sorted(values))
    return None if len(values) == high - low + 1 else tuple(sorted(values))


def _part(text: str, index: int, field: str) -> set[int]:
    found = _PART.match(text)
    if found is None:
        raise BadCron(field=field, part=text[:MAX_CHARS])
    star, first, last, step = found.groups()
    low, high = _LIMITS[index]
    begin = low if star else _number(first, index, field)
    end = high if star or (step and last is None) else begin if last is None else _number(last, index, field)
    stride = int(step) if step else 1
    if stride < 1 or end < begin:
        raise BadCron(field=field, part=text[:MAX_CHARS])
    return set(range(begin, end + 1, stride))


def _number(text: str, index: int, field: str) -> int:
    names = _NAMES[index]
    if text in names:
        return names.index(text) + (1 if index == 3 else 0)
    low, high = _LIMITS[index]
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise BadCron(field=field, part=text[:MAX_CHARS])
    return int(text)


def _exists(days: tuple[int, ...], months: tuple[int, ...]) -> bool:
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    return any(days[0] <= longest.get(month, 31) for month in months)
