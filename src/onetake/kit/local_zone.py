"""The time zone that the machine keeps, with its summer time, from what the C library reads: TZ and /etc/localtime."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOCALTIME = Path("/etc/localtime")
_FOLDER = "zoneinfo/"


def machine_zone(environment: Mapping[str, str] = os.environ, localtime: Path = LOCALTIME) -> ZoneInfo:
    """The zone of this machine; UTC when it names none, as its clock then shows UTC."""
    name = environment.get("TZ", "").removeprefix(":")
    if name:
        return _named(name) or _of_whole_hours()
    return _named(str(localtime.resolve())) or _in_file(localtime)


def _named(name: str) -> ZoneInfo | None:
    """`Asia/Shanghai`, or a path to that file in the machine's collection."""
    try:
        return ZoneInfo(name.rpartition(_FOLDER)[2])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _in_file(path: Path) -> ZoneInfo:
    """Containers are often given a copy of the file, without its name."""
    try:
        with path.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (ValueError, OSError):
        return ZoneInfo("UTC")


def _of_whole_hours() -> ZoneInfo:
    """What the C library makes of a TZ such as `CST-8`; the IANA names of fixed offsets count westwards too."""
    hours, rest = divmod(time.timezone, 3600)
    is_fixed = not rest and not time.daylight
    return (_named(f"Etc/GMT{hours:+d}") if is_fixed else None) or ZoneInfo("UTC")
