"""An Outflow project in a folder, and its verbs."""

import json
import os
import shutil
import sys
from pathlib import Path

from . import measure
from .twin import TOKEN


class Project:
    """A project whose destination `crm` is a twin."""

    def __init__(self, root, outflow):
        self.root = Path(root)
        self._outflow = outflow
        self.env = {**os.environ, "HUBSPOT_TOKEN": TOKEN, "NO_COLOR": "1"}
        self.env.setdefault("OUTFLOW_LOG", "warn")

    def create(self, source, base_url: str, limits: str = "none", sync: str = "", name: str = "customers"):
        """Writes outflow.yaml and one mapping; whatever was there is gone."""
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "mappings").mkdir(parents=True)
        self.configure(source, base_url, limits)
        (self.root / "mappings" / f"{name}.yaml").write_text(sync, encoding="utf-8")

    def configure(self, source, base_url: str, limits: str = "none") -> None:
        """Writes outflow.yaml; state and mappings stay. `source` is a folder of files, or a connection."""
        connection = source if isinstance(source, dict) else {"type": "lake", "path": str(source)}
        (self.root / "outflow.yaml").write_text(
            "state: .outflow\n"
            "sources:\n"
            f"  files: {json.dumps(connection)}\n"
            "destinations:\n"
            '  crm: { type: hubspot, token: "${env:HUBSPOT_TOKEN}", '
            f"base_url: {json.dumps(base_url)}, limits: {limits} }}\n",
            encoding="utf-8",
        )

    def command(self, *words) -> list:
        """The command line of a verb."""
        return [*self._outflow, "-C", self.root, *words]

    def start(self, *words) -> measure.Child:
        """Starts a verb."""
        return measure.Child(self.command(*words), self.env)

    def call(self, *words, codes=(0,)) -> measure.Measured:
        """Runs a verb, which must end with one of the exit codes."""
        done = self.start(*words).wait()
        if done.code not in codes:
            verb = " ".join(str(word) for word in words)
            sys.exit(f"outflow {verb}: exit code {done.code}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done

    def json(self, *words, codes=(0,)):
        """Runs a verb with --json; its document and what it took."""
        done = self.call(*words, "--json", codes=codes)
        try:
            return json.loads(done.stdout), done
        except ValueError:
            sys.exit(f"outflow {' '.join(words)} --json printed no JSON document:\n{done.stdout[:2000]}")

    def run(self, codes=(0,)):
        """`run` of the only sync: its entry, and what it took."""
        document, done = self.json("run", codes=codes)
        if len(document["syncs"]) != 1:
            sys.exit(f"expected one sync in: {document}")
        return document["syncs"][0], done

    def state_files(self) -> list:
        """Files of the state folder."""
        return measure.files_under(self.root / ".outflow")

    def databases(self) -> list:
        """SQLite files of the state folder."""
        found = []
        for path in self.state_files():
            with open(path, "rb") as file:
                if file.read(16) == b"SQLite format 3\0":
                    found.append(path)
        return found
