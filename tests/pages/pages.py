"""Walks the daemon's pages with a real browser, and keeps what it saw as pictures.

    pages.py [--pictures FOLDER]

The demo's project, with its history and rejects, is served against its sandboxes. Chromium walks every page in
light and dark, wide and on a phone; a second browser without JavaScript signs in, presses every button and looks
a contact up; a third watches a run as it goes. Checked by browse.mjs, which see. Needs node, npm and
chromium (Debian package chromium, or OUTFLOW_CHROMIUM); without chromium it says so and checks nothing.
"""

import argparse
import filecmp
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench"))
sys.path.insert(0, str(HERE.parent / "setup"))

from workbench import ROOT, folder

from harness import build, measure
from harness.daemon import Daemon
from harness.project import Project
from harness.twin import Twin

TOKENS = {"OUTFLOW_MARKETER": ("marketer", "viewer"), "OUTFLOW_OPERATOR": ("ops", "operator")}


def browser() -> str | None:
    """The path of chromium."""
    named = os.environ.get("OUTFLOW_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


def modules() -> Path:
    """A folder with the pinned node modules, installed once for each version of the pins."""
    cache = Path(os.environ.get("OUTFLOW_TEST_CACHE", ROOT / "target" / "test-cache")) / "pages-node"
    cache.mkdir(parents=True, exist_ok=True)
    lock, installed = HERE / "package-lock.json", cache / "installed.json"
    if not installed.exists() or not filecmp.cmp(lock, installed, shallow=False):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, cache)
        measure.must(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", cache])
        shutil.copy(lock, installed)
    # Modules are found beside the script that imports them.
    shutil.copy(HERE / "browse.mjs", cache)
    return cache


def demo(outflow) -> Project:
    """The demo's project, with tokens."""
    project = Project(folder() / "pages-demo", outflow)
    shutil.rmtree(project.root, ignore_errors=True)
    done = subprocess.run([*outflow, "demo", project.root], env=project.env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"outflow demo: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    # Only the browser starts runs: the hour may end meanwhile.
    for mapping in (project.root / "mappings").iterdir():
        text = mapping.read_text(encoding="utf-8")
        mapping.write_text(re.sub(r'schedule: "@\w+"', "schedule: { every: 6h }", text), encoding="utf-8")
    lines = ["http:", "  tokens:"]
    for variable, (name, role) in TOKENS.items():
        project.env[variable] = f"{name}-token-of-the-test"
        lines.append(f'    {name}: {{ role: {role}, token: "${{env:{variable}}}" }}')
    with open(project.root / "outflow.yaml", "a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return project


def change(project: Project) -> None:
    """Everybody moves, so that the next run has something to do for a while."""
    with sqlite3.connect(project.root / "data" / "shop.sqlite") as shop:
        shop.execute("UPDATE customers SET city = city || ' West'")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    logs = Path(os.environ.get("OUTFLOW_STEP_LOGS", ROOT / "target" / "test-logs"))
    parser.add_argument("--pictures", type=Path, default=logs / "pages")
    options = parser.parse_args()
    chromium = browser()
    if chromium is None:
        print("skipped: chromium is not installed (Debian package chromium, or its path in OUTFLOW_CHROMIUM)")
        return
    pictures = options.pictures.resolve()
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    node = modules()
    programs = build.programs(release=False)
    project = demo(programs.outflow)
    verdict = measure.Verdict()
    with Sandbox(programs.outflow, project), Daemon(project) as daemon:
        change(project)
        walk = subprocess.run(
            ["node", "browse.mjs", daemon.url, chromium, pictures], cwd=node, text=True, check=False,
            env={**os.environ, **{name: project.env[name] for name in TOKENS}}, stdout=subprocess.PIPE,
        )
        print(walk.stdout, end="")
        verdict.check(walk.returncode == 0, "pages: the browser found nothing wrong")
        leaked = [word for word in ("@", "-token-of-the-test") if word in daemon.log()]
        verdict.check(not leaked, f"pages: no address and no token in the log {leaked}")
        code, _ = daemon.stop()
        verdict.check(code == 0, f"pages: the daemon ends with exit code {code}")
    print(f"pictures are in {pictures}")
    verdict.finish()


class Sandbox(Twin):
    """The demo's three sandboxes, slow enough that a run can be watched."""

    def __init__(self, outflow, project: Project):
        self._process = subprocess.Popen(
            [*outflow, "sandbox", "-C", project.root, "--tier", "none", "--latency-ms", "150", "--no-log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        self.base_url = self._first_line(seconds=60)

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(30)


if __name__ == "__main__":
    main()
