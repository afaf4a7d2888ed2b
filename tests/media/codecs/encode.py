"""Short clips from real encoders (PyAV), as an oracle for the header parsers."""

import io
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


def video(
    codec: str, size: tuple[int, int], rate: Fraction, pixels: str = "yuv420p", **options: str
) -> tuple[bytes, list[bytes]]:
    """The configuration record and the packets (length-prefixed, or OBUs) of four pictures."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        for index in range(4):
            frame = VideoFrame(*size, pixels)
            for plane in frame.planes:
                plane.update(bytes([60 + index]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as source:
        assert isinstance(source, InputContainer)
        record = bytes(source.streams.video[0].codec_context.extradata or b"")
        return record, [bytes(packet) for packet in source.demux(video=0) if packet.size]
