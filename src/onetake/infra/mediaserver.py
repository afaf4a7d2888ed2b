"""The control plane's line to the media server: its `/control/*` over HTTP, and the keys that both sides share.

The media server knows no database; what it should do is pushed to it, what it does is asked or told by callbacks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import Depends
from fastapi.requests import HTTPConnection

from onetake.infra.secrets import derive_key, secret_key
from onetake.infra.settings import Settings
from onetake.kit.errors import AppError, Text
from onetake.kit.signing import Keyring
from onetake.kit.signing import derive_key as derive_shared_key

TIMEOUT_S = 10.0
CALLBACK_PATH = "/api/internal/media/callbacks"


class MediaServerUnavailable(AppError):
    """The media server does not answer; it restarts by itself within seconds."""

    status = 503
    code = "media_server_unavailable"
    text = Text(
        en="The media server does not answer at the moment. Please try again in a few seconds.",
        zh_cn="媒体服务器暂时没有响应，请几秒后重试。",
        zh_tw="媒體伺服器暫時沒有回應，請幾秒後重試。",
    )


class MediaServerRefused(AppError):
    """The media server understood and said no. Parameters: `kind`, its code, and `reason`, in English."""

    status = 409
    code = "media_server_refused"
    text = Text(
        en="The media server refused the request ({kind}).",
        zh_cn="媒体服务器拒绝了请求（{kind}）。",
        zh_tw="媒體伺服器拒絕了請求（{kind}）。",
    )

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        super().__init__(kind=kind, reason=reason)


def control_secret(data_dir: Path) -> str:
    """The bearer of `/control/*`, and what callbacks are signed with."""
    return derive_key(secret_key(data_dir), "media control").hex()


def token_secret(data_dir: Path) -> bytes:
    """The root of the keys that sign playback tokens."""
    return derive_key(secret_key(data_dir), "media tokens")


def token_keyring(data_dir: Path) -> Keyring:
    """What the control plane signs playback tokens with."""
    return Keyring.from_secret(token_secret(data_dir))


def callback_key(data_dir: Path) -> bytes:
    """What a callback's `X-OneTake-Signature` is checked with."""
    return derive_shared_key(control_secret(data_dir).encode(), "callbacks")


class _Line:
    """HTTP to one process of the media server. Calls raise MediaServerUnavailable or MediaServerRefused."""

    def __init__(self, base_url: str, secret: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def revoke(self, what: str, value: str) -> None:
        """Refuse from now on every token of one session, viewer, asset or stream."""
        await self._call("POST", "/control/revoke", {"what": what, "value": value})

    async def restore(self, what: str, value: str) -> None:
        """Take a revocation back."""
        await self._call("POST", "/control/revoke", {"what": what, "value": value, "restore": True})

    async def revoked(self) -> set[tuple[str, str]]:
        """All standing revocations, as (what, value)."""
        answer = await self._call("GET", "/control/revoked")
        return {(item["what"], item["value"]) for item in answer["revoked"]}

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, json=body)
        except (TimeoutError, httpx.HTTPError, OSError) as error:
            raise MediaServerUnavailable(headers={"Retry-After": "2"}) from error
        if response.status_code >= 500 and response.status_code != 507:
            raise MediaServerUnavailable(headers={"Retry-After": "2"})
        if response.status_code >= 400:
            raise _refusal(response)
        answer: dict[str, Any] = response.json()
        return answer


class MediaServer(_Line):
    """The live process. Every call raises MediaServerUnavailable or MediaServerRefused."""

    @classmethod
    def from_settings(cls, settings: Settings) -> "MediaServer":
        """The media server of this installation, on the same machine."""
        return cls(_local_url(settings, settings.media_port), control_secret(settings.data_dir))

    async def streams(self) -> dict[str, Any]:
        """`{server: {version, viewers, …}, streams: [{name, state, viewers, recording, paused, pull, stats, …}]}`."""
        return await self._call("GET", "/control/streams")

    async def put_state(self, version: int, streams: Sequence[Mapping[str, Any]]) -> None:
        """Push the whole desired state."""
        await self._call("PUT", "/control/state", {"version": version, "streams": list(streams)})

    async def get_state(self) -> dict[str, Any]:
        """The desired state that the media server holds."""
        return await self._call("GET", "/control/state")

    async def put_stream(self, stream: Mapping[str, Any]) -> None:
        """Push one stream of the desired state."""
        fields = {key: value for key, value in stream.items() if key != "name"}
        await self._call("PUT", f"/control/streams/{stream['name']}", fields)

    async def delete_stream(self, name: str) -> None:
        """Take one stream out of the desired state."""
        await self._call("DELETE", f"/control/streams/{name}")

    async def end_stream(self, name: str) -> None:
        """End a live session now."""
        await self._call("POST", f"/control/streams/{name}/end")

    async def probe(self, name: str) -> dict[str, Any]:
        """What an idle source on demand would give: `{tracks}`, `{error, detail, params}`, or nothing if unknown."""
        return await self._call("POST", f"/control/streams/{name}/probe")

    async def record_start(self, stream: str, preroll_s: float) -> dict[str, Any]:
        """Record a live stream; the recording's sheet."""
        return await self._call("POST", "/control/record/start", {"stream": stream, "preroll_s": preroll_s})

    async def record_stop(self, stream: str) -> dict[str, Any]:
        """Stop recording; the recording's sheet."""
        return await self._call("POST", "/control/record/stop", {"stream": stream})

    async def recordings(self) -> list[dict[str, Any]]:
        """Sheets of running and lately finished recordings."""
        found: list[dict[str, Any]] = (await self._call("GET", "/control/recordings"))["recordings"]
        return found


class FileServer(_Line):
    """The file process. Every call raises MediaServerUnavailable or MediaServerRefused."""

    @classmethod
    def from_settings(cls, settings: Settings) -> "FileServer":
        """The file process of this installation, on the same machine."""
        return cls(_local_url(settings, settings.files_port), control_secret(settings.data_dir))

    async def figures(self) -> dict[str, Any]:
        """`{viewers: {protocol: number}, sent_bytes}`; the bytes since the process began."""
        return await self._call("GET", "/control/figures")

    async def reads(self) -> dict[str, float]:
        """When (Unix s) each asset was last read, for those read in the last hour."""
        found: dict[str, float] = (await self._call("GET", "/control/reads"))["reads"]
        return found

    async def forget(self, asset_id: str) -> None:
        """Close the files of an asset that is about to be removed."""
        await self._call("POST", "/control/forget", {"asset": asset_id})


def _local_url(settings: Settings, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.bind, settings.bind)
    return f"http://{host}:{port}"


def _refusal(response: httpx.Response) -> MediaServerRefused:
    """The refusal in the media server's words; problem+json carries a code, plain text only a sentence."""
    if "json" in response.headers.get("content-type", ""):
        problem = response.json()
        return MediaServerRefused(str(problem.get("code", "refused")), str(problem.get("detail", "")))
    return MediaServerRefused("refused", response.text[:200])


async def _media(connection: HTTPConnection) -> MediaServer:
    media: MediaServer = connection.app.state.live.media
    return media


MediaDep = Annotated[MediaServer, Depends(_media)]
