"""Runs named commands one after the other, all of them, and closes with a table of what passed."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Step:
    """One command, where it runs and what it adds to the environment."""

    name: str
    command: Sequence[str]
    cwd: Path = ROOT
    env: Mapping[str, str] = field(default_factory=dict)


def tool(name: str) -> str:
    """A program of the virtual environment."""
    return str(BIN / name)


def npm() -> str:
    """The npm command; ends the script with a sentence when there is none."""
    found = shutil.which("npm")
    if found is None:
        sys.exit("npm was not found; run `make install` first")
    return found


def run_all(steps: Sequence[Step]) -> int:
    """Run every step even when one fails; returns 1 when any did."""
    results = []
    for step in steps:
        print(f"\n== {step.name}", flush=True)
        started = time.monotonic()
        code = subprocess.call(step.command, cwd=step.cwd, env={**os.environ, **step.env})
        results.append((step.name, code, time.monotonic() - started))
    print("\n== summary")
    for name, code, seconds in results:
        print(f"  {'ok    ' if code == 0 else 'FAILED'}  {name:<28} {seconds:6.1f} s")
    return int(any(code for _, code, _ in results))
