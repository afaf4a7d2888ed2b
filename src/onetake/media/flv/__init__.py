"""FLV (Adobe, "Video File Format Specification" 10.1, annex E) and enhanced FLV (Veovera E-RTMP v2), both ways.

The body of an FLV tag is also the body of an RTMP message, so RTMP hands out and takes the same `FlvTag`.
"""

from onetake.media.flv.demuxer import FlvDemuxer, Metadata, Unsupported
from onetake.media.flv.muxer import FlvMuxer
from onetake.media.flv.reader import FlvReader
from onetake.media.flv.tags import FlvError, FlvTag, TagKind

__all__ = ["FlvDemuxer", "FlvError", "FlvMuxer", "FlvReader", "FlvTag", "Metadata", "TagKind", "Unsupported"]
