"""Errors that a person may read: one class per case, with status, stable code and three languages.

They become RFC 9457 `application/problem+json` at the web edge. Placeholders in a text are filled from `params`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

Lang = Literal["en", "zh-CN", "zh-TW"]
LANGS: tuple[Lang, ...] = ("en", "zh-CN", "zh-TW")


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in the three languages of the product."""

    en: str
    zh_cn: str
    zh_tw: str

    def render(self, lang: Lang, **params: object) -> str:
        """The sentence in `lang` with `{name}` placeholders filled in."""
        template = {"en": self.en, "zh-CN": self.zh_cn, "zh-TW": self.zh_tw}[lang]
        return template.format(**params)


class AppError(Exception):
    """Base of every expected failure.

    `field` names the offending field of the request, as in the JSON body or query. `headers` go into the answer.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    text: ClassVar[Text] = Text(
        en="Something went wrong on our side.", zh_cn="服务器内部出错。", zh_tw="伺服器內部發生錯誤。"
    )

    def __init__(self, *, field: str | None = None, headers: dict[str, str] | None = None, **params: object) -> None:
        self.field = field
        self.headers = headers or {}
        self.params = params
        super().__init__(self.detail("en"))

    def detail(self, lang: Lang) -> str:
        """The sentence for a person, in `lang`."""
        return self.text.render(lang, **self.params)


class NotFound(AppError):
    """The thing does not exist, or the caller may not know that it does (C2)."""

    status = 404
    code = "not_found"
    text = Text(en="There is no such thing here.", zh_cn="找不到该内容。", zh_tw="找不到該內容。")


class Forbidden(AppError):
    """Signed in, but not allowed."""

    status = 403
    code = "forbidden"
    text = Text(en="You are not allowed to do this.", zh_cn="您没有权限执行此操作。", zh_tw="您沒有權限執行此操作。")


class Unauthorized(AppError):
    """Not signed in, or no longer."""

    status = 401
    code = "unauthorized"
    text = Text(en="Please sign in.", zh_cn="请先登录。", zh_tw="請先登入。")


class Conflict(AppError):
    """The request contradicts the present state."""

    status = 409
    code = "conflict"
    text = Text(
        en="This contradicts the present state.", zh_cn="与当前状态冲突。", zh_tw="與目前狀態衝突。"
    )
