"""The streams of the live process: who may publish, whose session it is, and what ends it (DESIGN §2).

Two levels: a `LiveStream` lives as long as anyone cares for its name, its `Life` from the first publisher to the end of
the session. Loop only.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from onetake.engine.hooks import HookClient, Hooks, client_event
from onetake.engine.options import MediaOptions
from onetake.engine.pipeline import Life
from onetake.engine.sequence import SequenceBook
from onetake.engine.sessions import Decision, PushState, Session, SessionRules, Verdict
from onetake.engine.state import NAME, RecordMode, StateStore, StreamConfig
from onetake.engine.wrong_keys import WrongKeys
from onetake.kit.ids import random_hex
from onetake.media.flv import FlvDemuxer, FlvTag
from onetake.media.flv.demuxer import Output
from onetake.media.fmp4 import Part
from onetake.media.units import Unit

log = logging.getLogger(__name__)

APP = "live"
PULL = "pull"
"""The kind of a publisher that is a pulled source: it needs no key, and yields to everybody."""
LINGER_S = 60.0
PATIENCE_S = 10.0
"""How long the first viewer of an idle stream waits for it."""


class Refused(Exception):
    """A publisher or player is turned away; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Publisher:
    """A connection that wants to publish. `agent` is the encoder's own name, `loopback`: it is on this machine."""

    client: HookClient
    key: str
    kind: str
    close: Callable[[str], None]
    agent: str = ""
    loopback: bool = False

    @property
    def peer(self) -> str:
        """Tells encoders apart across reconnects."""
        return f"{self.client.ip}|{self.agent}"


class Recorder(Protocol):
    """What a stream needs of the recorder."""

    def session_started(self, life: Life, config: StreamConfig) -> None:
        """A session begins: start an automatic recording or its time-shift window."""

    def part(self, name: str, part: Part) -> None:
        """The next part of a stream."""

    def session_ended(self, name: str) -> None:
        """The session is over: finish its recording."""

    def window_s(self, name: str) -> float:
        """How many seconds of the stream can be played from disk."""

    def asset_of(self, name: str, msn: int) -> str | None:
        """The recording that holds a segment, None when none does."""

    def on_its_way(self, name: str, msn: int) -> bool:
        """Whether a segment waits to be written."""


@dataclass(eq=False, slots=True)
class LiveStream:
    """One name: the session rules, the media of the running session, the present publisher."""

    name: str
    config: StreamConfig
    session: Session
    life: Life | None = None
    publisher: Publisher | None = None
    published_s: float = 0.0
    received_bytes: int = 0
    ended_s: float = 0.0
    lost_reason: str = ""


@dataclass(eq=False, slots=True)
class Ingest:
    """One publisher's way into a stream; late calls of a displaced one do nothing."""

    hub: "StreamHub"
    stream: LiveStream
    publisher: Publisher
    demuxer: FlvDemuxer = field(default_factory=FlvDemuxer)
    over: bool = False

    def push(self, tag: FlvTag) -> None:
        """One tag. Raises `FlvError` when the publisher does not speak FLV."""
        if self.heard(len(tag.body)) and self.stream.life is not None:
            self.stream.life.push(self.demuxer.push(tag))

    def take(self, item: Output) -> None:
        """One item that was demuxed elsewhere (a pull)."""
        size_bytes = len(item.payload) if isinstance(item, Unit) else 0
        if self.heard(size_bytes) and self.stream.life is not None:
            self.stream.life.push([item])

    def heard(self, size_bytes: int) -> bool:
        """Note that media came; False when this publisher has no say any more."""
        if not self.stream.session.media(self.publisher.client.client_id, self.hub.now_s()):
            return False
        self.stream.received_bytes += size_bytes
        self.hub.received_bytes += size_bytes
        return True

    def lost(self, reason: str) -> None:
        """The connection broke: the grace window opens."""
        if not self.over:
            self.over = True
            self.hub.publisher_gone(self, reason, clean=False)

    def stop(self) -> None:
        """A clean stop: the session ends at once."""
        if not self.over:
            self.over = True
            self.hub.publisher_gone(self, "stopped", clean=True)


class StreamHub:
    """All streams of this process.

    `now_s` is monotonic. Call `tick` about twice a second.
    """

    def __init__(
        self,
        options: MediaOptions,
        store: StateStore,
        recorder: Recorder,
        sequence: SequenceBook,
        hooks: Hooks | None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.now_s = now_s
        self.streams: dict[str, LiveStream] = {}
        self.refused = 0
        self.received_bytes = 0
        self._options = options
        self._store = store
        self._recorder = recorder
        self._sequence = sequence
        self._hooks = hooks
        self._wrong_keys = WrongKeys(options.limits.wrong_keys, options.limits.wrong_keys_s)
        self._bring: Callable[[str, float], Awaitable[None]] | None = None
        store.on_change(self._config_changed)

    def bring_with(self, bring: Callable[[str, float], Awaitable[None]]) -> None:
        """`bring(name, patience_s)` fetches a stream that is pulled on demand."""
        self._bring = bring

    async def ask_for(self, name: str, patience_s: float = PATIENCE_S) -> None:
        """Somebody wants to watch or record `name`: one that is pulled on demand is waited for a while."""
        if self._bring is not None:
            await self._bring(name, patience_s)

    def config(self, name: str) -> StreamConfig | None:
        """What is wanted of `name`; stand-alone every name may be used and is recorded."""
        known = self._store.get(name)
        if known is None and self._options.standalone and NAME.match(name):
            return StreamConfig(name, record=RecordMode.AUTO)
        return known

    def wanted(self) -> Mapping[str, StreamConfig]:
        """The streams of the desired state."""
        return self._store.state.streams

    def life(self, name: str) -> Life | None:
        """The media of the running session, or of one that ended less than a minute ago (players finish it)."""
        stream = self.streams.get(name)
        return stream.life if stream else None

    def state(self, name: str) -> PushState:
        """Push state of a stream."""
        stream = self.streams.get(name)
        return stream.session.state(self.now_s()) if stream else PushState.OFFLINE

    async def publish(self, publisher: Publisher) -> Ingest:
        """Let a publisher in, or raise `Refused` (`bad_name`, `bad_key`, `too_many_wrong_keys`, `control_plane_away`,
        `displaced`).
        """
        name = publisher.client.stream
        if publisher.client.app != APP or not NAME.match(name):
            raise self._refuse("bad_name")
        config, was_asked = await self._admit(publisher)
        stream, client = self._stream(config), publisher.client
        yields = publisher.kind == PULL
        decision = stream.session.publish(client.client_id, publisher.peer, self.now_s(), yields=yields)
        if not decision.admitted:
            if was_asked:
                self._notify("on_unpublish", client, reason="displaced")
            raise self._refuse("displaced")
        if not was_asked:
            self._notify("on_publish", client, admitted=True)
        self._enter(stream, publisher, decision)
        return Ingest(self, stream, publisher)

    def publisher_gone(self, ingest: Ingest, reason: str, *, clean: bool) -> None:
        """Called by an ingest that ended."""
        stream, client = ingest.stream, ingest.publisher.client
        session = stream.session
        heard = session.stop(client.client_id) if clean else session.lost(client.client_id, self.now_s())
        why_unheard = "displaced" if session.client_id is not None else "ended"
        self._notify("on_unpublish", client, reason=reason if heard else why_unheard)
        if heard:
            stream.publisher, stream.lost_reason = None, reason
            log.info("stream %s: publisher gone (%s)", stream.name, reason)
            if not session.alive:
                self._end(stream, reason)

    def end(self, name: str, reason: str) -> bool:
        """End a session by order of the control plane; False when there is none."""
        stream = self.streams.get(name)
        if stream is None or not stream.session.alive:
            return False
        self._close_publisher(stream, reason)
        stream.session.end()
        self._end(stream, reason)
        return True

    def tick(self) -> None:
        """End sessions whose grace is over, forget streams that ended a while ago."""
        now = self.now_s()
        for stream in list(self.streams.values()):
            if stream.session.expired(now):
                stream.session.end()
                self._end(stream, "grace_over")
        self.forget_ended(LINGER_S)

    def forget_ended(self, after_s: float = 0.0) -> None:
        """Drop the media of sessions that ended at least `after_s` ago."""
        now = self.now_s()
        for stream in list(self.streams.values()):
            if not stream.session.alive and now - stream.ended_s >= after_s:
                del self.streams[stream.name]

    def close(self) -> None:
        """The server stops: publishers are cut, sessions end, nothing is announced as finished to viewers."""
        for name in list(self.streams):
            self.end(name, "server_stopped")

    # -- admission -----------------------------------------------------------------------------------------------

    async def _admit(self, publisher: Publisher) -> tuple[StreamConfig, bool]:
        """The stream's configuration if this client may publish: known key first, then the control plane (≤ 10 s).

        And whether the control plane was asked, and so knows.
        """
        name = publisher.client.stream
        config = self._store.get(name)
        if config is not None and config.enabled and (publisher.kind == PULL or config.accepts_key(publisher.key)):
            return config, False
        if self._options.standalone and publisher.loopback:
            return self.config(name) or StreamConfig(name), False
        if self._hooks is None:
            raise self._refuse("bad_key")
        ip = publisher.client.ip
        if self._wrong_keys.is_blocked(ip, self.now_s()):
            raise self._refuse("too_many_wrong_keys")
        answer = await self._hooks.admit(client_event("on_publish", publisher.client))
        if not answer.reachable:
            raise self._refuse("control_plane_away")
        if not answer.allowed:
            self._wrong_keys.note(ip, self.now_s())
            raise self._refuse("bad_key")
        return self._store.get(name) or StreamConfig(name), True

    def _refuse(self, reason: str) -> Refused:
        self.refused += 1
        return Refused(reason)

    # -- sessions ------------------------------------------------------------------------------------------------

    def _stream(self, config: StreamConfig) -> LiveStream:
        stream = self.streams.get(config.name)
        if stream is None:
            stream = self.streams[config.name] = LiveStream(config.name, config, Session(self._rules(config)))
        return stream

    def _rules(self, config: StreamConfig) -> SessionRules:
        limits = self._options.limits
        grace_s = limits.grace_s if config.grace_s is None else config.grace_s
        return SessionRules(grace_s, limits.silent_s, limits.displaced_s, limits.stalled_s)

    def _enter(self, stream: LiveStream, publisher: Publisher, decision: Decision) -> None:
        """The publisher is in: new session or the running one goes on."""
        log.info("stream %s: publisher %s (%s)", stream.name, publisher.client.client_id, decision.verdict)
        displaced, stream.publisher = stream.publisher, publisher
        stream.published_s = self.now_s()
        if decision.verdict is Verdict.START or stream.life is None:
            self._begin(stream)
        else:
            stream.life.begin("taken_over" if displaced else stream.lost_reason)
        if displaced is not None:
            displaced.close("displaced")

    def _begin(self, stream: LiveStream) -> None:
        name = stream.name
        stream.received_bytes = 0
        stream.config = self.config(name) or stream.config
        stream.life = Life(
            name,
            self._options.live,
            self._options.limits,
            start=self._sequence.start(name),
            on_part=lambda part: self._part(stream, part),
            window_s=lambda: self._recorder.window_s(name),
            asset_of=lambda msn: self._recorder.asset_of(name, msn),
            on_its_way=lambda msn: self._recorder.on_its_way(name, msn),
            now_s=self.now_s,
        )
        self._session_event(stream, "started")
        self._recorder.session_started(stream.life, stream.config)

    def _part(self, stream: LiveStream, part: Part) -> None:
        if part.starts_segment and stream.life is not None:
            self._sequence.reached(stream.name, part.msn, stream.life.playlist.discontinuity_sequence)
        self._recorder.part(stream.name, part)

    def _end(self, stream: LiveStream, reason: str) -> None:
        stream.ended_s = self.now_s()
        if stream.life is not None and not stream.life.ring.closed:
            stream.life.end()
            self._recorder.session_ended(stream.name)
            self._session_event(stream, "ended", reason=reason)
        log.info("stream %s: session over (%s)", stream.name, reason)

    def _close_publisher(self, stream: LiveStream, reason: str) -> None:
        publisher, stream.publisher = stream.publisher, None
        if publisher is not None:
            publisher.close(reason)

    def _config_changed(self, old: StreamConfig | None, new: StreamConfig | None) -> None:
        """Apply a change without disturbing what runs; only a stream that may no longer be is ended."""
        name = (new or old or StreamConfig("")).name
        stream = self.streams.get(name)
        if stream is None:
            return
        if new is None or not new.enabled:
            self.end(name, "disabled")
            return
        stream.config = new
        stream.session.rules = self._rules(new)
        self._check_key(stream, new)
        if stream.session.alive and stream.life is not None:
            self._recorder.session_started(stream.life, new)

    def _check_key(self, stream: LiveStream, config: StreamConfig) -> None:
        """A publisher whose key holds no longer is put out; one with the new key may go on with the session."""
        publisher = stream.publisher
        if publisher is None or publisher.kind == PULL or config.accepts_key(publisher.key):
            return
        if not (self._options.standalone and publisher.loopback):
            publisher.close("key_changed")

    # -- events --------------------------------------------------------------------------------------------------

    def _session_event(self, stream: LiveStream, event: str, **extra: object) -> None:
        """Our own `on_session`: SRS knows connections only."""
        if stream.life is None or self._hooks is None:
            return
        client = HookClient(random_hex(32), "", APP, stream.name)
        life = stream.life
        gaps = [asdict(gap) for gap in life.gaps]
        body = {"event": event, "session": life.session_id, "started_ms": life.started_ms, "gaps": gaps}
        self._hooks.notify(client_event("on_session", client, **body, **extra))

    def _notify(self, action: str, client: HookClient, **extra: object) -> None:
        """Notifications are kept on disk until they arrive: without the key (R16)."""
        if self._hooks is not None:
            self._hooks.notify(client_event(action, replace(client, param=""), **extra))
