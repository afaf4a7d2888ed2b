"""What the HTTP sides of the media server refuse, in words for people.

The SRS-compatible API has forms of its own: a number as `code` and status 200, see `srs_api`.
"""

from onetake.kit.errors import BadRequest, Conflict, Forbidden, NotFound, Text, Unauthorized, Unavailable


class StreamOffline(NotFound):
    """There is no such stream, or it is not live."""

    code = "stream_offline"
    text = Text(en="This stream is not live.", zh_cn="该直播流当前未开播。", zh_tw="該直播流目前未開播。")


class StreamStalled(Unavailable):
    """A request has waited for media that did not come."""

    code = "stream_stalled"
    text = Text(
        en="The stream does not go on at the moment.", zh_cn="直播流暂时没有新数据。", zh_tw="直播流暫時沒有新資料。"
    )


class MediaNotFound(NotFound):
    """No segment, part or init of that name is here, or is here yet."""

    code = "media_not_found"
    text = Text(en="There is no such piece of media.", zh_cn="没有这段媒体。", zh_tw="沒有這段媒體。")


class PictureNotFound(NotFound):
    """A stream without pictures, or none of it is there yet."""

    code = "picture_not_found"
    text = Text(en="There is no picture of it yet.", zh_cn="暂时没有画面。", zh_tw="暫時沒有畫面。")


class ViewerSentAway(Forbidden):
    """An anonymous viewer whom an operator has kicked, for a while."""

    code = "viewer_sent_away"
    text = Text(
        en="This session was ended by the operator. Try again later.",
        zh_cn="该观看会话已被管理员结束，请稍后再试。",
        zh_tw="該觀看工作階段已被管理員結束，請稍後再試。",
    )


class SecretNeeded(Unauthorized):
    """Control without the control secret."""

    code = "control_secret_needed"
    text = Text(
        en="The control secret is missing or wrong.",
        zh_cn="缺少控制密钥，或控制密钥错误。",
        zh_tw="缺少控制密鑰，或控制密鑰錯誤。",
    )


class ForeignPage(Forbidden):
    """A page of another site tries to drive the server through its visitor's browser."""

    code = "foreign_page"
    text = Text(
        en="Only this server's own page may do this.",
        zh_cn="只允许本服务器自己的页面执行此操作。",
        zh_tw="只允許本伺服器自己的頁面執行此操作。",
    )


class ClientNotFound(NotFound):
    """Nobody with that id is connected."""

    code = "client_not_found"
    text = Text(en="There is no such client.", zh_cn="没有该客户端。", zh_tw="沒有該用戶端。")


class OldState(Conflict):
    """A desired state that is older than the one here. Parameter: `version`."""

    code = "state_too_old"
    text = Text(
        en="The state here has version {version}.",
        zh_cn="当前状态的版本是 {version}。",
        zh_tw="目前狀態的版本是 {version}。",
    )


class BodyNotJson(BadRequest):
    """A control call without a JSON body."""

    code = "body_not_json"
    text = Text(en="The body is not JSON.", zh_cn="请求内容不是 JSON。", zh_tw="請求內容不是 JSON。")


class BadField(BadRequest, ValueError):
    """A value of a desired state, a control call or a query breaks a rule; a subclass says which. Parameter: `name`.

    It is a ValueError because the same values are read from disk.
    """

    code = "bad_field"
    text = Text(en="{name} is not valid.", zh_cn="{name} 无效。", zh_tw="{name} 無效。")

    def __init__(self, name: str, **params: str | float) -> None:
        super().__init__(field=name, headers=None, name=name, **params)


class BadDirective(BadField):
    """A delivery directive breaks the rules of RFC 8216bis §6.2.5."""

    code = "bad_directive"
    text = Text(
        en="{name} must be a whole number, come with _HLS_msn, and not be far ahead of the playlist.",
        zh_cn="{name} 必须是整数、与 _HLS_msn 一起使用，且不能超前播放列表太多。",
        zh_tw="{name} 必須是整數、與 _HLS_msn 一起使用，且不能超前播放清單太多。",
    )


class NotAnObject(BadField):
    """Something else than a JSON object."""

    code = "not_an_object"
    text = Text(en="{name} must be an object.", zh_cn="{name} 必须是对象。", zh_tw="{name} 必須是物件。")


class UnknownField(BadField):
    """A field that nobody knows: a typing error, or a newer control plane."""

    code = "unknown_field"
    text = Text(en="There is no field {name}.", zh_cn="没有 {name} 这个字段。", zh_tw="沒有 {name} 這個欄位。")


class BadName(BadField):
    """Not the name of a stream."""

    code = "bad_name"
    text = Text(
        en="{name} must be 1 to 64 letters, digits, '_' or '-'.",
        zh_cn="{name} 必须是 1 到 64 个字母、数字、“_”或“-”。",
        zh_tw="{name} 必須是 1 到 64 個字母、數字、「_」或「-」。",
    )


class NameTwice(BadField):
    """Two streams of one name."""

    code = "name_twice"
    text = Text(
        en="The {name} of a stream stands twice.", zh_cn="直播流的 {name} 重复。", zh_tw="直播流的 {name} 重複。"
    )


class NotInRange(BadField):
    """Not a number, or one outside of the limits. Parameter: `most`."""

    code = "not_in_range"
    text = Text(
        en="{name} must be a number from 0 to {most}.",
        zh_cn="{name} 必须是 0 到 {most} 的数字。",
        zh_tw="{name} 必須是 0 到 {most} 的數字。",
    )


class NotBoolean(BadField):
    """Neither true nor false."""

    code = "not_boolean"
    text = Text(
        en="{name} must be true or false.", zh_cn="{name} 必须是 true 或 false。", zh_tw="{name} 必須是 true 或 false。"
    )


class NotShortText(BadField):
    """Not a text, an empty one, or a long one. Parameter: `most`."""

    code = "not_short_text"
    text = Text(
        en="{name} must be a text of 1 to {most} characters.",
        zh_cn="{name} 必须是 1 到 {most} 个字符的文本。",
        zh_tw="{name} 必須是 1 到 {most} 個字元的文字。",
    )


class NotShortList(BadField):
    """Not a list, or a long one. Parameter: `most`."""

    code = "not_short_list"
    text = Text(
        en="{name} must be a list of at most {most} items.",
        zh_cn="{name} 必须是最多 {most} 项的列表。",
        zh_tw="{name} 必須是最多 {most} 項的清單。",
    )


class NotHashes(BadField):
    """Not hashes of keys."""

    code = "not_hashes"
    text = Text(
        en="{name} must be SHA-256 in lower-case hex.",
        zh_cn="{name} 必须是小写十六进制的 SHA-256。",
        zh_tw="{name} 必須是小寫十六進位的 SHA-256。",
    )


class NotOneOf(BadField):
    """None of the words that are known. Parameter: `choices`."""

    code = "not_one_of"
    text = Text(
        en="{name} must be one of: {choices}.",
        zh_cn="{name} 必须是以下之一：{choices}。",
        zh_tw="{name} 必須是以下之一：{choices}。",
    )


class PullWithoutUrl(BadField):
    """A pull that does not say from where."""

    code = "pull_without_url"
    text = Text(
        en="{name} must be null or an object with a url.",
        zh_cn="{name} 必须是 null 或带有 url 的对象。",
        zh_tw="{name} 必須是 null 或帶有 url 的物件。",
    )
