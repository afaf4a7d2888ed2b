"""Which ffmpeg is in use, and whether it is new enough."""

import re
import subprocess
from pathlib import Path

FFMPEG_FLOORS = {7: (7, 1, 5), 8: (8, 0, 3)}
FFMPEG_OLDEST = (7, 1, 5)


def ffmpeg_version(configured: Path | None) -> tuple[str, str | None]:
    """Path and version of the ffmpeg that jobs use; None when it does not run."""
    if configured is not None:
        path = str(configured)
    else:
        import imageio_ffmpeg

        try:
            path = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError:
            return "the packaged ffmpeg", None
    try:
        done = subprocess.run([path, "-hide_banner", "-version"], capture_output=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return path, None
    found = re.match(rb"ffmpeg version n?(\S+)", done.stdout)
    return path, found[1].decode("ascii", "replace") if found else "unknown"


def is_too_old(version: str) -> bool:
    """Whether a version such as `8.0.3-static` lies below the floors. Builds without a number are not judged."""
    digits = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if digits is None:
        return False
    number = (int(digits[1]), int(digits[2]), int(digits[3] or 0))
    if number[:2] == (8, 1):
        return number < (8, 1, 2)
    return number < FFMPEG_FLOORS.get(number[0], FFMPEG_OLDEST)
