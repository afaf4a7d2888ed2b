"""Clips for the tests of the media server, made once per session with ffmpeg 9."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.engine.peers import make_clip

ClipMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipMaker:
    """`clip(name, seconds, gop=30)`: the path of a generated clip (see `peers.CLIPS`)."""
    folder = tmp_path_factory.mktemp("clips")
    return partial(make_clip, folder)
