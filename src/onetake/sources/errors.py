"""What can go wrong with live sources, in the three languages."""

from onetake.kit.errors import Conflict, Invalid, Text


class UrlNeeded(Invalid):
    """A pulled source has no address."""

    code = "source_url_needed"
    text = Text(en="This protocol needs an address.", zh_cn="该协议需要填写地址。", zh_tw="此協定需要填寫位址。")


class UrlNotWanted(Invalid):
    """A pushed or built-in source has an address."""

    code = "source_url_not_wanted"
    text = Text(
        en="This protocol takes no address: the stream comes to us.",
        zh_cn="该协议不需要填写地址：由推流端推送。",
        zh_tw="此協定不需要填寫位址：由推流端推送。",
    )


class UrlMasked(Invalid):
    """An address as it is shown, with its secrets hidden, is none that can be fetched."""

    code = "source_url_masked"
    text = Text(
        en="*** stands for what is hidden here. Enter the whole address.",
        zh_cn="*** 代表被隐藏的内容，请填写完整地址。",
        zh_tw="*** 代表被隱藏的內容，請填寫完整位址。",
    )


class WrongScheme(Invalid):
    """Parameters: `protocol`, `schemes`."""

    code = "source_wrong_scheme"
    text = Text(
        en="For {protocol} the address must begin with {schemes}.",
        zh_cn="{protocol} 的地址必须以 {schemes} 开头。",
        zh_tw="{protocol} 的位址必須以 {schemes} 開頭。",
    )


class NotPushed(Conflict):
    """Only pushed sources have a stream key."""

    code = "source_not_pushed"
    text = Text(
        en="Only a pushed source has a stream key.",
        zh_cn="只有推流源才有推流密钥。",
        zh_tw="只有推流來源才有串流金鑰。",
    )


class SourceInactive(Conflict):
    """The source is switched off."""

    code = "source_inactive"
    text = Text(en="This source is switched off.", zh_cn="该直播源已停用。", zh_tw="此直播來源已停用。")


class SourceBusy(Conflict):
    """A source that is being recorded cannot be deleted."""

    code = "source_recording"
    text = Text(
        en="This source is being recorded. Stop the recording first.",
        zh_cn="该直播源正在录制，请先停止录制。",
        zh_tw="此直播來源正在錄製，請先停止錄製。",
    )
