"""The `onetake` command: parses, calls, prints. Heavy imports happen inside the commands, so that `--help` is quick."""

import sys
from collections.abc import Callable
from typing import NoReturn

import typer

from onetake.cli import backup, config, database, processes, users
from onetake.cli.processes import media_available

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_BUSY = 3

app = typer.Typer(
    name="onetake",
    help="OneTake: record once, serve everywhere. Settings come from ONETAKE_* variables; see `onetake config show`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(help="Start the whole platform in the foreground.")(processes.serve)
app.command(help="Start the whole platform with a live test pattern to look at.")(processes.demo)
app.command(help="Start the web server alone.")(processes.api)
app.command(help="Start a worker for background jobs alone.")(processes.worker)
if media_available():
    app.command(help="Start the media server alone.")(processes.media)
app.command(help="Bring the database to this version's schema.")(database.migrate)
app.command(hidden=True, help="Migrate and make the first administrator; `serve` runs it.")(database.prepare)
app.command(help="Copy database, key and recordings to a folder, also while everything runs.")(backup.backup)
app.command(help="Check this installation; exit code 0 good, 1 warnings, 2 faults.")(config.doctor)
app.command(help="Print the version.")(config.version)
app.add_typer(users.app, name="user", help="Accounts.")
app.add_typer(config.app, name="config", help="Settings.")


def main() -> NoReturn:
    """Entry point: errors that a person can mend become one sentence and an exit code."""
    code = _expected_errors(lambda: app(standalone_mode=True))
    sys.exit(code)


def _expected_errors(run: Callable[[], object]) -> int:
    try:
        run()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        return _complain(error, code)
    return 0


def _exit_code(error: Exception) -> int | None:
    """The code of an error that its own text explains; None for a fault of the program."""
    import sqlite3

    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    from onetake.infra.backup import BackupError
    from onetake.infra.db.migrate import MigrationError
    from onetake.infra.db.urls import DatabaseUrlError
    from onetake.infra.instance import DataDirBusy
    from onetake.infra.ports import PortBusy
    from onetake.infra.secrets import SecretKeyError
    from onetake.infra.settings_errors import SettingsError
    from onetake.kit.errors import AppError

    codes: dict[type[Exception], int] = {
        SettingsError: EXIT_USAGE,
        DataDirBusy: EXIT_BUSY,
        PortBusy: EXIT_USAGE,
        DatabaseUrlError: EXIT_USAGE,
        SecretKeyError: EXIT_FAILED,
        MigrationError: EXIT_FAILED,
        BackupError: EXIT_FAILED,
        sqlite3.Error: EXIT_FAILED,
        AppError: EXIT_FAILED,
        SQLAlchemyError: EXIT_FAILED,
        ValidationError: EXIT_FAILED,
        OSError: EXIT_FAILED,
    }
    return next((code for kind, code in codes.items() if isinstance(error, kind)), None)


def _complain(error: Exception, code: int) -> int:
    from onetake.kit.redact import redact

    sys.stderr.write(f"onetake: {redact(_sentence(error))}\n")
    return code


def _sentence(error: Exception) -> str:
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
