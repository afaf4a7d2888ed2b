"""What can go wrong with a pulled source beyond the errors of the tools: told by the media server, shown by the API."""

from onetake.kit.errors import AppError, Text


class SourceEnded(AppError):
    """The source came to its end, or the other side closed it."""

    status = 503
    code = "source_ended"
    text = Text(en="The source has ended.", zh_cn="源流已结束。", zh_tw="來源已結束。")


class RedirectRefused(AppError):
    """The RTSP source wants its client to go elsewhere."""

    status = 422
    code = "redirect_refused"
    text = Text(
        en="The RTSP source redirects to another address. Enter that address instead.",
        zh_cn="该 RTSP 源重定向到其他地址，请直接填写该地址。",
        zh_tw="該 RTSP 來源重新導向到其他位址，請直接填寫該位址。",
    )


class NotRtsp(AppError):
    """What came is no RTSP."""

    status = 422
    code = "not_rtsp"
    text = Text(en="The source does not speak RTSP.", zh_cn="该源不是 RTSP 服务。", zh_tw="該來源不是 RTSP 服務。")


class StreamTaken(AppError):
    """Somebody publishes under the name of the pulled stream."""

    status = 409
    code = "stream_taken"
    text = Text(
        en="An encoder publishes this stream at present; the source is fetched when it has stopped.",
        zh_cn="当前有编码器正在推送此流，待其停止后再拉取该源。",
        zh_tw="目前有編碼器正在推送此串流，待其停止後再拉取該來源。",
    )


class PullEnded(AppError):
    """The session was ended while the source went on."""

    status = 409
    code = "pull_ended"
    text = Text(
        en="The session was ended here; the source is fetched again.",
        zh_cn="会话已在此处结束，将重新拉取该源。",
        zh_tw="工作階段已在此處結束，將重新拉取該來源。",
    )
