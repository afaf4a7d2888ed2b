"""Addresses to play a video with: signed once, verified by the media server without asking back (DESIGN §3)."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from onetake.accounts.auth import Principal
from onetake.kit.ids import random_hex
from onetake.kit.signing import Grant, Keyring, Method, ScopeKind, round_up_hour, sign
from onetake.library.models import Video
from onetake.library.schemas import PlayView
from onetake.library.service.compatible import FOLDER
from onetake.sources.models import LiveSource
from onetake.sources.playback import (
    PLAY_TTL_S,
    generation_scope,
    list_expiry_s,
    list_session,
    live_base,
    viewer_name,
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs media addresses with the installation's key. `data_dir`: where its secret lies."""

    keyring: Keyring
    data_dir: Path = Path()

    def play(self, video: Video, viewer: Principal | None, source: LiveSource | None, last_position: int) -> PlayView:
        """Everything a player needs for one playback session."""
        session, who = random_hex(64), viewer_name(viewer)
        expires_s = round_up_hour(time.time() + PLAY_TTL_S)
        base = self._asset_base(video, Method.PLAY, session, who, expires_s)
        download = self._asset_base(video, Method.DOWNLOAD, session, who, expires_s)
        live = live_base(self.keyring, source, session, who, expires_s) if video.is_live and source else None
        return PlayView(
            hls_url=f"{base}/index.m3u8",
            live_url=f"{live}/index.m3u8" if live else None,
            flv_url=f"{live}.flv" if live else None,
            mp4_url=f"{base}/video.mp4",
            download_url=f"{download}/video.mp4?download={quote(video.title, safe='')}",
            poster_url=_poster(base, video),
            storyboard_url=f"{base}/storyboard.vtt" if video.storyboard else None,
            expires_at=datetime.fromtimestamp(expires_s, UTC),
            is_live=video.is_live,
            duration=video.duration,
            last_position=last_position,
        )

    def copy_url(self, video: Video, viewer: Principal | None) -> str:
        """Address to download the compatible MP4."""
        session, who = random_hex(64), viewer_name(viewer)
        base = self._asset_base(video, Method.DOWNLOAD, session, who, round_up_hour(time.time() + PLAY_TTL_S))
        return f"{base}/{FOLDER}/video.mp4?download={quote(video.title, safe='')}"

    def stills(self, video: Video, viewer: Principal | None) -> tuple[str | None, str | None]:
        """Addresses of poster and storyboard for a list: equal for hours, so that browsers keep the pictures.

        They play nothing.
        """
        who = viewer_name(viewer)
        base = self._asset_base(video, Method.LOOK, list_session(who), who, list_expiry_s())
        return _poster(base, video), f"{base}/storyboard.vtt" if video.storyboard else None

    def _asset_base(self, video: Video, method: Method, session: str, viewer: str, expires_s: int) -> str:
        scope = generation_scope(video.asset_id, video.grant_generation)
        grant = Grant(method, ScopeKind.ASSET, scope, session, viewer, expires_s)
        return f"/t/{sign(grant, self.keyring)}/vod/{video.asset_id}"


def _poster(base: str, video: Video) -> str | None:
    """The address of the poster: another one when another picture may be there, so that none is seen for too long."""
    if not video.thumbnail:
        return None
    version = "live" if video.is_live else int(video.updated_at.timestamp())
    return f"{base}/poster.jpg?v={version}"
