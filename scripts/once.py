"""Run a command only when its inputs changed since it last succeeded.

    once.py NAME [--out PATH]... INPUT... -- COMMAND ARG...

Inputs are files or folders; their names and contents are hashed, not their times, so a fresh clone, a branch switch
and a touched file cost nothing. The hash of the last success stands in `.stamps/NAME`. Standard library only: it runs
before anything is installed.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

SKIPPED = {"node_modules", "__pycache__", "dist", ".vite", "test-results"}
STAMPS = Path(".stamps")


def digest(inputs: list[str], command: list[str]) -> str:
    """SHA-256 over the command, this Python's version and every input file's name and content."""
    total = hashlib.sha256(repr((command, sys.version_info[:3])).encode())
    for name in inputs:
        for path in sorted(_files(Path(name))):
            total.update(path.as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name not in SKIPPED]
        found.extend(Path(folder) / name for name in names)
    return found


def main() -> int:
    """Returns the command's exit code, 0 when there was nothing to do."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("name")
    parser.add_argument("inputs", nargs="*")
    parser.add_argument("--out", action="append", default=[])
    split = sys.argv.index("--")
    options, command = parser.parse_intermixed_args(sys.argv[1:split]), sys.argv[split + 1 :]
    stamp = STAMPS / options.name
    wanted = digest(options.inputs, command)
    if stamp.is_file() and stamp.read_text() == wanted and all(Path(out).exists() for out in options.out):
        return 0
    print(f"-- {options.name}: {' '.join(command)}", flush=True)
    stamp.unlink(missing_ok=True)
    code = subprocess.call(command)
    if code == 0:
        STAMPS.mkdir(exist_ok=True)
        stamp.write_text(wanted)
    return code


if __name__ == "__main__":
    sys.exit(main())
