"""Prometheus text of the media process, with figures per stream, which SRS does not give.

Labels are bounded: `stream` has at most `MAX_STREAM_LABELS` values (the rest is summed under `other`), `proto` and
`kind` are fixed words. Never a viewer, session, address or key. Figures are read from their owners at scrape time.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from onetake.engine.hooks import Hooks
from onetake.engine.srs_api import Registry, StreamInfo
from onetake.engine.viewers import Viewers
from onetake.kit.lifeline import loop_lag

MAX_STREAM_LABELS = 500
OTHER = "other"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PER_STREAM: tuple[tuple[str, str, type[Metric], str], ...] = (
    ("live_push_fps", "Video frames per second received", GaugeMetricFamily, "fps"),
    ("live_push_bitrate_bps", "Bits per second received, all tracks", GaugeMetricFamily, "bitrate_bps"),
    ("live_gop_ms", "Last distance between two keyframes", GaugeMetricFamily, "gop_ms"),
    ("live_ingress_bytes", "Bytes received from the publisher", CounterMetricFamily, "recv_bytes"),
    ("live_egress_bytes", "Body bytes sent to players", CounterMetricFamily, "send_bytes"),
    ("live_video_frames", "Video frames received", CounterMetricFamily, "frames"),
    ("live_reconnects", "Publisher returns inside the grace window", CounterMetricFamily, "reconnects"),
    ("live_gap_ms", "Time without media inside live sessions", CounterMetricFamily, "gap_ms"),
    ("live_skipped_units", "Units that slow viewers missed", CounterMetricFamily, "skipped_units"),
    ("live_discarded_units", "Units that broke the timestamp rules", CounterMetricFamily, "discarded_units"),
    ("record_write_lag_ms", "Age of the oldest part that is not written", GaugeMetricFamily, "write_lag_ms"),
    ("record_bytes", "Bytes written to recordings", CounterMetricFamily, "recorded_bytes"),
)


@dataclass(slots=True, eq=False)
class MediaMetrics(Collector):
    """Everything one media process shows. The live process has all parts, the file process only `viewers`."""

    registry: Registry | None = None
    viewers: Viewers | None = None
    hooks: Hooks | None = None
    process: str = "live"
    _page: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=False))

    def __post_init__(self) -> None:
        self._page.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._page)

    def render(self) -> bytes:
        """The page in Prometheus text format 0.0.4."""
        return generate_latest(self._page)

    def collect(self) -> Iterator[Metric]:
        """Figures at this moment (called by the Prometheus client)."""
        yield from self._process_metrics()
        if self.registry is not None:
            yield from _stream_metrics(self.registry.streams())
        if self.viewers is not None:
            yield from _viewer_metrics(self.viewers)
        if self.hooks is not None:
            yield from _hook_metrics(self.hooks)

    def _process_metrics(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "onetake_loop_lag_ms", "Longest delay of the event loop in the last minute", labels=["process"]
        )
        lag.add_metric([self.process], loop_lag.worst_ms)
        yield lag


def _stream_metrics(streams: Sequence[StreamInfo]) -> Iterator[Metric]:
    # Live ones first, so that the bound never hides what is running.
    ranked = sorted(streams, key=lambda item: (item.state == "idle", item.app, item.name))
    labelled = [(_label(index, item), item) for index, item in enumerate(ranked)]
    for name, text, family, attribute in _PER_STREAM:
        yield _summed(f"onetake_{name}", text, family, [(label, getattr(s, attribute)) for label, s in labelled])
    up = [(label, float(item.state == "live")) for label, item in labelled]
    yield _summed("onetake_live_push_up", "1 while media arrives from the publisher", GaugeMetricFamily, up)
    recording = [(label, float(item.recording)) for label, item in labelled]
    yield _summed("onetake_recording", "1 while the stream is recorded", GaugeMetricFamily, recording)
    yield GaugeMetricFamily("onetake_streams", "Known streams", value=len(streams))


def _label(index: int, item: StreamInfo) -> str:
    return f"{item.app}/{item.name}" if index < MAX_STREAM_LABELS else OTHER


def _summed(name: str, text: str, family: type[Metric], values: Iterable[tuple[str, float]]) -> Metric:
    sums: defaultdict[str, float] = defaultdict(float)
    for label, value in values:
        sums[label] += value
    metric = family(name, text, labels=["stream"])  # type: ignore[call-arg]  # both families take labels
    for label, value in sums.items():
        metric.add_metric([label], value)  # type: ignore[attr-defined]  # both families have it
    return metric


def _viewer_metrics(viewers: Viewers) -> Iterator[Metric]:
    online = GaugeMetricFamily("onetake_live_viewers", "Viewers online", labels=["stream", "proto"])
    by_label: Counter[tuple[str, str]] = Counter()
    for (scope, protocol), count in viewers.counts().most_common():
        by_label[(_scope_label(scope, len(by_label)), protocol.value)] += count
    for labels, count in by_label.items():
        online.add_metric(list(labels), count)
    yield online
    sessions = CounterMetricFamily("onetake_viewer_sessions", "Viewer sessions begun", labels=["proto"])
    sent = CounterMetricFamily("onetake_egress_bytes", "Body bytes sent to viewers", labels=["proto"])
    for protocol, totals in viewers.by_protocol.items():
        sessions.add_metric([protocol.value], totals.sessions)
        sent.add_metric([protocol.value], totals.sent_bytes)
    yield sessions
    yield sent


def _scope_label(scope: str, used: int) -> str:
    """Assets are not labelled one by one: there may be any number of them."""
    kind, _, name = scope.partition(":")
    return name if kind == "stream" and used < MAX_STREAM_LABELS else OTHER


def _hook_metrics(hooks: Hooks) -> Iterator[Metric]:
    yield GaugeMetricFamily("onetake_callbacks_pending", "Callbacks not delivered yet", value=hooks.pending)
    yield GaugeMetricFamily("onetake_callbacks_down", "1 while nobody answers callbacks", value=hooks.endpoint_down)
    for name, text, value in (
        ("delivered", "Callbacks delivered", hooks.counters.delivered),
        ("failed_tries", "Tries that failed and were repeated", hooks.counters.failed_tries),
        ("refused", "Callbacks the receiver refused for good", hooks.counters.refused),
    ):
        yield CounterMetricFamily(f"onetake_callbacks_{name}", text, value=value)
