"""The desired state: parsing of hostile input, persistence, change notices."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetake.engine.errors import BadField
from onetake.engine.state import (
    DesiredState,
    RecordMode,
    StateStore,
    StreamConfig,
    dump_state,
    hash_key,
    parse_state,
    parse_stream,
    write_atomically,
)

CAM = StreamConfig("cam", key_hashes=(hash_key("k1"), hash_key("k2")), record=RecordMode.AUTO, grace_s=5.0)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)


class TestParse:
    def test_round_trip(self) -> None:
        state = DesiredState(3, {"cam": CAM, "pull": StreamConfig("pull", pull={"url": "rtmp://h/a/b"})})
        assert parse_state(json.loads(json.dumps(dump_state(state)))) == state

    @pytest.mark.parametrize(
        ("raw", "word"),
        [
            ([], "stream"),
            ({"name": "../x"}, "name"),
            ({"name": "a" * 65}, "name"),
            ({"name": "a\n"}, "name"),
            ({"name": "a", "record": "maybe"}, "record"),
            ({"name": "a", "key_hashes": ["zz"]}, "key_hashes"),
            ({"name": "a", "key_hashes": "0" * 64}, "key_hashes"),
            ({"name": "a", "grace_s": -1}, "grace_s"),
            ({"name": "a", "grace_s": True}, "grace_s"),
            ({"name": "a", "time_shift_s": float("nan")}, "time_shift_s"),
            ({"name": "a", "rotate_bytes": 1e300}, "rotate_bytes"),
            ({"name": "a", "pull": {"link": 1}}, "pull"),
            ({"name": "a", "enabled": 1}, "enabled"),
            ({"name": "a", "path": "/etc"}, "path"),
        ],
    )
    def test_a_wrong_stream_names_the_field(self, raw: object, word: str) -> None:
        with pytest.raises(BadField, match=word) as refused:
            parse_stream(raw)
        assert refused.value.field == word

    def test_a_name_may_not_stand_twice(self) -> None:
        with pytest.raises(BadField, match="twice"):
            parse_state({"streams": [{"name": "a"}, {"name": "a"}]})

    @given(JSON)
    def test_any_json_parses_or_is_refused(self, raw: object) -> None:
        try:
            parse_state(raw)
        except BadField:
            return


class TestKeys:
    def test_only_known_keys_are_accepted(self) -> None:
        assert CAM.accepts_key("k1")
        assert CAM.accepts_key("k2")
        assert not CAM.accepts_key("k3")
        assert not CAM.accepts_key("")
        assert not StreamConfig("open").accepts_key("")


class TestStore:
    async def test_state_survives_a_restart(self, tmp_path: Path) -> None:
        store = StateStore(tmp_path / "state.json")
        await store.put_stream(CAM)
        again = StateStore(store.path)
        again.load()
        assert again.get("cam") == CAM
        assert store.path.stat().st_mode & 0o777 == 0o600

    async def test_an_older_version_is_refused(self, tmp_path: Path) -> None:
        store = StateStore(tmp_path / "state.json")
        assert await store.replace(DesiredState(5, {"cam": CAM}))
        assert not await store.replace(DesiredState(4))
        assert store.get("cam") == CAM
        assert await store.replace(DesiredState(5))

    async def test_only_changes_are_told(self, tmp_path: Path) -> None:
        store = StateStore(tmp_path / "state.json")
        seen: list[tuple[StreamConfig | None, StreamConfig | None]] = []
        store.on_change(lambda old, new: seen.append((old, new)))
        await store.put_stream(CAM)
        await store.replace(DesiredState(1, {"cam": CAM}))
        await store.delete_stream("cam")
        await store.delete_stream("cam")
        assert seen == [(None, CAM), (CAM, None)]

    @pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"streams": 1}', b"\xff\xfe"])
    def test_a_broken_file_is_kept_aside(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "state.json"
        path.write_bytes(content)
        store = StateStore(path)
        store.load()
        assert store.state == DesiredState()
        assert path.with_suffix(".broken").read_bytes() == content

    def test_a_failed_write_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "state.json"
        write_atomically(path, b"old")
        (tmp_path / "state.json.tmp").mkdir()
        with pytest.raises(IsADirectoryError):
            write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
