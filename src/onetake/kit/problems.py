"""What every HTTP edge shares of RFC 9457: type, title in three languages, and our error for a framework's own."""

from onetake.kit import errors
from onetake.kit.errors import AppError, Lang

MEDIA_TYPE = "application/problem+json"

_TITLES: dict[int, errors.Text] = {
    400: errors.Text("Bad request", "请求无效", "請求無效"),
    401: errors.Text("Not signed in", "未登录", "未登入"),
    403: errors.Text("Not allowed", "没有权限", "沒有權限"),
    404: errors.Text("Not found", "未找到", "找不到"),
    405: errors.Text("Method not allowed", "不支持的方法", "不支援的方法"),
    408: errors.Text("Request timeout", "请求超时", "請求逾時"),
    409: errors.Text("Conflict", "冲突", "衝突"),
    413: errors.Text("Too large", "内容过大", "內容過大"),
    422: errors.Text("Not valid", "内容有误", "內容有誤"),
    429: errors.Text("Too many requests", "请求过于频繁", "請求過於頻繁"),
    503: errors.Text("Not available", "暂不可用", "暫時無法使用"),
    507: errors.Text("No space left", "存储空间不足", "儲存空間不足"),
}
_OTHER_TITLE = errors.Text("Error", "错误", "錯誤")
_BY_STATUS: dict[int, type[AppError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    408: errors.RequestTimeout,
    422: errors.Invalid,
    503: errors.Unavailable,
}


def problem_type(error: AppError) -> str:
    """The identifier of the kind of problem."""
    return f"urn:onetake:problem:{error.code}"


def problem_title(status: int, lang: Lang) -> str:
    """The kind of problem in a few words."""
    return _TITLES.get(status, _OTHER_TITLE).render(lang)


def error_for_status(status: int) -> AppError:
    """The error that stands for a framework's own answer: the wording is ours."""
    return _BY_STATUS.get(status, errors.BadRequest if status < 500 else AppError)()
