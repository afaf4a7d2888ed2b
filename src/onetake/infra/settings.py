"""All settings of OneTake in one typed place: environment `ONETAKE_*`, an optional TOML file, defaults that run.

The environment wins over the file named by `ONETAKE_CONFIG`. The settings page of the documentation is generated from
the descriptions below.
"""

import logging
import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from onetake.infra.settings_errors import SettingsError, first_sentence, read_toml, unknown_names
from onetake.kit.cron import UnknownTimezone, zone
from onetake.kit.local_zone import machine_zone
from onetake.kit.ssrf import Allow

__all__ = ["Settings", "SettingsError", "load_settings"]

ENV_PREFIX = "ONETAKE_"
CONFIG_VARIABLE = "ONETAKE_CONFIG"
QUEUES = ("video", "net", "notify", "stats")
_logger = logging.getLogger(__name__)

Port = Annotated[int, Field(ge=1, le=65535)]
Names = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Slots = Annotated[int, Field(ge=0, le=256)]
_DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb")


class Settings(BaseSettings):
    """Typed settings; build them with `load_settings()`, which turns bad values into one clear sentence."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    # --- where things are ---------------------------------------------------------------------------------------
    data_dir: Path = Field(Path("data"), description="Folder for the database, media files, secrets and work files.")
    config: Path | None = Field(None, description="TOML file with settings (keys without the prefix, lower case).")
    bind: str = Field("127.0.0.1", min_length=1, description="Address that the servers listen on; 0.0.0.0 for all.")
    http_port: Port = Field(8000, description="Port of the web page and the API.")
    media_port: Port = Field(8080, description="Port of live playback (HTTP-FLV, LL-HLS, WHIP, WHEP).")
    files_port: Port = Field(8081, description="Port of playback on demand, time-shift and downloads.")
    rtmp_port: Port = Field(1935, description="Port for RTMP publishers and players.")
    media_url: str = Field(
        "auto", description="Absolute http(s) address of the media ports as browsers see it, or `auto`."
    )
    public_url: str | None = Field(
        None, description="Absolute http(s) address of the web page as people type it; needed behind a proxy."
    )
    ffmpeg_path: Path | None = Field(None, description="A system ffmpeg to use; the packaged FFmpeg when not set.")
    time_zone: str | None = Field(
        None,
        description="IANA time zone, such as Asia/Shanghai, in whose nights the clean-up runs; the machine's own (in "
        "most containers UTC) when not set.",
    )
    pull_allow: Names = Field(
        (),
        description="Private networks, addresses and host names that sources may be pulled from (cameras in your own "
        "network), comma-separated; none when empty.",
    )

    # --- database and Redis ---------------------------------------------------------------------------------------
    database_url: SecretStr | None = Field(
        None,
        description="sqlite:///path, postgresql://user:password@host/name, mysql://… or mariadb://…; "
        "`onetake.db` in the data folder when not set.",
    )
    database_pool_size: int = Field(10, ge=1, le=200, description="Most database connections of one process.")
    database_busy_timeout_s: Seconds = Field(
        5, description="How long a write waits for a busy database before the request is answered with 503."
    )
    redis_url: SecretStr | None = Field(
        None, description="redis://host:6379/0 to share live updates between processes; in-process when not set."
    )

    # --- people ---------------------------------------------------------------------------------------------------
    admin_username: str = Field("admin", min_length=3, max_length=64, description="Name of the first administrator.")
    admin_password: SecretStr | None = Field(
        None, description="Password of the first administrator; a random one is printed once when not set."
    )
    registration_open: bool = Field(True, description="Whether visitors may create an account by themselves.")
    access_token_ttl_s: int = Field(900, ge=60, le=86_400, description="Life of an access token.")
    refresh_token_ttl_s: int = Field(
        7 * 86_400, ge=600, le=366 * 86_400, description="A session unused for this long ends."
    )
    session_max_age_s: int = Field(
        30 * 86_400, ge=600, le=366 * 86_400, description="A session ends after this long even when it is used."
    )
    admin_session_max_age_s: int = Field(
        12 * 3600, ge=600, le=366 * 86_400, description="The same for sessions of administrators."
    )
    login_max_failures: int = Field(
        10,
        ge=1,
        le=1000,
        description="Failed log-ins to one account from one address before it is locked out for a while.",
    )
    login_lockout_s: int = Field(900, ge=1, le=86_400, description="How long such a lock lasts.")

    # --- web server -----------------------------------------------------------------------------------------------
    trusted_proxies: Names = Field(
        (), description="Addresses or networks of proxies whose X-Forwarded-* headers are believed; comma-separated."
    )
    allowed_hosts: Names = Field(
        (),
        description="Host names that the server answers to, comma-separated, `*` for any. When empty: any, or only "
        "addresses, localhost and the public address while bound to loopback.",
    )
    cors_origins: Names = Field(
        (), description="Other origins whose pages may call the API, comma-separated; none when empty."
    )
    frame_ancestors: Names = Field(
        (), description="Origins whose pages may embed ours in a frame, comma-separated; none when empty."
    )
    body_limit_bytes: int = Field(1 << 20, ge=1024, le=1 << 30, description="Largest accepted JSON request body.")
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for /metrics and /readyz details; loopback only when not set."
    )

    # --- logs -----------------------------------------------------------------------------------------------------
    log_format: Literal["text", "json"] = Field("text", description="Log lines for people (text) or machines (json).")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    audit_keep_days: int = Field(365, ge=1, le=36_500, description="Days that the audit log is kept.")

    # --- disk -----------------------------------------------------------------------------------------------------
    disk_high_ratio: float = Field(
        0.90, gt=0.1, le=0.99, description="With more of the disk in use than this the trash is emptied at once."
    )
    disk_expire_oldest: bool = Field(
        False, description="Whether the oldest unprotected videos go to the trash when that is not enough."
    )
    media_min_free_bytes: int = Field(
        256 << 20,
        ge=1 << 20,
        le=1 << 50,
        description="With less free space no recording starts or resumes; running ones pause at a quarter of it.",
    )
    media_min_free_ratio: float = Field(
        0.05, ge=0, le=0.5, description="The same as a share of the disk, of which 10 GiB are always enough."
    )
    media_fsync_interval_s: float = Field(
        2, ge=0, le=60, description="Most of a recording that a power failure may cost; 0 syncs after each part."
    )

    # --- background jobs ------------------------------------------------------------------------------------------
    worker_queues: Names = Field(QUEUES, description="Queues that this machine's worker serves, comma-separated.")
    job_slots_video: Slots = Field(1, description="Jobs of the queue `video` at the same time on one machine.")
    job_slots_net: Slots = Field(2, description="Jobs of the queue `net` at the same time on one machine.")
    job_slots_notify: Slots = Field(4, description="Jobs of the queue `notify` at the same time on one machine.")
    job_slots_stats: Slots = Field(1, description="Jobs of the queue `stats` at the same time on one machine.")
    job_max_attempts: int = Field(5, ge=1, le=100, description="Attempts of a job, crashes included, before it fails.")
    job_lease_s: Seconds = Field(60, description="A worker silent for this long has lost its jobs to the others.")
    job_heartbeat_s: Seconds = Field(10, description="Time between two signs of life of a running job.")
    job_self_fence_s: Seconds = Field(
        40, description="A worker that cannot reach the database for this long kills its own running jobs."
    )
    job_sweep_s: Seconds = Field(10, description="Time between two searches for dead workers and due jobs.")
    job_cancel_poll_s: Seconds = Field(2, description="Time between two looks for cancelled jobs.")
    job_kill_grace_s: Seconds = Field(5, description="Time between SIGTERM and SIGKILL for a child process.")
    job_poll_s: Seconds = Field(1, description="Time between two looks for new jobs (SQLite is watched instead).")
    job_silence_s: Seconds = Field(30, description="A child process without any progress for this long is killed.")
    job_retry_base_s: Seconds = Field(15, description="Wait before the second attempt; doubles each time, up to 1 h.")
    job_memory_bytes: int = Field(
        8 << 30, ge=64 << 20, le=1 << 45, description="Most address space of one child process (RLIMIT_AS)."
    )
    job_file_bytes: int = Field(
        1 << 40, ge=1 << 20, le=1 << 50, description="Largest file that a child process may write (RLIMIT_FSIZE)."
    )
    job_keep_days: int = Field(30, ge=1, le=3650, description="Days that finished jobs stay in the list.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the TOML file."""
        file = os.environ.get(CONFIG_VARIABLE)
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)

    @field_validator(
        "trusted_proxies",
        "allowed_hosts",
        "cors_origins",
        "frame_ancestors",
        "worker_queues",
        "pull_allow",
        mode="before",
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("worker_queues")
    @classmethod
    def _known_queues(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in QUEUES]
        if unknown:
            raise ValueError(f"names the unknown queue {unknown[0]!r}; known are {', '.join(QUEUES)}")
        return value

    @field_validator("pull_allow")
    @classmethod
    def _networks_or_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Allow.parse(value)
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        try:
            return zone(value).key if value else None
        except UnknownTimezone:
            raise ValueError("must be an IANA time zone such as Asia/Shanghai") from None

    @field_validator("public_url", "media_url")
    @classmethod
    def _absolute_http(cls, value: str | None) -> str | None:
        if value in (None, "auto"):
            return value
        parts = urlsplit(str(value))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an absolute address such as https://video.example.org")
        return str(value).rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        scheme = value.get_secret_value().partition("://")[0].partition("+")[0] if value else "sqlite"
        if scheme not in _DATABASE_SCHEMES:
            raise ValueError("must start with sqlite:///, postgresql://, mysql:// or mariadb://")
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """What is started from here may have another working folder, and takes no relative name for a file (R5)."""
        return value.expanduser().absolute()

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        seen: dict[int, str] = {}
        for name in ("http_port", "media_port", "files_port", "rtmp_port"):
            port = getattr(self, name)
            if port in seen:
                raise ValueError(f"{_variable(name)} must not be {port}, which {_variable(seen[port])} uses already")
            seen[port] = name
        return self

    @model_validator(mode="after")
    def _lease_outlives_fence(self) -> Self:
        if self.job_heartbeat_s >= self.job_self_fence_s:
            raise ValueError("ONETAKE_JOB_HEARTBEAT_S must be smaller than ONETAKE_JOB_SELF_FENCE_S")
        if self.job_self_fence_s + self.job_kill_grace_s >= self.job_lease_s:
            raise ValueError(
                "ONETAKE_JOB_LEASE_S must be larger than ONETAKE_JOB_SELF_FENCE_S plus ONETAKE_JOB_KILL_GRACE_S"
            )
        return self

    @property
    def database_dsn(self) -> str:
        """The database URL in force, with its password: never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.absolute() / 'onetake.db'}"

    @property
    def local_zone(self) -> ZoneInfo:
        """The time zone whose nights the clean-up waits for."""
        return zone(self.time_zone) if self.time_zone else machine_zone()

    @property
    def redis_dsn(self) -> str | None:
        """The Redis URL with its password, or None: never log it."""
        return self.redis_url.get_secret_value() if self.redis_url else None

    @property
    def job_slots(self) -> dict[str, int]:
        """Slots per queue that this machine's worker serves."""
        return {queue: int(getattr(self, f"job_slots_{queue}")) for queue in self.worker_queues}


def _variable(field: str) -> str:
    return ENV_PREFIX + field.upper()


def load_settings() -> Settings:
    """Settings from the environment and the TOML file.

    Unknown `ONETAKE_*` variables and file keys are warned about. Raises SettingsError with one sentence that names the
    variable.
    """
    file = os.environ.get(CONFIG_VARIABLE)
    in_file = read_toml(Path(file)) if file else {}
    for sentence in unknown_names(os.environ, in_file, tuple(Settings.model_fields)):
        _logger.warning("%s", sentence)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(first_sentence(error, Settings)) from None
