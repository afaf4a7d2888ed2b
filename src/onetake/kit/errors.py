"""Errors that a person may read: one class per case, with status, stable code and three languages.

They become RFC 9457 `application/problem+json` at the web edge. Placeholders in a text are filled from `params`.
"""

from collections.abc import Mapping
from contextlib import suppress
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

    @classmethod
    def words(cls, lang: Lang, params: Mapping[str, object]) -> str:
        """The sentence in `lang` with `params` in it; raises KeyError when one is missing."""
        return cls.text.render(lang, **params)

    def detail(self, lang: Lang) -> str:
        """The sentence for a person, in `lang`."""
        return self.words(lang, self.params)

    def plain_params(self) -> dict[str, str | int | float]:
        """The parameters as they can be stored or sent, to be put in words later by `words_of`."""
        return {name: value for name, value in self.params.items() if isinstance(value, str | int | float)}


def words_of(code: str, params: Mapping[str, object], lang: Lang) -> str | None:
    """The sentence of a stored error in `lang`; None when no known error fits."""
    waiting: list[type[AppError]] = [AppError]
    while waiting:
        known = waiting.pop()
        if known.code == code:
            with suppress(KeyError, IndexError):
                return known.words(lang, params)
        waiting.extend(known.__subclasses__())
    return None


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
    text = Text(en="This contradicts the present state.", zh_cn="与当前状态冲突。", zh_tw="與目前狀態衝突。")


class BadRequest(AppError):
    """The request cannot be understood."""

    status = 400
    code = "bad_request"
    text = Text(en="The request cannot be understood.", zh_cn="无法理解该请求。", zh_tw="無法理解該請求。")


class MethodNotAllowed(AppError):
    """The address exists, but not with this method."""

    status = 405
    code = "method_not_allowed"
    text = Text(
        en="This address does not support that method.",
        zh_cn="该地址不支持此请求方法。",
        zh_tw="該位址不支援此請求方法。",
    )


class RequestTimeout(AppError):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"
    text = Text(en="The request took too long to arrive.", zh_cn="请求传输超时。", zh_tw="請求傳輸逾時。")


class PayloadTooLarge(AppError):
    """The body is longer than allowed. Parameter: `limit_bytes`."""

    status = 413
    code = "payload_too_large"
    text = Text(
        en="The request is larger than {limit_bytes} bytes.",
        zh_cn="请求内容超过 {limit_bytes} 字节。",
        zh_tw="請求內容超過 {limit_bytes} 位元組。",
    )


class Invalid(AppError):
    """A field has a value that the rules refuse; a subclass says which rule."""

    status = 422
    code = "validation_failed"
    text = Text(en="Some of the values sent are not valid.", zh_cn="提交的内容有误。", zh_tw="提交的內容有誤。")


class TooManyRequests(AppError):
    """A rate limit was reached. Parameter: `retry_after_s`, also sent as `Retry-After` (RFC 9110 §10.2.3)."""

    status = 429
    code = "too_many_requests"
    text = Text(
        en="Too many attempts. Try again in {retry_after_s} seconds.",
        zh_cn="尝试次数过多，请在 {retry_after_s} 秒后重试。",
        zh_tw="嘗試次數過多，請在 {retry_after_s} 秒後重試。",
    )

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_s)}, retry_after_s=retry_after_s)


class Unavailable(AppError):
    """A part that is needed for the answer does not respond now."""

    status = 503
    code = "unavailable"
    text = Text(en="The service is not available at the moment.", zh_cn="服务暂时不可用。", zh_tw="服務暫時無法使用。")
