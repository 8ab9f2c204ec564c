"""A twin in a process of its own, and what it can tell; what is asked of records is HubSpot's."""

import http.client
import json
import os
import selectors
import subprocess
import sys
import time
import urllib.parse

TOKEN = "pat-na1-sandbox"
OBJECTS = "/crm/objects/2026-03"


class Twin:
    """Started on a free port; a context manager that ends it."""

    def __init__(self, command, *arguments):
        self._process = subprocess.Popen(
            [*command, "--port", "0", *[str(argument) for argument in arguments]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            # It keeps the memory it frees: to give it back and take it again is time of the cores that it
            # shares with what is measured.
            env={**os.environ, "MIMALLOC_PURGE_DELAY": "-1", "MIMALLOC_ALLOW_LARGE_OS_PAGES": "1"},
        )
        self.base_url = self._first_line(seconds=20)
        address = urllib.parse.urlsplit(self.base_url)
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _first_line(self, seconds: float) -> str:
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            if not waiting.select(seconds):
                self._process.kill()
                sys.exit(f"the twin said nothing within {seconds:.0f} s")
        line = self._process.stdout.readline().strip()
        url = next((word for word in line.split() if word.startswith("http://")), None)
        if url is None:
            self._process.kill()
            sys.exit(f"the twin did not say its address but: {line!r}")
        return url.rstrip("/")

    def call(self, method: str, path: str, body=None, token: str = TOKEN):
        """One exchange; the decoded answer. Anything but a 2xx ends the check."""
        headers = {"Authorization": f"Bearer {token}"}
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if not 200 <= answer.status < 300:
            sys.exit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text) if text.strip() else None

    def cpu_seconds(self) -> float:
        """User and system time of the twin so far, where /proc tells it."""
        try:
            with open(f"/proc/{self._process.pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def records(self, properties, kind="contacts"):
        """All records as (id, {property: text}); unset properties are left out."""
        names = urllib.parse.quote(",".join(properties))
        after = ""
        while True:
            page = self.call("GET", f"{OBJECTS}/{kind}?limit=100&properties={names}{after}")
            for record in page["results"]:
                wanted = ((name, record["properties"].get(name)) for name in properties)
                yield record["id"], {name: value for name, value in wanted if value not in (None, "")}
            following = page.get("paging", {}).get("next", {}).get("after")
            if not following:
                return
            after = f"&after={urllib.parse.quote(following)}"

    def total(self, kind="contacts") -> int:
        """Number of records, from the search index (which lags behind writes)."""
        time.sleep(4)
        return self.call("POST", f"{OBJECTS}/{kind}/search", {"limit": 1})["total"]

    def forget_requests(self) -> None:
        """Empties the log of requests."""
        self.call("DELETE", "/_twin/requests")

    def request_count(self) -> int:
        """Requests since the start or since they were forgotten, kept in the log or not."""
        return self.call("GET", "/_twin/count")["requests"]

    def requests(self) -> list:
        """What was sent since the log was emptied, oldest first, the harness's own reads included."""
        return self.call("GET", "/_twin/requests")

    def writes(self) -> list:
        """Requests since the log was emptied that could change records (not definitions)."""
        return [entry for entry in self.requests() if is_write(entry)]


def is_write(entry) -> bool:
    """Whether a logged request could change records."""
    path = entry["path"]
    reads = path.endswith("/search") or path.endswith("/batch/read")
    return entry["method"] != "GET" and "/objects/" in path and not reads


def inputs(entry) -> list:
    """The inputs of a logged batch request."""
    return json.loads(entry["body"])["inputs"]
