"""What can go wrong with videos, in the three languages."""

from onetake.kit.errors import Conflict, Text


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
    text = Text(en="This video is not in the trash.", zh_cn="该视频不在回收站中。", zh_tw="此影片不在資源回收桶中。")
