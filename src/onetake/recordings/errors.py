"""What can go wrong with recordings and schedules, in the three languages."""

from collections.abc import Mapping

from onetake.kit.errors import AppError, Conflict, Invalid, Lang, Text, words_of

_DISK = {
    "disk_full": Text("The disk is full.", "磁盘已满。", "磁碟已滿。"),
    "storage_missing": Text("The volume is not there.", "存储卷不可用。", "儲存磁碟區無法使用。"),
    "folder_unwritable": Text("The folder cannot be written.", "文件夹不可写。", "資料夾無法寫入。"),
    "disk_slow": Text("The disk is too slow.", "磁盘写入过慢。", "磁碟寫入過慢。"),
    "recording_failed": Text("Something unforeseen went wrong.", "发生了意外错误。", "發生了非預期的錯誤。"),
}
_DISK_ERROR = Text("The disk reports errors.", "磁盘读写出错。", "磁碟讀寫發生錯誤。")


class RecordingRunning(Conflict):
    """The source is being recorded already. Parameter: `task_id`."""

    code = "recording_running"
    text = Text(
        en="This source is being recorded already (task {task_id}).",
        zh_cn="该直播源正在录制中（任务 {task_id}）。",
        zh_tw="此直播來源正在錄製中（任務 {task_id}）。",
    )


class RecordingWaits(RecordingRunning):
    """A recording of the source has begun and waits for the stream. Parameter: `task_id`."""

    code = "recording_waits"
    text = Text(
        en="A recording of this source waits for it to come on air already (task {task_id}).",
        zh_cn="该直播源已有录制任务（任务 {task_id}），正在等待开播。",
        zh_tw="此直播來源已有錄製任務（任務 {task_id}），正在等待開播。",
    )


class NotRecording(Conflict):
    """There is nothing to stop."""

    code = "not_recording"
    text = Text(en="This source is not being recorded.", zh_cn="该直播源未在录制。", zh_tw="此直播來源未在錄製。")


class SourceOffline(Conflict):
    """Only a live source can be recorded at once."""

    code = "source_offline"
    text = Text(
        en="This source is offline: nothing comes in to be recorded.",
        zh_cn="该直播源离线，没有可录制的内容。",
        zh_tw="此直播來源離線，沒有可錄製的內容。",
    )


class NoRoom(AppError):
    """Too little free space."""

    status = 507
    code = "disk_full"
    text = Text(
        en="There is too little free space to record.",
        zh_cn="磁盘剩余空间不足，无法录制。",
        zh_tw="磁碟剩餘空間不足，無法錄製。",
    )


class NoMedia(AppError):
    """A recording ended without a single part."""

    status = 409
    code = "no_media"
    text = Text(
        en="Nothing was recorded: the source sent no media.",
        zh_cn="没有录到内容：直播源未发送任何媒体数据。",
        zh_tw="沒有錄到內容：直播來源未傳送任何媒體資料。",
    )


class StayedOffline(AppError):
    """A planned recording waited in vain."""

    status = 409
    code = "stayed_offline"
    text = Text(
        en="The source was offline during the whole planned time.",
        zh_cn="在整个计划时间内直播源一直离线。",
        zh_tw="在整個計畫時間內直播來源一直離線。",
    )


class StoppedWaiting(AppError):
    """Somebody stopped a recording before its source sent anything."""

    status = 409
    code = "stopped_waiting"
    text = Text(
        en="It was stopped before anything was recorded.",
        zh_cn="尚未录到内容就已停止。",
        zh_tw="尚未錄到內容就已停止。",
    )


class Interrupted(AppError):
    """The media server ended and the source did not come back in time."""

    status = 409
    code = "interrupted"
    text = Text(
        en="The recording was interrupted; everything up to then is kept.",
        zh_cn="录制被中断，此前的内容已保存。",
        zh_tw="錄製被中斷，此前的內容已保存。",
    )


class PausedRecording(AppError):
    """The disk does not take data. Parameter: `reason`, the media server's code."""

    status = 409
    code = "recording_paused"
    text = Text(
        en="The recording is paused. {reason} It goes on by itself.",
        zh_cn="录制已暂停。{reason}恢复后会自动继续。",
        zh_tw="錄製已暫停。{reason}恢復後會自動繼續。",
    )

    @classmethod
    def words(cls, lang: Lang, params: Mapping[str, object]) -> str:
        """The sentence with its reason, both in `lang`."""
        return cls.text.render(lang, reason=disk_reason(str(params.get("reason", "")), lang))


class SourceAutomatic(Conflict):
    """A source that is recorded whenever it is live."""

    code = "source_automatic"
    text = Text(
        en="This source is recorded whenever it is live. Set its recording to “By schedule” first.",
        zh_cn="该直播源开播即录制。请先将其录制方式设为“按计划”。",
        zh_tw="此直播來源開播即錄製。請先將其錄製方式設為「依排程」。",
    )


class CronOrDate(Invalid):
    """A schedule repeats, or runs once."""

    code = "schedule_cron_or_date"
    text = Text(
        en="Give either a cron expression or one date and time.",
        zh_cn="请填写 cron 表达式或单次时间，二选一。",
        zh_tw="請填寫 cron 運算式或單次時間，二選一。",
    )


class DateIsPast(Invalid):
    """A one-off run whose window is over."""

    code = "schedule_in_the_past"
    text = Text(en="This time is over already.", zh_cn="该时间已过。", zh_tw="該時間已過。")


def disk_reason(code: str, lang: Lang) -> str:
    """Why a recording is paused, from the media server's code."""
    return _DISK.get(code, _DISK_ERROR).render(lang)


def explain(code: str, params: Mapping[str, object] | None, lang: Lang) -> str:
    """What went wrong with a task, from what its row keeps of the error; the code when nobody knows it any more."""
    own = NoRoom.words(lang, {}) if code == NoRoom.code else None  # ffmpeg has an error of the same code
    return own or words_of(code, params or {}, lang) or code
