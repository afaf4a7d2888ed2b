"""The zone of the machine: by TZ, by the name of /etc/localtime, by a copy of the file."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from onetake.kit.local_zone import machine_zone

NOWHERE = Path("/nowhere/localtime")
SUMMER, WINTER = datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    """A collection of zone files as systems have one."""
    folder = tmp_path / "share" / "zoneinfo" / "Europe"
    folder.mkdir(parents=True)
    (folder / "Berlin").write_bytes(_compiled("Europe/Berlin"))
    return folder.parent


def _compiled(name: str) -> bytes:
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


@pytest.fixture
def tz(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """TZ of the process, put back afterwards."""
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", ["Asia/Shanghai", ":Asia/Shanghai", "/usr/share/zoneinfo/Asia/Shanghai"])
def test_tz_names_it(name: str, zones: Path) -> None:
    assert machine_zone({"TZ": name}, zones / "Europe" / "Berlin").key == "Asia/Shanghai"


@pytest.mark.parametrize(
    ("value", "key"),
    [("CST-8", "Etc/GMT-8"), ("EST5", "Etc/GMT+5"), ("EST5EDT,M3.2.0,M11.1.0", "UTC"), ("IST-5:30", "UTC")],
)
def test_tz_without_a_name(tz: pytest.MonkeyPatch, value: str, key: str) -> None:
    tz.setenv("TZ", value)
    time.tzset()
    zone = machine_zone({"TZ": value}, NOWHERE)
    assert zone.key == key


def test_an_offset_is_that_of_the_machine(tz: pytest.MonkeyPatch) -> None:
    tz.setenv("TZ", "CST-8")
    time.tzset()
    assert SUMMER.astimezone().utcoffset() == SUMMER.astimezone(machine_zone({"TZ": "CST-8"})).utcoffset()


def test_a_link_names_it(tmp_path: Path, zones: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to(zones / "Europe" / "Berlin")
    assert machine_zone({}, link) is ZoneInfo("Europe/Berlin")
    assert machine_zone({"TZ": ""}, link) is ZoneInfo("Europe/Berlin")


def test_a_copy_keeps_summer_time(tmp_path: Path, zones: Path) -> None:
    copy = tmp_path / "localtime"
    copy.write_bytes((zones / "Europe" / "Berlin").read_bytes())
    zone = machine_zone({}, copy)
    offsets = [moment.astimezone(zone).utcoffset() for moment in (SUMMER, WINTER)]
    assert offsets == [moment.astimezone(ZoneInfo("Europe/Berlin")).utcoffset() for moment in (SUMMER, WINTER)]


def test_utc_otherwise(tmp_path: Path) -> None:
    assert machine_zone({}, NOWHERE).key == "UTC"
    (tmp_path / "localtime").write_text("not a zone")
    assert machine_zone({}, tmp_path / "localtime").key == "UTC"
    assert machine_zone({}, tmp_path).key == "UTC"
