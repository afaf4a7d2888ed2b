"""Cron expressions: five fields as crontab(5) has them, next runs in a time zone (DST right), and the plan in words.

APScheduler's trigger does the calendar arithmetic; what it does differently from crontab is put right here: its
numeric week-days begin with Monday, and it wants day-of-month *and* day-of-week where crontab means *or*.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from onetake.kit.errors import Invalid, Text

MAX_CHARS = 64
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
    """A parsed expression: the values of each field, None for an unrestricted one; Sunday is 0."""

    minutes: tuple[int, ...] | None
    hours: tuple[int, ...] | None
    days: tuple[int, ...] | None
    months: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None

    def runs_after(self, moment: datetime, tz: ZoneInfo) -> Iterator[datetime]:
        """Every run later than the aware `moment`, in order, as aware datetimes in `tz`; ends with the calendar.

        When the clock goes back, a plan with fixed hours runs in the first of the two equal hours only; when it goes
        forward, a run inside the missing hour comes as much later as the clock was advanced.
        """
        triggers = [_trigger(self, tz, **restricted) for restricted in self._alternatives()]
        while True:
            start = (moment.astimezone(UTC) + timedelta(microseconds=1)).astimezone(tz)
            found = [run for trigger in triggers if (run := trigger.get_next_fire_time(None, start))]
            if not found:
                return
            moment = min(found).astimezone(UTC).astimezone(tz)
            if not (moment.fold and self.hours is not None):
                yield moment

    def next_run(self, moment: datetime, tz: ZoneInfo) -> datetime | None:
        """The first run later than `moment`, None when there is none any more."""
        return next(self.runs_after(moment, tz), None)

    def next_runs(self, moment: datetime, tz: ZoneInfo, count: int) -> list[datetime]:
        """The next `count` runs later than `moment`."""
        return list(islice(self.runs_after(moment, tz), count))

    def _alternatives(self) -> list[dict[str, bool]]:
        """Both day fields restricted: either is enough, as crontab(5) says."""
        if self.days is not None and self.weekdays is not None:
            return [{"use_weekdays": False}, {"use_days": False}]
        return [{}]


def parse_cron(text: str, field: str = "cron_expr") -> Cron:
    """The meaning of `text`; raises BadCron for anything that crontab(5) would not take, NeverRuns for 30 February."""
    text = text.strip().lower()
    parts = SHORTCUTS.get(text, text).split()
    if len(parts) != 5 or len(text) > MAX_CHARS:
        raise BadCron(field=field, part=text[:MAX_CHARS])
    values = [_field(part, index, field) for index, part in enumerate(parts)]
    cron = Cron(*values)
    if cron.weekdays is None and cron.days and cron.months and not _exists(cron.days, cron.months):
        raise NeverRuns(field=field)
    return cron


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


def _trigger(cron: Cron, tz: ZoneInfo, *, use_days: bool = True, use_weekdays: bool = True) -> CronTrigger:
    def expression(values: tuple[int, ...] | None) -> str:
        return "*" if values is None else ",".join(map(str, values))

    weekdays = None if cron.weekdays is None or not use_weekdays else ",".join(DAYS[day] for day in cron.weekdays)
    return CronTrigger(
        minute=expression(cron.minutes),
        hour=expression(cron.hours),
        day=expression(cron.days if use_days else None),
        month=expression(cron.months),
        day_of_week=weekdays or "*",
        second="0",
        timezone=tz,
    )
