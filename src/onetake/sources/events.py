"""What happens to live sources, for the domains above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceChanged:
    """A source was made or changed: the desired state of the media server may differ."""

    source_id: int


@dataclass(frozen=True)
class SourceDeleted:
    """A source is gone; `trash_recordings` says what shall become of its videos."""

    source_id: int
    stream_name: str
    trash_recordings: bool
