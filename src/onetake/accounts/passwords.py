"""Passwords: the rules for choosing one (A1) and argon2id hashing off the event loop (RFC 9106)."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from onetake.accounts.errors import PasswordIsName, PasswordTooCommon, PasswordTooLong, PasswordTooShort
from onetake.kit.errors import Unavailable
from onetake.kit.tokens import new_secret

T = TypeVar("T")

MIN_CHARS = 8
MAX_CHARS = 128
PARALLEL_HASHES = 2
"""Each takes a whole core and 46 MiB; more at once would only make all of them slower."""

MAX_WAITING = 64
"""More than these would wait for longer than anybody does, and every one of them holds a connection."""

_waiting = 0
_hash = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=46 << 10, parallelism=1),))


def check_password(password: str, own_names: tuple[str | None, ...] = (), field: str = "password") -> None:
    """Raise the fitting `Invalid` error when `password` may not be chosen; there is no composition rule."""
    if len(password) < MIN_CHARS:
        raise PasswordTooShort(field=field, minimum=MIN_CHARS)
    if len(password) > MAX_CHARS:
        raise PasswordTooLong(field=field, maximum=MAX_CHARS)
    folded = _fold(password)
    if folded in {_fold(name) for name in own_names if name}:
        raise PasswordIsName(field=field)
    if folded in common_passwords():
        raise PasswordTooCommon(field=field)


@cache
def common_passwords() -> frozenset[str]:
    """The bundled list of the commonest passwords, folded; `scripts/gen_common_passwords.py` says where from."""
    text = resources.files("onetake.accounts").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(text.split())


def generate_password() -> str:
    """A random password of 128 bits for a first administrator."""
    return new_secret(bits=128)


async def hash_password(password: str) -> str:
    """The argon2id hash of `password` in PHC string form."""
    return await _in_thread(_hash.hash, password)


async def verify_password(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether `password` fits `stored`, and a new hash when the stored one has weaker parameters than today's.

    Without a stored hash (unknown name) the same work is done against a throw-away one, so that the time taken does
    not tell whether an account exists (A2).
    """
    known = stored is not None
    target: str = stored if stored is not None else await _in_thread(_dummy)
    fits, fresh = await _in_thread(_verify, password, target)
    return (known and fits), (fresh if known and fits else None)


def _verify(password: str, stored: str) -> tuple[bool, str | None]:
    try:
        return _hash.verify_and_update(password, stored)
    except PwdlibError:
        return False, None  # not one of our hashes: nobody signs in with it


async def warm_up() -> None:
    """Make the throw-away hash before the first sign-in needs it, so that its making cannot be measured."""
    await _in_thread(_dummy)


@cache
def _dummy() -> str:
    return _hash.hash("nobody has this password")


async def _in_thread(work: Callable[..., T], *args: str) -> T:
    """Run slow `work` beside the event loop; raises `Unavailable` (503) when too many wait already."""
    global _waiting
    if _waiting >= MAX_WAITING:
        raise Unavailable(headers={"Retry-After": "5"})
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), work, *args)
    finally:
        _waiting -= 1


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(PARALLEL_HASHES, thread_name_prefix="argon2")


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()
