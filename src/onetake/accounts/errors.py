"""What can go wrong with accounts, in the three languages."""

from onetake.kit.errors import Conflict, Forbidden, Invalid, Text, Unauthorized


class WrongCredentials(Unauthorized):
    """One answer for an unknown name, a wrong password and a disabled account (A2)."""

    code = "wrong_credentials"
    text = Text(
        en="The user name or the password is wrong.", zh_cn="用户名或密码错误。", zh_tw="使用者名稱或密碼錯誤。"
    )


class SessionEnded(Unauthorized):
    """The session was signed out, revoked or has expired."""

    code = "session_ended"
    text = Text(
        en="Your session has ended. Please sign in again.",
        zh_cn="会话已结束，请重新登录。",
        zh_tw="工作階段已結束，請重新登入。",
    )


class CsrfHeaderMissing(Forbidden):
    """A cookie endpoint was called without the header that another site cannot send."""

    code = "csrf_header_missing"
    text = Text(en="The header X-CSRF: 1 is missing.", zh_cn="缺少请求头 X-CSRF: 1。", zh_tw="缺少請求標頭 X-CSRF: 1。")


class InteractiveOnly(Forbidden):
    """An API token was used where a signed-in person is needed."""

    code = "interactive_only"
    text = Text(
        en="An API token cannot do this; sign in instead.",
        zh_cn="API 令牌不能执行此操作，请登录后再试。",
        zh_tw="API 權杖不能執行此操作，請登入後再試。",
    )


class RegistrationClosed(Forbidden):
    """Strangers may not make accounts here."""

    code = "registration_closed"
    text = Text(en="Registration is closed.", zh_cn="当前未开放注册。", zh_tw="目前未開放註冊。")


class UsernameTaken(Conflict):
    """Another account has this name, letter case aside."""

    code = "username_taken"
    text = Text(en="This user name is taken.", zh_cn="该用户名已被使用。", zh_tw="此使用者名稱已被使用。")


class EmailTaken(Conflict):
    """Another account has this e-mail address."""

    code = "email_taken"
    text = Text(en="This e-mail address is in use.", zh_cn="该邮箱已被使用。", zh_tw="此電子郵件已被使用。")


class LastAdmin(Conflict):
    """Somebody must be left to run the place."""

    code = "last_admin"
    text = Text(
        en="The last active administrator cannot be removed, disabled or demoted.",
        zh_cn="不能删除、停用或降级最后一位管理员。",
        zh_tw="不能刪除、停用或降級最後一位管理員。",
    )


class TooManyApiTokens(Conflict):
    """Parameter: `limit`."""

    code = "too_many_api_tokens"
    text = Text(
        en="You already have {limit} API tokens; delete one first.",
        zh_cn="您已有 {limit} 个 API 令牌，请先删除一个。",
        zh_tw="您已有 {limit} 個 API 權杖，請先刪除一個。",
    )


class ScopeNotYours(Invalid):
    """A token may not do more than its owner. Parameter: `scope`."""

    code = "scope_not_yours"
    text = Text(
        en="You do not have the permission “{scope}” yourself.",
        zh_cn="您本人没有“{scope}”权限。",
        zh_tw="您本人沒有「{scope}」權限。",
    )


class PasswordTooShort(Invalid):
    """Parameter: `minimum` characters."""

    code = "password_too_short"
    text = Text(
        en="The password needs at least {minimum} characters.",
        zh_cn="密码至少需要 {minimum} 个字符。",
        zh_tw="密碼至少需要 {minimum} 個字元。",
    )


class PasswordTooLong(Invalid):
    """Parameter: `maximum` characters."""

    code = "password_too_long"
    text = Text(
        en="The password may have at most {maximum} characters.",
        zh_cn="密码最多 {maximum} 个字符。",
        zh_tw="密碼最多 {maximum} 個字元。",
    )


class PasswordTooCommon(Invalid):
    """It stands on the list of the commonest passwords."""

    code = "password_too_common"
    text = Text(
        en="This password is one of the first that anybody would try.",
        zh_cn="该密码过于常见，请换一个。",
        zh_tw="此密碼過於常見，請換一個。",
    )


class PasswordIsName(Invalid):
    """It is the account's own name or e-mail address."""

    code = "password_is_name"
    text = Text(
        en="The password must not be your user name or e-mail address.",
        zh_cn="密码不能与用户名或邮箱相同。",
        zh_tw="密碼不能與使用者名稱或電子郵件相同。",
    )


class WrongCurrentPassword(Invalid):
    """The present password, asked for again before a change, is wrong."""

    code = "wrong_current_password"
    text = Text(en="The current password is wrong.", zh_cn="当前密码错误。", zh_tw="目前密碼錯誤。")
