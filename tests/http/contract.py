"""The API's description against what is really answered, and the metrics against Prometheus' own linter.

    contract.py [--examples 30]

A daemon with one sync is served against a HubSpot twin. Checked: the OpenAPI document is valid; schemathesis,
which makes requests from it, good and bad ones, finds no answer that it does not describe, and no
server error; `promtool check metrics` (Debian package prometheus) has nothing to say, where it is installed.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "setup"))

from workbench import folder

from harness import build, measure
from harness.daemon import Daemon
from harness.project import Project
from harness.twin import Twin

from openapi_spec_validator import validate

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
HOOKS = (
    'hooks:\n  nightly: { profile: generic, secret: "${env:HUBSPOT_TOKEN}", syncs: [customers] }\n'
    '  app: { profile: generic, secret: "${env:HUBSPOT_TOKEN}", syncs: [customers], key: /id }\n'
)


MAPPING = """\
sync: customers
source: files
model: { table: customers }
key: id
destination: crm
object: contacts
match: email
fields: { email: email, city: city }
"""


def customers(path: Path, rows: int) -> Path:
    """A folder with so many customers, one of whom is refused."""
    path.mkdir(parents=True, exist_ok=True)
    lines = ["id,email,city", *(f"{row},c{row}@example.com,Oslo" for row in range(rows)), f"{rows},nobody,Oslo"]
    (path / "customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def filled(document: dict, run: int) -> dict:
    """The description with names that exist, so that requests get past the look-up."""
    names = {"sync": ["customers"], "run": [str(run)], "hook": ["nightly", "app"], "key": ["1"]}
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["name"] in names:
                    parameter["schema"]["enum"] = names[parameter["name"]]
    return document


def described(daemon, schema, examples: int) -> subprocess.CompletedProcess:
    """Schemathesis over every route but the endless one."""
    program = Path(sys.executable).parent / "schemathesis"
    return subprocess.run(
        [program, "run", schema, "--url", daemon.url, "--checks", CHECKS, "--phases", "examples,fuzzing",
         "--exclude-path", "/api/v1/events", "--max-examples", str(examples), "--request-timeout", "60",
         "--seed", "1", "--no-color"],
        # It leaves a folder of notes where it runs.
        cwd=folder(), capture_output=True, text=True, check=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=30)
    options = parser.parse_args()
    programs = build.programs(release=False)
    verdict = measure.Verdict()
    with Twin(programs.twin) as twin:
        project = Project(folder() / "contract", programs.outflow)
        project.create(customers(folder() / "contract-data", 50), twin.base_url, sync=MAPPING)
        with open(project.root / "outflow.yaml", "a", encoding="utf-8") as file:
            file.write(HOOKS)
        with Daemon(project) as daemon:
            name = daemon.json("GET", "/api/v1/syncs")["syncs"][0]["sync"]
            run = daemon.json("POST", f"/api/v1/syncs/{name}/trigger?wait=60s")
            rows = f"/api/v1/syncs/{name}/rows?wait=60s"
            status, keyed = daemon.ask("POST", rows, b'{"keys": [1, "2", 999]}')
            result = json.loads(keyed)["result"] if status == 200 else {}
            verdict.check(result.get("keys") == 3 and result["read"] == result["unchanged"] == 2,
                          f"http: of three rows asked for by key, two are there and unchanged {keyed[:300] if status != 200 else ''}")
            document = daemon.json("GET", "/api/v1/openapi.json")
            validate(document)
            verdict.check(True, f"http: the OpenAPI document is valid, {len(document['paths'])} paths")
            known = folder() / "contract-openapi.json"
            known.write_text(json.dumps(filled(document, run["run_id"])), encoding="utf-8")
            for what, schema in (("any name", f"{daemon.url}/api/v1/openapi.json"), ("known names", known)):
                done = described(daemon, schema, options.examples)
                if done.returncode != 0:
                    print(done.stdout[-6000:], done.stderr[-2000:])
                verdict.check(done.returncode == 0,
                              f"http: schemathesis with {what} finds every answer described, and no server error")
            status, metrics = daemon.ask("GET", "/metrics")
            promtool = shutil.which("promtool")
            if promtool is None:
                print("skipped: promtool is not installed (Debian package prometheus)")
            else:
                lint = subprocess.run([promtool, "check", "metrics"], input=metrics, capture_output=True, text=True, check=False)
                verdict.check(status == 200 and lint.returncode == 0 and not lint.stderr,
                              f"http: promtool has nothing to say of the metrics {lint.stderr.strip()[:300]}")
            code, _ = daemon.stop()
            verdict.check(code == 0, f"http: the daemon ends with exit code {code}")
            leaked = [word for word in ("example.com", "pat-na1") if word in daemon.log() or word in metrics]
            verdict.check(not leaked, f"http: no contact value and no secret in log or metrics {leaked}")
    verdict.finish()


if __name__ == "__main__":
    main()
