"""A gate on loopback between an ffmpeg child and one RTSP server (RFC 2326), which lets no redirect through.

ffmpeg follows an RTSP 3xx answer to any host, past every whitelist. So the child talks to this gate, the gate only to
the judged address, and the answers are read on their way. Over TCP everything, media too, is on this one connection.
For rtsps the gate does the TLS, with the certificate checked, and the child speaks plain RTSP to it.
"""

import asyncio
import contextlib
import logging
import re
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from onetake.kit.errors import AppError
from onetake.kit.ssrf import Pinned
from onetake.media.ffmpeg.errors import TlsFailed
from onetake.media.pull_errors import NotRtsp, RedirectRefused

log = logging.getLogger(__name__)

CHUNK_BYTES = 64 << 10
MAX_HEAD_BYTES = 32 << 10
CONNECT_TIMEOUT_S = 8.0
IDLE_TIMEOUT_S = 60.0
_FRAME = ord("$")
_FRAME_HEAD_BYTES = 4
_MIN_FRAME_BYTES = 8
_REDIRECT = re.compile(rb"RTSP/\d\.\d 3\d\d\b")
_FIRST_LINE = re.compile(rb"RTSP/\d\.\d \d{3}(?: [^\r\n]*)?|[A-Z_]{1,32} \S{1,4096} RTSP/\d\.\d")
_AMBIGUOUS = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\n\$|[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LENGTH_NAME = re.compile(rb"\ncontent-length", re.IGNORECASE)
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,8})[ \t]*\r\n", re.IGNORECASE)


class AnswerWatch:
    """Reads what an RTSP server sends: answers with bodies, requests of its own, interleaved frames (§10.12).

    Whatever ffmpeg would read otherwise than we do is refused, or a redirect could hide in it: ffmpeg ends a line at a
    bare LF and drops every CR, takes the last of several lengths, `$` at any start of a line for a frame, anything
    behind white space for the status, and reads frames of 1 to 7 bytes as text.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            RedirectRefused: an answer with a 3xx status began in them.
            NotRtsp: they are neither text nor frames of RTSP.
        """
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
            else:
                step = self._take_head(data, at)
            at += step

    def _take_head(self, data: bytes, at: int) -> int:
        """Read on in the present head; how many bytes of `data` from `at` on belong to it."""
        head, known = self._head, len(self._head)
        is_frame = (head[0] if head else data[at]) == _FRAME
        head += data[at : at + (_FRAME_HEAD_BYTES if is_frame else MAX_HEAD_BYTES + 1) - known]
        end = (_FRAME_HEAD_BYTES if len(head) == _FRAME_HEAD_BYTES else None) if is_frame else _text_end(head)
        if end is None:
            return len(head) - known
        self._skip = _frame_bytes(head) if is_frame else _body_bytes(head[:end])
        head.clear()
        return end - known


def _text_end(head: bytearray) -> int | None:
    """Where the head of a message ends, None when there must be more of it. Raises RedirectRefused and NotRtsp."""
    # Told as soon as the first line is there: a server must not gain by never ending its head.
    if _REDIRECT.match(head):
        raise RedirectRefused
    place, line = head.find(b"\r\n\r\n"), head.find(b"\r\n")
    if line >= 0 and not _FIRST_LINE.fullmatch(head, 0, line):
        raise NotRtsp
    end = place + 4 if place >= 0 else None
    if len(head if end is None else head[:end]) > MAX_HEAD_BYTES or _AMBIGUOUS.search(head[:end]):
        raise NotRtsp
    return end


def _frame_bytes(head: bytearray) -> int:
    length = int.from_bytes(head[2:4], "big")
    if 0 < length < _MIN_FRAME_BYTES:
        raise NotRtsp
    return length


def _body_bytes(head: bytearray) -> int:
    names, match = _LENGTH_NAME.findall(head), _LENGTH.search(head)
    if len(names) > 1 or (names and not match):
        raise NotRtsp
    return int(match[1]) if match else 0


@dataclass(slots=True)
class Gate:
    """An open gate: the child connects to `port`. `refusal` tells why it was shut."""

    port: int = 0
    refusal: AppError | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


@asynccontextmanager
async def rtsp_gate(pinned: Pinned, tls: ssl.SSLContext | None = None) -> AsyncIterator[Gate]:
    """A gate to a judged address, for as long as the block runs; `tls` replaces the system's trust for rtsps."""
    if pinned.target.scheme == "rtsps" and tls is None:
        tls = ssl.create_default_context()
    gate = Gate()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        gate.tasks.add(task)
        task.add_done_callback(gate.tasks.discard)
        try:
            await _relay(pinned, tls if pinned.target.scheme == "rtsps" else None, reader, writer)
        except (RedirectRefused, NotRtsp) as error:
            gate.refusal = error
        except ssl.SSLError:
            gate.refusal = TlsFailed()
        except (OSError, TimeoutError) as error:
            log.debug("rtsp gate: %s", type(error).__name__)
        except asyncio.CancelledError:
            # The end of this task: asyncio's server would report a cancelled one as an error.
            log.debug("rtsp gate: shut")
        finally:
            await _cut(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=CHUNK_BYTES)
    gate.port = server.sockets[0].getsockname()[1]
    try:
        yield gate
    finally:
        server.close()
        for task in gate.tasks:
            task.cancel()
        await asyncio.gather(*gate.tasks, return_exceptions=True)
        await server.wait_closed()


async def _relay(pinned: Pinned, tls: ssl.SSLContext | None, reader: StreamReader, writer: StreamWriter) -> None:
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        far_reader, far_writer = await asyncio.open_connection(
            str(pinned.addresses[0]),
            pinned.target.port,
            limit=CHUNK_BYTES,
            ssl=tls,
            server_hostname=pinned.target.host if tls else None,
        )
    upward = asyncio.create_task(_pump(reader, far_writer, None))
    try:
        await _pump(far_reader, writer, AnswerWatch())
    finally:
        upward.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, TimeoutError):
            await upward
        await _cut(far_writer)


async def _cut(writer: StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _pump(reader: StreamReader, writer: StreamWriter, watch: AnswerWatch | None) -> None:
    while data := await reader.read(CHUNK_BYTES):
        if watch is not None:
            watch.feed(data)
        writer.write(data)
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            await writer.drain()
