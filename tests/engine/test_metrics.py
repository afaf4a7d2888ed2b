"""The metrics page: parses as Prometheus text, bounded labels, nothing personal."""

from collections.abc import Mapping, Sequence

import pytest
from prometheus_client.parser import text_string_to_metric_families

from onetake.engine import metrics as metrics_module
from onetake.engine.metrics import MediaMetrics
from onetake.engine.srs_api import ClientInfo, StreamInfo
from onetake.engine.viewers import Protocol, Viewers


class FakeRegistry:
    def __init__(self, infos: list[StreamInfo]) -> None:
        self.infos = infos

    def streams(self) -> Sequence[StreamInfo]:
        return self.infos

    def clients(self, start: int = 0, count: int | None = None) -> Sequence[ClientInfo]:
        return []

    def client(self, client_id: str) -> ClientInfo | None:
        return None

    def totals(self) -> Mapping[str, tuple[int, int]]:
        return {}

    async def kick(self, client_id: str) -> bool:
        return False


def samples(page: MediaMetrics) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(page.render().decode())
    return {
        (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_streams_and_viewers_are_shown() -> None:
    viewers = Viewers()
    session = viewers.touch("stream:live/studio", Protocol.HLS, "s", viewer="user.1", ip="10.1.2.3")
    viewers.sent(session, 500)
    viewers.touch("asset:0190", Protocol.VOD, "s", viewer="user.1", ip="10.1.2.3")
    info = StreamInfo("live", "studio", recv_bytes=77, state="live", fps=29.97, recording=True)
    found = samples(MediaMetrics(FakeRegistry([info]), viewers))
    assert found["onetake_live_push_up", "stream=live/studio"] == 1
    assert found["onetake_live_push_fps", "stream=live/studio"] == 29.97
    assert found["onetake_live_ingress_bytes_total", "stream=live/studio"] == 77
    assert found["onetake_recording", "stream=live/studio"] == 1
    assert found["onetake_live_viewers", "proto=hls,stream=live/studio"] == 1
    assert found["onetake_live_viewers", "proto=vod,stream=other"] == 1
    assert found["onetake_egress_bytes_total", "proto=hls"] == 500
    assert ("onetake_loop_lag_ms", "process=live") in found


def test_nothing_personal_is_on_the_page() -> None:
    viewers = Viewers()
    viewers.touch("stream:live/a", Protocol.HLS, "session-id-1", viewer="user.77", ip="10.1.2.3")
    page = MediaMetrics(None, viewers).render()
    for word in (b"session-id-1", b"user.77", b"10.1.2.3"):
        assert word not in page


def test_stream_labels_are_bounded_and_live_ones_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "MAX_STREAM_LABELS", 3)
    infos = [StreamInfo("live", f"idle{n}", recv_bytes=1) for n in range(10)]
    infos.append(StreamInfo("live", "zz-running", recv_bytes=5, state="live"))
    found = samples(MediaMetrics(FakeRegistry(infos)))
    labels = {label for name, label in found if name == "onetake_live_ingress_bytes_total"}
    assert labels == {"stream=live/zz-running", "stream=live/idle0", "stream=live/idle1", "stream=other"}
    assert found["onetake_live_ingress_bytes_total", "stream=other"] == 8
