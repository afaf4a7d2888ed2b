"""Named errors of the tools that we run, from their exit code and stderr (DESIGN §10; texts fit for people).

The order of the table matters: the first pattern that is found decides, special causes stand before general ones.
"""

import re
import signal
from dataclasses import dataclass
from typing import ClassVar

from onetake.kit.errors import AppError, Text
from onetake.kit.redact import redact


class ToolError(AppError):
    """Base: a media tool did not do its work. `transient` tells whether trying again later may help."""

    status = 422
    code = "media_tool_failed"
    text = Text(
        en="The media tool stopped with exit code {code}: {reason}",
        zh_cn="媒体工具异常退出（代码 {code}）：{reason}",
        zh_tw="媒體工具異常結束（代碼 {code}）：{reason}",
    )
    transient: ClassVar[bool] = True

    def __init__(self, *, code: int | None = None, reason: str = "", codec: str = "") -> None:
        self.exit_code = code
        super().__init__(code=code, reason=reason or "—", codec=codec)


class SourceNameNotFound(ToolError):
    """DNS has no such host."""

    code = "source_name_not_found"
    text = Text(
        en="The host name of the source could not be resolved.",
        zh_cn="无法解析源站主机名。",
        zh_tw="無法解析來源主機名稱。",
    )


class SourceRefused(ToolError):
    """Nobody listens at that port."""

    code = "source_refused"
    text = Text(en="The source refused the connection.", zh_cn="源站拒绝连接。", zh_tw="來源拒絕連線。")


class SourceUnreachable(ToolError):
    """No route, or the connection broke before it stood."""

    code = "source_unreachable"
    text = Text(en="The source cannot be reached.", zh_cn="无法连接到源站。", zh_tw="無法連線到來源。")


class SourceTimedOut(ToolError):
    """No answer, or no media, for too long."""

    code = "source_timed_out"
    text = Text(en="The source did not answer in time.", zh_cn="源站响应超时。", zh_tw="來源回應逾時。")


class SourceUnauthorized(ToolError):
    """401 or 403, or the protocol's own word for it."""

    code = "source_unauthorized"
    text = Text(
        en="The source asks for a user name and password or does not allow access.",
        zh_cn="源站要求用户名和密码，或拒绝访问。",
        zh_tw="來源要求使用者名稱與密碼，或拒絕存取。",
    )
    transient = False


class SourceNotFound(ToolError):
    """404, or no such stream."""

    code = "source_not_found"
    text = Text(
        en="The source has no such stream at present.", zh_cn="源站当前没有此流。", zh_tw="來源目前沒有此串流。"
    )


class SourceServerError(ToolError):
    """5xx or 429."""

    code = "source_server_error"
    text = Text(en="The source reports an error of its own.", zh_cn="源站内部出错。", zh_tw="來源內部發生錯誤。")


class TlsFailed(ToolError):
    """The certificate is not valid, or the other side does not speak TLS."""

    code = "tls_failed"
    text = Text(
        en="No secure connection to the source: its certificate is not valid or it does not speak TLS.",
        zh_cn="无法与源站建立安全连接：证书无效或不支持 TLS。",
        zh_tw="無法與來源建立安全連線：憑證無效或不支援 TLS。",
    )


class NotMedia(ToolError):
    """What came is no audio or video in a form that we take."""

    code = "not_media"
    text = Text(
        en="This is not audio or video in a form that can be used.",
        zh_cn="内容不是可用的音视频格式。",
        zh_tw="內容不是可用的影音格式。",
    )
    transient = False


class FormatNotAllowed(ToolError):
    """A playlist, an exotic container or a scheme that is refused by rule."""

    code = "format_not_allowed"
    text = Text(
        en="This kind of file or address is not accepted.",
        zh_cn="不接受此类文件或地址。",
        zh_tw="不接受此類檔案或位址。",
    )
    transient = False


class UnsupportedCodec(ToolError):
    """The codec cannot be taken in or decoded."""

    code = "unsupported_codec"
    text = Text(
        en="The codec {codec} is not supported.", zh_cn="不支持编码格式 {codec}。", zh_tw="不支援編碼格式 {codec}。"
    )
    transient = False


class NoTracks(ToolError):
    """There is neither video nor audio inside."""

    code = "no_tracks"
    text = Text(
        en="There is neither video nor audio inside.", zh_cn="其中没有视频或音频。", zh_tw="其中沒有影片或音訊。"
    )
    transient = False


class DiskFull(ToolError):
    """No space left, or a file-size limit."""

    status = 507
    code = "disk_full"
    text = Text(en="There is no space left on the disk.", zh_cn="磁盘空间不足。", zh_tw="磁碟空間不足。")


class LimitExceeded(ToolError):
    """The child hit a limit of memory, CPU, file size or wall time, or was killed by the system."""

    code = "media_limit_exceeded"
    text = Text(
        en="Processing this media took more time or memory than is allowed.",
        zh_cn="处理该媒体所需的时间或内存超出限制。",
        zh_tw="處理該媒體所需的時間或記憶體超出限制。",
    )
    transient = False


class ToolMissing(ToolError):
    """The program is not there or cannot be started."""

    status = 500
    code = "media_tool_missing"
    text = Text(
        en="The media tool is missing or cannot be started.",
        zh_cn="缺少媒体工具或无法启动。",
        zh_tw="缺少媒體工具或無法啟動。",
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    error: type[ToolError]


def _rule(pattern: str, error: type[ToolError]) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), error)


_RULES = (
    _rule(r"No space left on device|File too large", DiskFull),
    _rule(r"Cannot allocate memory|bad_alloc|MemoryError", LimitExceeded),
    _rule(
        r"Failed to resolve hostname|Name or service not known|Temporary failure in name resolution", SourceNameNotFound
    ),
    _rule(
        r"Server returned 40[13]\b|\b401 Unauthorized|\b403 Forbidden|authorization failed|BADSECRET|"
        r"incorrect (?:stream|pass|username)|No credentials set|No auth parameters|Unknown connect error",
        SourceUnauthorized,
    ),
    _rule(
        r"Server returned 40[04]|\b404 Not Found|StreamNotFound|Play\.Failed|Server returned 4XX|"
        r"Server error: .*(?:not found|no such stream|not live)",
        SourceNotFound,
    ),
    _rule(r"\[rtmp\b.*Server error: ", SourceUnauthorized),  # whatever sentence the far side has for it
    _rule(r"Server returned (?:5|429)|\b50[0-9] [A-Z]|\b453 Not Enough Bandwidth", SourceServerError),
    _rule(r"certificate|SSL routines|\[tls @|TLS (?:fatal|handshake)|gnutls", TlsFailed),
    _rule(r"not on whitelist|Unsafe file name|Not detecting m3u8|not in allowed", FormatNotAllowed),
    _rule(r"does not contain any stream|matches no streams", NoTracks),
    _rule(r"Connection refused", SourceRefused),
    _rule(r"timed out|Operation not permitted within", SourceTimedOut),
    _rule(
        r"Network is unreachable|No route to host|Connection reset|Broken pipe|Cannot open connection|"
        r"Cannot read RTMP handshake",
        SourceUnreachable,
    ),
    # A page of unknown length that is no media: FFmpeg reads all of it for a format, and names only its end.
    _rule(r"prematurely at [1-9]\d{2,}, should be 18446744073709551615[\s\S]*Error opening input", NotMedia),
    _rule(r"Error opening input files?: (?:Input/output error|End of file)", SourceUnreachable),
    _rule(
        r"Invalid data found|moov atom not found|Error opening input files?: Invalid argument|"
        r"could not find codec parameters|Unknown format",
        NotMedia,
    ),
    # RTMP servers that refuse to play without a word: FFmpeg knows no more than that.
    _rule(r"Error opening input files?: Operation not permitted", SourceNotFound),
)
_CODEC = re.compile(
    r"Decoder \((?:codec )?(?P<a>\w+)\) not found|Decoding requested, but no decoder found for: (?P<b>\w+)|"
    r"codec (?P<c>\w+) (?:in stream \d+ )?is not supported|(?P<d>\w+) codec not compatible with flv|"
    r"codec tag .* codec id (?P<e>\w+)|Codec \((?P<f>\w+)\) not on whitelist",
    re.IGNORECASE,
)
_KILLED_BY_LIMIT = frozenset({-signal.SIGXCPU, -signal.SIGXFSZ, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT})


def explain(stderr: str, exit_code: int | None) -> ToolError:
    """The named error for what a tool wrote to stderr and its exit code (negative = signal, None = never started)."""
    if exit_code == 127 and "cannot start: " in stderr:
        return ToolMissing(code=exit_code)
    codec = _CODEC.search(stderr)
    if codec:
        return UnsupportedCodec(code=exit_code, codec=next(group for group in codec.groups() if group))
    for rule in _RULES:
        if rule.pattern.search(stderr):
            return rule.error(code=exit_code)
    if exit_code in _KILLED_BY_LIMIT:
        return LimitExceeded(code=exit_code)
    return ToolError(code=exit_code, reason=_last_line(stderr))


def _last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return redact(lines[-1])[:200] if lines else ""
