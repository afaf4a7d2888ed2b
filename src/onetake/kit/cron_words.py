"""A cron plan in the words of a person, in the three languages of the product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from onetake.kit.cron import Cron
from onetake.kit.errors import Lang

MAX_TIMES = 6


@dataclass(frozen=True, slots=True)
class _Words:
    """One language's pieces. `date_first` is the order of Chinese: month, day, time."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    workdays: str
    weekend: str
    every_day: str
    day_list: str
    month_list: str
    day_of_month: str
    every_minute: str
    every_n_minutes: str
    every_hour_at: str
    every_n_hours_at: str
    at_times: str
    minutes_of_hours: str
    either: str
    both: str
    comma: str
    date_first: bool


_EN = _Words(
    weekdays=("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    workdays="Monday to Friday",
    weekend="Saturday and Sunday",
    every_day="every day",
    day_list="on day {list} of the month",
    month_list="in {list}",
    day_of_month="",
    every_minute="every minute",
    every_n_minutes="every {n} minutes",
    every_hour_at="every hour at minute {list}",
    every_n_hours_at="every {n} hours at minute {list}",
    at_times="at {list}",
    minutes_of_hours="at minute {minutes} of the hours {hours}",
    either=" or ",
    both=" falling on ",
    comma=", ",
    date_first=False,
)
_CN = _Words(
    weekdays=("周日", "周一", "周二", "周三", "周四", "周五", "周六"),
    months=tuple(f"{month}月" for month in range(1, 13)),
    workdays="周一至周五",
    weekend="周六和周日",
    every_day="每天",
    day_list="每月{list}日",
    month_list="{list}",
    day_of_month="每年{month}{list}日",
    every_minute="每分钟",
    every_n_minutes="每{n}分钟",
    every_hour_at="每小时第{list}分",
    every_n_hours_at="每{n}小时第{list}分",
    at_times="{list}",
    minutes_of_hours="{hours}点的第{minutes}分",
    either="或",
    both="且逢",
    comma="、",
    date_first=True,
)
_TW = _Words(
    weekdays=("週日", "週一", "週二", "週三", "週四", "週五", "週六"),
    months=_CN.months,
    workdays="週一至週五",
    weekend="週六和週日",
    every_day="每天",
    day_list="每月{list}日",
    month_list="{list}",
    day_of_month="每年{month}{list}日",
    every_minute="每分鐘",
    every_n_minutes="每{n}分鐘",
    every_hour_at="每小時第{list}分",
    every_n_hours_at="每{n}小時第{list}分",
    at_times="{list}",
    minutes_of_hours="{hours}點的第{minutes}分",
    either="或",
    both="且逢",
    comma="、",
    date_first=True,
)
_LANGUAGES: dict[Lang, _Words] = {"en": _EN, "zh-CN": _CN, "zh-TW": _TW}


def describe(cron: Cron, lang: Lang) -> str:
    """The plan as a phrase: "Monday to Friday at 08:30", "周一至周五 08:30"."""
    words = _LANGUAGES[lang]
    time, dates = _time(cron, words), _dates(cron, words)
    several_a_day = cron.hours is None or _step(cron.hours, 24) is not None
    if not dates and several_a_day:
        return time
    pieces = [dates or words.every_day, time]
    if several_a_day and not words.date_first:
        pieces.reverse()
    return " ".join(pieces)


def _time(cron: Cron, words: _Words) -> str:
    if cron.hours is None:
        return _minutes(cron.minutes, words)
    minutes = cron.minutes if cron.minutes is not None else tuple(range(60))
    step = _step(cron.hours, 24)
    if step is not None and len(minutes) <= MAX_TIMES:
        return words.every_n_hours_at.format(n=step, list=_ranges(minutes, words, str))
    times = [f"{hour:02}:{minute:02}" for hour in cron.hours for minute in minutes]
    if len(times) <= MAX_TIMES:
        return words.at_times.format(list=words.comma.join(times))
    if cron.minutes is None or _step(minutes, 60):
        return f"{_minutes(cron.minutes, words)} ({_ranges(cron.hours, words, _hour)})"
    hours = _ranges(cron.hours, words, str)
    return words.minutes_of_hours.format(minutes=_ranges(minutes, words, str), hours=hours)


def _minutes(minutes: tuple[int, ...] | None, words: _Words) -> str:
    if minutes is None:
        return words.every_minute
    step = _step(minutes, 60)
    if step is not None:
        return words.every_n_minutes.format(n=step)
    return words.every_hour_at.format(list=_ranges(minutes, words, str))


def _dates(cron: Cron, words: _Words) -> str:
    """The day and month pieces; empty when every day will do."""
    if cron.days and cron.months and len(cron.months) == 1 and not cron.weekdays and words.day_of_month:
        month, days = _month(words, cron.months[0]), _ranges(cron.days, words, str)
        return words.day_of_month.format(month=month, list=days)
    days = words.day_list.format(list=_ranges(cron.days, words, str)) if cron.days else ""
    weekdays = _weekdays(cron.weekdays, words) if cron.weekdays else ""
    date = (words.either if cron.is_either else words.both).join(piece for piece in (days, weekdays) if piece)
    if not cron.months:
        return date
    months = words.month_list.format(list=_ranges(cron.months, words, partial(_month, words)))
    date = date or words.every_day
    return " ".join((months, date) if words.date_first else (date, months))


def _weekdays(days: tuple[int, ...], words: _Words) -> str:
    if days == (1, 2, 3, 4, 5):
        return words.workdays
    if days == (0, 6):
        return words.weekend
    monday_first = sorted(days, key=lambda day: (day + 6) % 7)
    return words.comma.join(words.weekdays[day] for day in monday_first)


def _step(values: tuple[int, ...], cycle: int) -> int | None:
    """n when the values are 0, n, 2n … through the whole cycle and n divides it."""
    if len(values) < 2 or values[0] != 0:
        return None
    step = values[1]
    return step if cycle % step == 0 and values == tuple(range(0, cycle, step)) else None


def _hour(hour: int) -> str:
    return f"{hour:02}:00"


def _month(words: _Words, month: int) -> str:
    return words.months[month - 1]


def _ranges(values: Sequence[int], words: _Words, show: Callable[[int], str]) -> str:
    """`1, 2, 3, 7` as `1–3, 7`."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return words.comma.join(
        words.comma.join(map(show, run)) if len(run) < 3 else f"{show(run[0])}–{show(run[-1])}" for run in runs
    )
