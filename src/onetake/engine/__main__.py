"""`python -m onetake.engine`: the media server by itself, without the rest of OneTake."""

import argparse
import os
import sys
from pathlib import Path

from onetake.engine.main import Role, run_media
from onetake.engine.options import MediaOptions, RecordingOptions


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="onetake.engine", description=__doc__)
    parser.add_argument("--standalone", action="store_true", help="open publishing on loopback, record every stream")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="folder for recordings and state")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--rtmp-port", type=int, default=1935)
    parser.add_argument("--http-port", type=int, default=8080, help="live playback and control")
    parser.add_argument("--files-port", type=int, default=8081, help="recordings and time-shift")
    parser.add_argument("--api-url", help="where SRS-compatible callbacks go")
    parser.add_argument("--min-free-mb", type=int, help="with less free space nothing is recorded")
    parser.add_argument("--role", type=Role, choices=list(Role), default=Role.BOTH)
    return parser.parse_args()


def _recording(min_free_mb: int | None) -> RecordingOptions:
    """The usual floors, or one fixed floor; running recordings end at a quarter of it."""
    if min_free_mb is None:
        return RecordingOptions()
    return RecordingOptions(floor_bytes=min_free_mb << 20, floor_ratio=0.0, stop_bytes=(min_free_mb << 20) // 4)


def main() -> int:
    """Run until a signal; the control secret comes from ONETAKE_CONTROL_SECRET, never from the command line."""
    arguments = _arguments()
    options = MediaOptions(
        data_dir=arguments.data_dir.resolve(),
        bind=arguments.bind,
        rtmp_port=arguments.rtmp_port,
        http_port=arguments.http_port,
        files_port=arguments.files_port,
        control_secret=os.environ.get("ONETAKE_CONTROL_SECRET", ""),
        api_url=arguments.api_url,
        standalone=arguments.standalone,
        recording=_recording(arguments.min_free_mb),
    )
    return run_media(options, arguments.role)


if __name__ == "__main__":
    sys.exit(main())
