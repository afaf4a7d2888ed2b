"""Signed addresses of a live stream (DESIGN §3)."""

import time
from datetime import UTC, datetime

from onetake.kit.ids import random_hex
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, round_up_hour, sign
from onetake.sources.schemas import LivePlay

PLAY_TTL_S = 4 * 3600


def live_base(keyring: Keyring, stream_name: str, session: str, viewer: str, expires_s: int) -> str:
    """Path before `.flv` and `/index.m3u8` for one playback session."""
    grant = Grant(Method.PLAY, ScopeKind.STREAM, f"live:{stream_name}", session, viewer, expires_s)
    return f"/t/{sign(grant, keyring)}/live/{stream_name}"


def live_play(keyring: Keyring, stream_name: str, viewer: str) -> LivePlay:
    """Everything a player needs to watch a source live."""
    expires_s = round_up_hour(time.time() + PLAY_TTL_S)
    base = live_base(keyring, stream_name, random_hex(64), viewer, expires_s)
    return LivePlay(
        live_url=f"{base}/index.m3u8", flv_url=f"{base}.flv", expires_at=datetime.fromtimestamp(expires_s, UTC)
    )
