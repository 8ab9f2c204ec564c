"""`outflow serve` as a process, and its API."""

import http.client
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse


class Daemon:
    """Serves a project on a free port of this machine, from the first line it prints."""

    def __init__(self, project, *words):
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [str(word) for word in project.command("serve", "--listen", "127.0.0.1:0", *words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True, env=project.env,
        )
        self.url = self._first_line(seconds=30)
        self.pid = self._process.pid

    def _first_line(self, seconds: float) -> str:
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            if not waiting.select(seconds):
                self.kill()
                sys.exit(f"the daemon said nothing within {seconds:.0f} s\n{self.log()}")
        line = self._process.stdout.readline().strip()
        if "http://" not in line:
            self.kill()
            sys.exit(f"the daemon did not say its address but: {line!r}\n{self.log()}")
        return line[line.index("http://"):]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def log(self) -> str:
        """What it has logged so far."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def ask(self, method: str, path: str, body: bytes = b"", headers=None):
        """One exchange: status and text."""
        address = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8")
        finally:
            connection.close()

    def json(self, method: str, path: str):
        """One exchange that must succeed: its document."""
        status, text = self.ask(method, path)
        if not 200 <= status < 300:
            sys.exit(f"{method} {path}: {status} {text[:500]}")
        return json.loads(text)

    def stop(self):
        """SIGTERM; exit code and seconds it took."""
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(120)
        return code, time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL; nothing happens when it has ended already."""
        self._process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        """Memory in use, bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024
