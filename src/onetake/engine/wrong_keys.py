"""Who has guessed stream keys: an address with many wrong ones is refused without a question. Loop only."""

from collections import OrderedDict
from dataclasses import dataclass

MAX_ADDRESSES = 10_000


@dataclass(slots=True)
class _Tries:
    since_s: float
    count: int = 0


class WrongKeys:
    """Counts refusals per address within windows of `window_s`; times are monotonic seconds."""

    def __init__(self, most: int, window_s: float) -> None:
        self._most = most
        self._window_s = window_s
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def is_blocked(self, address: str, now_s: float) -> bool:
        """Whether `address` has had its share of wrong keys."""
        tries = self._tries.get(address)
        if tries is None or now_s - tries.since_s >= self._window_s:
            return False
        return tries.count >= self._most

    def note(self, address: str, now_s: float) -> None:
        """`address` gave a wrong key."""
        tries = self._tries.get(address)
        if tries is None or now_s - tries.since_s >= self._window_s:
            self._tries.pop(address, None)
            tries = self._tries[address] = _Tries(now_s)
        tries.count += 1
        if len(self._tries) > MAX_ADDRESSES:
            self._tries.popitem(last=False)
