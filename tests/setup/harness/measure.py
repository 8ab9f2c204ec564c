"""Runs a child process and measures what it took.

The caller must stay small (no DuckDB in its process): Linux counts the parent's memory at the time
of exec as the child's peak.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """One finished child."""

    code: int  # exit code; negative: the signal that ended it
    wall: float  # seconds
    cpu: float  # user + system seconds, all threads
    peak: int  # largest resident set, bytes
    stdout: str
    stderr: str


class Child:
    """A child process whose output goes to files, so that nothing has to be read while it runs."""

    def __init__(self, command, env=None, cwd=None):
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err, env=env, cwd=cwd,
        )

    def kill(self):
        """SIGKILL, which no process can prepare for. Nothing happens when it has ended already."""
        os.kill(self._process.pid, signal.SIGKILL)

    def wait(self) -> Measured:
        """The end, with what the kernel counted."""
        _, status, usage = os.wait4(self._process.pid, 0)
        wall = time.perf_counter() - self._started
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Measured(code, wall, usage.ru_utime + usage.ru_stime, peak, _text(self._out), _text(self._err))


def run(command, env=None, cwd=None) -> Measured:
    """Runs to the end."""
    return Child(command, env, cwd).wait()


def must(command, env=None, cwd=None) -> Measured:
    """Runs to the end, which must be exit code 0."""
    done = run(command, env, cwd)
    if done.code != 0:
        words = " ".join(str(part) for part in command)
        sys.exit(f"exit code {done.code} from: {words}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done


def _text(file) -> str:
    file.seek(0)
    with file:
        return file.read().decode("utf-8", "replace")


def median(values) -> float:
    """The middle value."""
    return statistics.median(values)


def spread(values) -> str:
    """Smallest to largest, for a reader who wants to judge the median."""
    return f"{min(values):.2f} to {max(values):.2f}"


def mib(size: float) -> str:
    """Bytes in MiB."""
    return f"{size / (1 << 20):.0f} MiB"


def evict(paths) -> None:
    """Takes files out of the page cache, written pages included."""
    if not hasattr(os, "posix_fadvise"):
        sys.exit("cold runs need posix_fadvise (Linux)")
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def files_under(folder) -> list:
    """Every file below a folder."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


class Verdict:
    """Collects what was promised and what was found; ends the process accordingly."""

    def __init__(self):
        self._broken = 0

    def check(self, ok: bool, line: str) -> None:
        """Prints one line with its verdict."""
        self._broken += not ok
        print(f"result {'ok  ' if ok else 'FAIL'}  {line}", flush=True)

    def finish(self) -> None:
        """Exit code 1 when a promise was broken."""
        sys.exit(1 if self._broken else 0)
