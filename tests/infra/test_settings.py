"""Settings from the environment and the file, and how bad ones are told."""

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from onetake.infra.settings import Settings, SettingsError, load_settings
from onetake.infra.settings_errors import unknown_names
from onetake.kit.local_zone import machine_zone


def test_defaults_run() -> None:
    settings = load_settings()
    assert (settings.http_port, settings.media_port, settings.files_port, settings.rtmp_port) == (
        8000,
        8080,
        8081,
        1935,
    )
    assert settings.bind == "127.0.0.1"
    assert settings.database_dsn.startswith("sqlite:///")
    assert settings.job_slots == {"video": 1, "net": 2, "notify": 4, "stats": 1}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "onetake.toml"
    file.write_text('http_port = 9000\nmedia_port = 9001\ncors_origins = ["https://a.example"]\n')
    monkeypatch.setenv("ONETAKE_CONFIG", str(file))
    monkeypatch.setenv("ONETAKE_HTTP_PORT", "9100")
    settings = load_settings()
    assert (settings.http_port, settings.media_port) == (9100, 9001)
    assert settings.cors_origins == ("https://a.example",)


@pytest.mark.parametrize(("given", "folder"), [(None, "data"), ("over/here", "over/here"), ("~/onetake", None)])
def test_the_data_folder_is_the_same_from_everywhere(
    given: str | None, folder: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if given is not None:
        monkeypatch.setenv("ONETAKE_DATA_DIR", given)
    settings = load_settings()
    monkeypatch.chdir("/")
    assert settings.data_dir == (tmp_path / folder if folder else Path.home() / "onetake")


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONETAKE_TRUSTED_PROXIES", "10.0.0.1, 192.168.0.0/16,")
    assert load_settings().trusted_proxies == ("10.0.0.1", "192.168.0.0/16")


def test_the_time_zone_is_the_machine_s_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().local_zone is machine_zone()
    monkeypatch.setenv("ONETAKE_TIME_ZONE", "Asia/Shanghai")
    assert load_settings().local_zone.key == "Asia/Shanghai"


BAD = [
    ("TIME_ZONE", "Mars/Olympus", "ONETAKE_TIME_ZONE must be an IANA time zone such as Asia/Shanghai."),
    ("TIME_ZONE", "../zones", "ONETAKE_TIME_ZONE must be an IANA time zone such as Asia/Shanghai."),
    ("HTTP_PORT", "abc", "ONETAKE_HTTP_PORT must be a whole number, not 'abc'."),
    ("HTTP_PORT", "70000", "ONETAKE_HTTP_PORT must be at most 65535, not '70000'."),
    ("RTMP_PORT", "0", "ONETAKE_RTMP_PORT must be at least 1, not '0'."),
    ("MEDIA_PORT", "8000", "ONETAKE_MEDIA_PORT must not be 8000, which ONETAKE_HTTP_PORT uses already."),
    ("REGISTRATION_OPEN", "perhaps", "ONETAKE_REGISTRATION_OPEN must be true or false, not 'perhaps'."),
    ("LOG_FORMAT", "xml", "ONETAKE_LOG_FORMAT must be 'text' or 'json', not 'xml'."),
    (
        "PUBLIC_URL",
        "video.example",
        "ONETAKE_PUBLIC_URL must be an absolute address such as https://video.example.org.",
    ),
    ("MEDIA_URL", "ftp://x", "ONETAKE_MEDIA_URL must be an absolute address such as https://video.example.org."),
    (
        "DATABASE_URL",
        "oracle://u:hunter2@h/d",
        "ONETAKE_DATABASE_URL must start with sqlite:///, postgresql://, mysql:// or mariadb://.",
    ),
    ("REDIS_URL", "http://:hunter2@h", "ONETAKE_REDIS_URL must start with redis://, rediss:// or unix://."),
    (
        "WORKER_QUEUES",
        "video,vidoe",
        "ONETAKE_WORKER_QUEUES names the unknown queue 'vidoe'; known are video, net, notify, stats.",
    ),
    (
        "JOB_LEASE_S",
        "41",
        "ONETAKE_JOB_LEASE_S must be larger than ONETAKE_JOB_SELF_FENCE_S plus ONETAKE_JOB_KILL_GRACE_S.",
    ),
    ("JOB_HEARTBEAT_S", "40", "ONETAKE_JOB_HEARTBEAT_S must be smaller than ONETAKE_JOB_SELF_FENCE_S."),
    ("ADMIN_USERNAME", "ab", "ONETAKE_ADMIN_USERNAME must have at least 3 characters, not 'ab'."),
]


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_a_bad_value_is_one_sentence(name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ONETAKE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == sentence
    assert "hunter2" not in str(caught.value)


def test_an_unreadable_file_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONETAKE_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(SettingsError, match=r"ONETAKE_CONFIG names .*missing\.toml, which cannot be read"):
        load_settings()
    (tmp_path / "bad.toml").write_text("http_port = = 1")
    monkeypatch.setenv("ONETAKE_CONFIG", str(tmp_path / "bad.toml"))
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings()


def test_unknown_names_are_warned_about_with_the_nearest_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "onetake.toml"
    file.write_text("htp_port = 9000\n")
    monkeypatch.setenv("ONETAKE_CONFIG", str(file))
    monkeypatch.setenv("ONETAKE_DATABSE_URL", "sqlite:///x.db")
    with caplog.at_level(logging.WARNING):
        load_settings()
    assert "Unknown variable ONETAKE_DATABSE_URL is ignored. Did you mean ONETAKE_DATABASE_URL?" in caplog.messages
    assert "Unknown key 'htp_port' in the settings file is ignored. Did you mean http_port?" in caplog.messages


@given(
    st.dictionaries(st.text(max_size=30), st.text(max_size=10)), st.dictionaries(st.text(max_size=30), st.integers())
)
def test_any_names_are_survived(environment: dict[str, str], in_file: dict[str, int]) -> None:
    for sentence in unknown_names(environment, in_file, tuple(Settings.model_fields)):
        assert sentence.startswith("Unknown")


@given(st.sampled_from(sorted(Settings.model_fields)), st.text(st.characters(codec="utf-8", exclude_characters="\0")))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_value_is_taken_or_refused_in_one_sentence(field: str, value: str) -> None:
    if field == "config":
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"ONETAKE_{field.upper()}", value)
        try:
            load_settings()
        except SettingsError as error:
            assert "pydantic" not in str(error) and str(error).startswith("ONETAKE_")  # noqa: PT017, PT018  or taken


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.setenv(f"ONETAKE_{name}", "postgresql://u:hunter2@h/d" if name[0] == "D" else "redis://:hunter2@h")
    monkeypatch.setenv("ONETAKE_ADMIN_PASSWORD", "hunter2-and-more")
    settings = load_settings()
    assert "hunter2" not in repr(settings)
    assert "hunter2" in settings.database_dsn


def test_every_field_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_private_sources_are_listed_by_network_or_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONETAKE_PULL_ALLOW", "192.168.1.0/24, camera.lan")
    assert load_settings().pull_allow == ("192.168.1.0/24", "camera.lan")
    monkeypatch.setenv("ONETAKE_PULL_ALLOW", "http://camera.lan/")
    with pytest.raises(SettingsError, match="ONETAKE_PULL_ALLOW names neither"):
        load_settings()
