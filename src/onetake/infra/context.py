"""Who acts, from where and in which request: a context variable that middleware and sign-in fill in.

The audit log and the log lines read it, so that no function has to hand it through.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Literal

ActorKind = Literal["anonymous", "user", "token", "system", "job"]


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of an act. `user_id` is None for anybody who is not an account."""

    kind: ActorKind = "system"
    user_id: int | None = None
    name: str = ""
    ip: str | None = None
    request_id: str | None = None


SYSTEM = Actor(kind="system", name="system")
_actor: ContextVar[Actor] = ContextVar("onetake_actor", default=SYSTEM)


def current_actor() -> Actor:
    """The author of what happens now; the system itself outside of requests."""
    return _actor.get()


def bind_request(request_id: str, ip: str | None) -> None:
    """Start of a request: nobody is signed in yet. Called by the outermost middleware."""
    _actor.set(Actor(kind="anonymous", ip=ip, request_id=request_id))


def bind_user(user_id: int, name: str, *, kind: ActorKind = "user") -> None:
    """The request's author has proved who they are. Called by the sign-in dependency."""
    _actor.set(replace(_actor.get(), kind=kind, user_id=user_id, name=name))


@contextmanager
def acting_as(actor: Actor) -> Iterator[Actor]:
    """Everything inside is done by `actor`; the former author is restored afterwards."""
    token = _actor.set(actor)
    try:
        yield actor
    finally:
        _actor.reset(token)
