"""A PostgreSQL server of one's own: its folder is gone when the context ends."""

import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

USER = "bench"


def _programs() -> Path:
    """The folder of initdb, where tests/warehouse/cluster.rs looks for it too."""
    places = [os.environ.get("OUTFLOW_POSTGRES_BIN", "")]
    places += os.environ.get("PATH", "").split(os.pathsep)
    places += sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    places += sorted(glob.glob("/opt/homebrew/opt/*/bin") + glob.glob("/usr/local/opt/*/bin"), reverse=True)
    for place in places:
        if place and all(os.access(Path(place) / name, os.X_OK) for name in ("initdb", "pg_ctl", "postgres", "psql")):
            return Path(place)
    sys.exit("no PostgreSQL server found: apt-get install postgresql, or set OUTFLOW_POSTGRES_BIN")


class Postgres:
    """Listens on 127.0.0.1 and trusts whoever connects."""

    def __init__(self):
        self._bin = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="outflow-bench-pg-"))
        # The server refuses to run as root.
        self._as = {}
        if os.getuid() == 0:
            owner = next((pwd.getpwnam(name) for name in ("postgres", "nobody") if _exists(name)), None)
            if owner is None:
                sys.exit("there is no user to run PostgreSQL as: add one called postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            self._as = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def __enter__(self):
        try:
            self._call("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={USER}",
                       "--pgdata", self._folder / "data")
            options = (f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off "
                       "-c temp_file_limit=2GB -c max_wal_size=512MB")
            self._call("pg_ctl", "start", "--wait", "--pgdata", self._folder / "data", "--log", self._folder / "log",
                       "--options", options)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_):
        self._call("pg_ctl", "stop", "--mode", "immediate", "--pgdata", self._folder / "data")
        shutil.rmtree(self._folder, ignore_errors=True)

    def sql(self, text: str) -> str:
        """What statements print, as text without a head."""
        return self._call("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.port,
                          "-U", USER, "-d", "postgres", "-c", text).strip()

    def connection(self) -> dict:
        """Its settings in outflow.yaml."""
        return {"type": "postgres", "host": "127.0.0.1", "port": self.port, "database": "postgres", "user": USER,
                "tls": "disable"}

    def _call(self, program: str, *arguments) -> str:
        # Not captured through a pipe: the server that pg_ctl starts would hold it open.
        with tempfile.TemporaryFile() as out:
            done = subprocess.run([self._bin / program, *[str(word) for word in arguments]], stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=subprocess.STDOUT, cwd="/", check=False, **self._as)
            out.seek(0)
            said = out.read().decode("utf-8", "replace")
        if done.returncode != 0:
            sys.exit(f"{program}: exit code {done.returncode}\n{said[-2000:]}")
        return said


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
