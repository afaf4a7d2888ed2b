"""What can go wrong with videos, in the three languages."""

from onetake.kit.errors import AppError, Conflict, Text


class VideoIsLive(Conflict):
    """A recording in progress cannot be thrown away."""

    code = "video_is_live"
    text = Text(
        en="This video is still being recorded. Stop the recording first.",
        zh_cn="该视频仍在录制，请先停止录制。",
        zh_tw="此影片仍在錄製，請先停止錄製。",
    )


class VideoProtected(Conflict):
    """Somebody has protected it."""

    code = "video_protected"
    text = Text(
        en="This video is protected. Take the protection off first.",
        zh_cn="该视频已受保护，请先取消保护。",
        zh_tw="此影片受保護，請先取消保護。",
    )


class NotInTrash(Conflict):
    """Only what is in the trash can be deleted for good."""

    code = "video_not_in_trash"
    text = Text(en="This video is not in the trash.", zh_cn="该视频不在回收站中。", zh_tw="此影片不在垃圾桶中。")


class VideoInTrash(Conflict):
    """What lies in the trash is not worked on."""

    code = "video_in_trash"
    text = Text(
        en="This video is in the trash. Restore it first.",
        zh_cn="该视频在回收站中，请先恢复。",
        zh_tw="此影片在垃圾桶中，請先還原。",
    )


class VideoInUse(Conflict):
    """It is being watched, or a job works on it."""

    code = "video_in_use"
    text = Text(en="This video is in use at the moment.", zh_cn="该视频正在使用中。", zh_tw="此影片正在使用中。")


class CopyNoRoom(AppError):
    """The disk would be too full with the compatible MP4 on it. Never an answer: it is why the job failed."""

    status = 507
    code = "copy_no_room"
    text = Text(
        en="There is too little free space for it on the disk.",
        zh_cn="磁盘剩余空间不足，无法生成。",
        zh_tw="磁碟剩餘空間不足，無法產生。",
    )


class CopyNothing(AppError):
    """There is no media. Never an answer: it is why the job failed."""

    status = 409
    code = "copy_nothing"
    text = Text(
        en="Nothing was recorded in this video.",
        zh_cn="该视频没有录到任何内容。",
        zh_tw="此影片沒有錄到任何內容。",
    )


class CopyDamaged(AppError):
    """A file cannot be read. Never an answer: it is why the job failed."""

    status = 409
    code = "copy_damaged"
    text = Text(
        en="A file of the recording is damaged.",
        zh_cn="录像文件已损坏。",
        zh_tw="錄影檔案已損壞。",
    )
