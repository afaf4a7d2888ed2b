"""Commands on accounts, for whoever may read the data folder: no log-in needed."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from onetake.cli.database import require_head

if TYPE_CHECKING:
    from onetake.infra.db import Database

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
T = TypeVar("T")


class RoleName(StrEnum):
    """The roles, spelled out here so that `--help` need not load the accounts; a test compares them."""

    ADMIN = "admin"
    OPERATOR = "operator"
    INSTRUCTOR = "instructor"
    MEMBER = "member"


Name = Annotated[str, typer.Argument(help="User name.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command(help="Make an account; a random password is printed unless one comes on standard input.")
def create(
    name: Name,
    role: Annotated[RoleName, typer.Option(help="What the account may do.")] = RoleName.MEMBER,
    email: Annotated[str | None, typer.Option(help="E-mail address.")] = None,
    password_stdin: FromStdin = False,
) -> None:
    """Print what was made."""
    from onetake.accounts import commands
    from onetake.accounts.roles import Role

    password = _password(password_stdin)
    user, made_up = _with_database(lambda db: commands.add_user(db, name, password, Role(role), email))
    typer.echo(f"Created {user.role} {user.username} (number {user.id}).")
    _tell_password(made_up)


@app.command("list", help="List the accounts.")
def list_() -> None:
    """Print a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from onetake.accounts import commands

    table = Table("number", "name", "role", "active", "last log-in", box=None, pad_edge=False)
    for user in _with_database(commands.list_users):
        last = user.last_login_at.strftime("%Y-%m-%d %H:%M UTC") if user.last_login_at else "never"
        table.add_row(str(user.id), Text(user.username), user.role, "yes" if user.is_active else "no", last)
    Console(soft_wrap=True).print(table)


@app.command(help="Give an account a new password and end its sessions.")
def passwd(name: Name, password_stdin: FromStdin = False) -> None:
    """Print the password when it was made up."""
    from onetake.accounts import commands

    password = _password(password_stdin)
    made_up = _with_database(lambda db: commands.set_password(db, name, password))
    typer.echo(f"The password of {name} was changed; all sessions have ended.")
    _tell_password(made_up)


@app.command(help="Change what an account may do.")
def role(name: Name, role: Annotated[RoleName, typer.Argument(help="New role.")]) -> None:
    """Print the new role."""
    from onetake.accounts import commands
    from onetake.accounts.roles import Role

    user = _with_database(lambda db: commands.set_role(db, name, Role(role)))
    typer.echo(f"{user.username} is now {user.role}.")


def _with_database(work: "Callable[[Database], Awaitable[T]]") -> T:
    """Run `work` on the migrated database of the settings. Raises MigrationError when it is not at this version."""
    from onetake.infra.settings import load_settings

    settings = load_settings()

    async def run() -> T:
        from onetake.infra.context import Actor, acting_as
        from onetake.infra.db import Database

        await require_head(settings.database_dsn)
        db = Database(settings.database_dsn)
        try:
            with acting_as(Actor(kind="system", name="command line")):
                return await work(db)
        finally:
            await db.dispose()

    return asyncio.run(run())


def _password(from_stdin: bool) -> str | None:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else None


def _tell_password(made_up: str | None) -> None:
    if made_up is not None:
        typer.echo(f"Password, shown this once: {made_up}")
