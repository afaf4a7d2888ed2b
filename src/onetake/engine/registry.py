"""What the live process tells about its streams and clients: to the SRS API, the metrics page and `/control`."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from onetake.engine.hooks import DEFAULT_VHOST, stream_id
from onetake.engine.players import Players
from onetake.engine.pulls import Pulls
from onetake.engine.recordings import Recordings
from onetake.engine.sessions import PushState
from onetake.engine.srs_api import AudioInfo, ClientInfo, StreamInfo, VideoInfo
from onetake.engine.streams import APP, LiveStream, StreamHub
from onetake.engine.viewers import Protocol, ViewerSession
from onetake.media.bits import CodecError
from onetake.media.codecs import TrackInfo, describe
from onetake.media.units import Kind, Track

_STATES = {PushState.OFFLINE: "idle", PushState.PUSHING: "live"}
_PLAY_TYPES = {
    Protocol.RTMP: "rtmp-play",
    Protocol.FLV: "flv-play",
    Protocol.HLS: "hls-play",
    Protocol.WHEP: "rtc-play",
}


class LiveRegistry:
    """Read-only view for outsiders, and the kick. Loop only, nothing blocks.

    `on_revoked` is called when a kick has revoked a session.
    """

    def __init__(
        self,
        hub: StreamHub,
        players: Players,
        recordings: Recordings,
        pulls: Pulls,
        on_revoked: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._players = players
        self._recordings = recordings
        self._pulls = pulls
        self._on_revoked = on_revoked

    def streams(self) -> Sequence[StreamInfo]:
        """Every known stream."""
        return [self._stream(stream) for stream in self._hub.streams.values()]

    def clients(self, start: int = 0, count: int | None = None) -> Sequence[ClientInfo]:
        """Publishers, then viewers: all, or so many from the `start`-th on."""
        every: list[LiveStream | ViewerSession] = [*self._publishers(), *self._players.viewers.sessions()]
        now = self._players.viewers.now()
        return [self._client(one, now) for one in every[start : None if count is None else start + count]]

    def client(self, client_id: str) -> ClientInfo | None:
        """One publisher or viewer."""
        publisher = next((one for one in self._publishers() if _client_id(one) == client_id), None)
        found = publisher or self._players.viewers.find(client_id)
        return None if found is None else self._client(found, self._players.viewers.now())

    def totals(self) -> Mapping[str, tuple[int, int]]:
        """Bytes received and sent so far, by the id of every stream, publisher and viewer."""
        found = {one.client_id: (0, one.sent_bytes) for one in self._players.viewers.sessions()}
        for stream in self._hub.streams.values():
            found[stream_id(DEFAULT_VHOST, APP, stream.name)] = (stream.received_bytes, self._sent_bytes(stream.name))
        return found | {_client_id(one): (one.received_bytes, 0) for one in self._publishers()}

    async def kick(self, client_id: str) -> bool:
        """End a client: a publisher's session ends with it, so that it cannot slip back in the grace window."""
        for stream in self._hub.streams.values():
            if stream.session.client_id == client_id:
                return self._hub.end(stream.name, "kicked")
        if self._players.kick(client_id):
            return True
        session = self._players.viewers.find(client_id)
        if session is None:
            return False
        if session.is_anonymous:
            self._players.viewers.refuse(session.session)
        else:
            self._players.gate.revoke("session", session.session)
            self._on_revoked()
        self._players.viewers.disconnect(session)
        return True

    async def probe(self, name: str) -> dict[str, Any]:
        """What an idle source on demand would give, see `Pulls.probe`."""
        return await self._pulls.probe(name)

    def details(self) -> list[dict[str, Any]]:
        """The streams for `/control/streams`: those wanted and those live."""
        wanted = self._hub.wanted()
        names = {*wanted, *self._hub.streams}
        return [self._detail(name) for name in sorted(names)]

    def _detail(self, name: str) -> dict[str, Any]:
        stream, recording = self._hub.streams.get(name), self._recordings.active.get(name)
        now = self._hub.now_s()
        detail: dict[str, Any] = {
            "name": name,
            "state": self._hub.state(name).value,
            "viewers": self._players.viewers.online(_scope(name)),
            "recording": recording.sheet.id if recording else None,
            "paused": recording.sheet.reason if recording and recording.sheet.state == "paused" else None,
            "pull": self._pulls.status(name),
            "media": [],
        }
        if stream is None:
            return detail
        life, publisher = stream.life, stream.publisher
        detail["grace_left_s"] = round(stream.session.grace_left_s(now), 1)
        detail["reconnects"] = stream.session.reconnects
        if publisher is not None:
            client = publisher.client
            shown = {"client_id": client.client_id, "ip": client.ip, "type": publisher.kind, "agent": publisher.agent}
            detail["publisher"] = shown | {"for_s": round(now - stream.published_s, 1)}
        if life is not None:
            detail |= {"session": life.session_id, "started_ms": life.started_ms, "media": life.media()}
            detail |= {"gap_ms": life.gap_ms, "unsupported": life.unsupported[:8], "skipped": life.fanout.skipped}
            detail["stats"] = asdict(life.figures())
            detail["tracks"] = [found for track in life.tracks if (found := _track(track)) is not None]
        return detail

    def _stream(self, stream: LiveStream) -> StreamInfo:
        life, state = stream.life, self._hub.state(stream.name)
        recording = self._recordings.active.get(stream.name)
        video, audio = _tracks(stream)
        now = life.figures() if life else None
        return StreamInfo(
            app=APP,
            name=stream.name,
            tc_url=stream.publisher.client.tc_url if stream.publisher else "",
            live_ms=int((time.time() * 1000) - life.started_ms) if life and stream.session.alive else 0,
            frames=life.stats.totals.video_frames if life else 0,
            send_bytes=self._sent_bytes(stream.name),
            recv_bytes=stream.received_bytes,
            publisher_id=stream.session.client_id,
            video=video,
            audio=audio,
            clients=self._players.viewers.count(_scope(stream.name)) + (stream.publisher is not None),
            state=_STATES.get(state, state.value),
            fps=now.video_fps if now else 0.0,
            bitrate_bps=now.video_bps + now.audio_bps if now else 0.0,
            gop_ms=now.gop_last_ms if now else 0.0,
            reconnects=stream.session.reconnects,
            gap_ms=life.gap_ms if life else 0,
            skipped_units=life.fanout.skipped if life else 0,
            discarded_units=life.discarded_units if life else 0,
            recording=recording is not None,
            recorded_bytes=recording.thread.progress.size_bytes if recording else 0,
            write_lag_ms=recording.thread.write_lag_ms if recording else 0.0,
        )

    def _publishers(self) -> list[LiveStream]:
        return [stream for stream in self._hub.streams.values() if stream.publisher is not None]

    def _sent_bytes(self, name: str) -> int:
        totals = self._players.viewers.totals
        keys = ((_scope(name), protocol) for protocol in Protocol)
        return sum(totals[key].sent_bytes for key in keys if key in totals)

    def _client(self, one: LiveStream | ViewerSession, now_s: float) -> ClientInfo:
        """A stream's publisher or a viewer; `now_s` is the time of the viewers."""
        if isinstance(one, ViewerSession):
            kind = _PLAY_TYPES.get(one.protocol, one.protocol.value)
            name, alive_s = one.scope.rpartition("/")[2], now_s - one.joined_s
            return ClientInfo(one.client_id, APP, name, one.ip, kind, False, alive_s, one.sent_bytes)
        assert one.publisher is not None
        client, alive_s = one.publisher.client, self._hub.now_s() - one.published_s
        return ClientInfo(
            client.client_id, APP, one.name, client.ip, one.publisher.kind, True, alive_s, 0, one.received_bytes,
            client.page_url, client.tc_url,
        )  # fmt: skip


def _scope(name: str) -> str:
    return f"stream:{APP}/{name}"


def _client_id(stream: LiveStream) -> str:
    return stream.publisher.client.client_id if stream.publisher else ""


def _track(track: Track) -> dict[str, Any] | None:
    """A track for the console; None while its codec header cannot be read."""
    try:
        info = describe(track)
    except CodecError:
        return None
    shown = {"kind": track.kind.value, "codec": info.codec.value, "profile": info.profile, "level": info.level}
    if track.kind is Kind.VIDEO:
        return shown | {"width": info.width, "height": info.height}
    return shown | {"sample_rate": info.sample_rate, "channels": info.channels}


def _tracks(stream: LiveStream) -> tuple[VideoInfo | None, AudioInfo | None]:
    """The tracks in SRS's spelling."""
    video, audio = None, None
    for track in stream.life.tracks if stream.life else []:
        try:
            info = describe(track)
        except CodecError:
            continue
        if track.kind is Kind.VIDEO:
            video = VideoInfo(_srs_codec(info), info.profile, info.level, info.width, info.height)
        else:
            audio = AudioInfo(_srs_codec(info), info.sample_rate, info.channels, info.profile)
    return video, audio


def _srs_codec(info: TrackInfo) -> str:
    return info.codec.value.upper()
