"""HLS: live and on-demand playlists over the parts of the packager, and the rules of blocking reload."""

from onetake.media.hls.live import LivePlaylist
from onetake.media.hls.master import RateMeter, Variant, master_playlist
from onetake.media.hls.names import MediaName, init_uri, parse_name, part_uri, segment_uri
from onetake.media.hls.reload import BadReload, ReloadQuery, Wait, decide, decide_part
from onetake.media.hls.text import CONTENT_TYPE, Body, GrowingText, add_query
from onetake.media.hls.vod import Form, Slice, VodTitle

__all__ = [
    "CONTENT_TYPE",
    "BadReload",
    "Body",
    "Form",
    "GrowingText",
    "LivePlaylist",
    "MediaName",
    "RateMeter",
    "ReloadQuery",
    "Slice",
    "Variant",
    "VodTitle",
    "Wait",
    "add_query",
    "decide",
    "decide_part",
    "init_uri",
    "master_playlist",
    "parse_name",
    "part_uri",
    "segment_uri",
]
