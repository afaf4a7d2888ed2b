"""Links to unlisted things: numbers can be counted through, so a link carries a key that cannot be guessed."""

import hmac
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Header

from onetake.infra.secrets import derive_key, secret_key
from onetake.infra.web.deps import SettingsDep

_KEY_CHARS = 20


def link_key(data_dir: Path, thing: str) -> str:
    """The key of the link to `thing` (`video:5`); the same for as long as the installation has its secret."""
    return derive_key(secret_key(data_dir), f"link {thing}").hex()[:_KEY_CHARS]


class Link:
    """The key that the caller brought, if any."""

    def __init__(self, data_dir: Path, key: str | None) -> None:
        self._data_dir = data_dir
        self._key = key

    def opens(self, thing: str) -> bool:
        """Whether the key is that of `thing`."""
        return self._key is not None and hmac.compare_digest(
            self._key.encode(), link_key(self._data_dir, thing).encode()
        )


async def _link(
    settings: SettingsDep,
    key: Annotated[
        str | None, Header(alias="X-Link-Key", max_length=64, description="Key of the link to something unlisted.")
    ] = None,
) -> Link:
    return Link(settings.data_dir, key)


LinkDep = Annotated[Link, Depends(_link)]
