"""Builds the programs under test and says where they are."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Programs:
    """Command lines, without arguments, of Outflow and of a twin."""

    outflow: list
    twin: list


def programs(release: bool, twin: str = "hubspot") -> Programs:
    """Builds Outflow and the twin of that name, unless OUTFLOW_BIN and OUTFLOW_TWIN_BIN name them."""
    outflow, twin_program = os.environ.get("OUTFLOW_BIN"), os.environ.get("OUTFLOW_TWIN_BIN")
    if not (outflow and twin_program):
        built = _build(release, twin)
        outflow = outflow or built.get(("bin", "outflow"))
        twin_program = twin_program or built.get(("example", twin))
    for name, path in (("outflow", outflow), (f"the twin {twin}", twin_program)):
        if not path:
            sys.exit(f"cargo built no program for {name}")
    return Programs(shlex.split(outflow), shlex.split(twin_program))


def _build(release: bool, twin: str) -> dict:
    if not release:
        # The same units as `cargo test`, so that nothing is built twice.
        return _cargo("--workspace", "--all-targets")
    # A twin shares the cores with what is measured, and is built to take as little of them as it can.
    found = _cargo("--profile", "twins", "-p", "outflow-sandbox", "--example", twin)
    return found | _cargo("--release", "-p", "outflow", "--bin", "outflow")


def _cargo(*arguments: str) -> dict:
    command = ["cargo", "build", "--locked", "--message-format", "json-render-diagnostics", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit("the build failed: see above")
    found = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            target = message["target"]
            if not message["profile"]["test"]:
                found[(target["kind"][0], target["name"])] = shlex.quote(message["executable"])
    return found
