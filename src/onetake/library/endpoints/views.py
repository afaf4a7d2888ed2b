"""From rows to what the API shows: operators see paths, everybody sees signed addresses of the pictures."""

from collections.abc import Mapping, Sequence

from fastapi import Request

from onetake.accounts.auth import Principal
from onetake.infra.mediaserver import token_keyring
from onetake.infra.web.links import link_key
from onetake.library.models import Video
from onetake.library.schemas import VideoView
from onetake.library.service.playback import Signer
from onetake.library.service.videos import manages, thing
from onetake.sources.models import Visibility


def signer(request: Request) -> Signer:
    """The installation's signer, made at the first request."""
    state = request.app.state
    if not hasattr(state, "media_signer"):
        state.media_signer = Signer(token_keyring(state.settings.data_dir), state.settings.data_dir)
    made: Signer = state.media_signer
    return made


def video_view(
    video: Video, viewer: Principal | None, sign: Signer, positions: Mapping[int, int] | None = None
) -> VideoView:
    """One video as `viewer` may see it."""
    view = VideoView.model_validate(video)
    if not manages(viewer):
        view.file_path = view.thumbnail = None
    elif video.visibility == Visibility.UNLISTED:
        view.link_key = link_key(sign.data_dir, thing(video.id))
    view.poster_url, view.storyboard_url = sign.stills(video, viewer)
    view.last_position = (positions or {}).get(video.id)
    return view


def video_views(
    videos: Sequence[Video], viewer: Principal | None, sign: Signer, positions: Mapping[int, int]
) -> list[VideoView]:
    """A list of them."""
    return [video_view(video, viewer, sign, positions) for video in videos]
