"""Signed addresses of a live stream (DESIGN §3)."""

import time
from datetime import UTC, datetime

from onetake.accounts.auth import Principal
from onetake.accounts.roles import Role
from onetake.kit.ids import random_hex
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, round_up_hour, sign
from onetake.sources.models import LiveSource
from onetake.sources.schemas import LivePlay

PLAY_TTL_S = 4 * 3600
LIST_TTL_S = 6 * 3600
GUEST = "guest"


def viewer_name(viewer: Principal | None) -> str:
    """How a viewer is called in tokens and in the media server's accounts."""
    return user_name(viewer.user_id, viewer.role) if viewer is not None else GUEST


def user_name(user_id: int, role: Role) -> str:
    """The viewer's name of a user: with the role, so that what a lost role gave can be revoked by itself."""
    return f"user.{user_id}.{role}"


def generation_scope(thing: str, generation: int) -> str:
    """The scope of a token for `thing`, as the media server splits it (`engine.access`)."""
    return f"{thing}.{generation}" if generation else thing


def live_base(
    keyring: Keyring, source: LiveSource, session: str, viewer: str, expires_s: int, method: Method = Method.PLAY
) -> str:
    """Path before `.flv` and `/index.m3u8` for one playback session."""
    scope = generation_scope(f"live:{source.stream_name}", source.grant_generation)
    grant = Grant(method, ScopeKind.STREAM, scope, session, viewer, expires_s)
    return f"/t/{sign(grant, keyring)}/live/{source.stream_name}"


def list_session(viewer: str) -> str:
    """The session of the pictures in somebody's lists."""
    return f"list.{viewer}"


def list_expiry_s() -> int:
    """The end of the period after the present one, so that an address lives, and is equal, for six to twelve hours."""
    return (int(time.time()) // LIST_TTL_S + 2) * LIST_TTL_S


def live_poster(keyring: Keyring, source: LiveSource, viewer: str) -> str:
    """Address of what a source shows now: the same for hours, while the picture changes. It plays nothing."""
    return live_base(keyring, source, list_session(viewer), viewer, list_expiry_s(), Method.LOOK) + "/poster.jpg"


def live_play(keyring: Keyring, source: LiveSource, viewer: str) -> LivePlay:
    """Everything a player needs to watch a source live."""
    expires_s = round_up_hour(time.time() + PLAY_TTL_S)
    base = live_base(keyring, source, random_hex(64), viewer, expires_s)
    return LivePlay(
        live_url=f"{base}/index.m3u8",
        flv_url=f"{base}.flv",
        time_shift_url=f"{base}/index.m3u8?dvr=1" if source.time_shift_s else None,
        time_shift_s=source.time_shift_s,
        expires_at=datetime.fromtimestamp(expires_s, UTC),
    )
