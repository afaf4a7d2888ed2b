"""The one place that builds commands for ffmpeg, runs them, reads their progress, kills them and names their errors."""

from onetake.media.ffmpeg.child import Child, Limits, StderrRing, read_output, run, running
from onetake.media.ffmpeg.commands import Input, Output, Scheme, binary, command
from onetake.media.ffmpeg.errors import ToolError, explain
from onetake.media.ffmpeg.progress import Progress, ProgressParser

__all__ = [
    "Child",
    "Input",
    "Limits",
    "Output",
    "Progress",
    "ProgressParser",
    "Scheme",
    "StderrRing",
    "ToolError",
    "binary",
    "command",
    "explain",
    "read_output",
    "run",
    "running",
]
