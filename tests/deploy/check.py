"""What lies in deploy/: would its tools take it, does it fit what the daemon has, and does it do what it says?

    check.py

Checked: the Kubernetes manifest against the schemas of Kubernetes, strictly; the compose file against its own; every
query of the dashboard and the rules is PromQL, names only metrics that a running daemon has, and only labels they carry
(`promtool check rules` and `check config` have nothing to say, where it is installed); both sample projects pass
`outflow check --offline`; the script of Airflow and dbt starts runs of a real daemon once each, follows them, and tells
a failure; DuckDB reads what `report_to` wrote.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "bench"))
sys.path.insert(0, str(ROOT / "tests" / "setup"))

import duckdb
import kubernetes_validate
import promql_parser
import yaml
from compose_spec.models import ComposeSpecification
from workbench import folder

from harness import build, measure
from harness.daemon import Daemon
from harness.project import Project
from harness.twin import Twin

DEPLOY = ROOT / "deploy"
KUBERNETES = "1.33"  # the oldest that is still maintained
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
# Grafana's own variables, as they might be filled in.
VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$sync": ".*"}
# What Prometheus adds itself.
BUILT_IN = {"up": {"job", "instance"}}


def documents(path: Path) -> list:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def check_kubernetes(verdict) -> None:
    manifest = documents(DEPLOY / "kubernetes" / "outflow.yaml")
    for document in manifest:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    verdict.check(True, f"kubernetes: {len(manifest)} objects follow the schemas of {KUBERNETES}")
    deployment = next(one for one in manifest if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    verdict.check(
        deployment["spec"]["replicas"] == 1 and deployment["spec"]["strategy"]["type"] == "Recreate"
        and pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
        and {"livenessProbe", "readinessProbe", "startupProbe"} <= container.keys(),
        "kubernetes: one replica that is recreated, no root, a read-only root, three probes",
    )


def unknown(given, kept, path: str = "") -> list:
    """Keys of a document that its model does not know."""
    if isinstance(given, dict) and isinstance(kept, dict):
        found = [f"{path}.{key}" for key in given.keys() - kept.keys()]
        for key in given.keys() & kept.keys():
            found += unknown(given[key], kept[key], f"{path}.{key}")
        return found
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [one for pair in zip(given, kept) for one in unknown(*pair, f"{path}[]")]
    return []


def check_compose(verdict) -> None:
    document = documents(DEPLOY / "compose" / "compose.yaml")[0]
    kept = ComposeSpecification.model_validate(document).model_dump(mode="json", exclude_unset=True, by_alias=True)
    strange = unknown(document, kept)
    verdict.check(not strange, f"compose: {len(document['services'])} services follow the Compose specification {strange}")
    mounts = [
        volume.split(":")[0]
        for service in document["services"].values()
        for volume in service.get("volumes", [])
    ]
    for mount in mounts:
        there = (DEPLOY / "compose" / mount).exists() if mount.startswith(".") else mount in document["volumes"]
        verdict.check(there, f"compose: {mount} is there")


def queries() -> list:
    """Every query with where it stands."""
    found = []
    dashboard = json.loads((DEPLOY / "compose/grafana/dashboards/outflow.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        found += [(f"panel {panel['title']!r}", target["expr"]) for target in panel["targets"]]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
            found.append((f"variable {variable['name']!r}", f'{metric}{{{label}=~".*"}}'))
    for group in documents(DEPLOY / "compose/prometheus/rules.yml")[0]["groups"]:
        found += [(f"rule {rule['alert']}", rule["expr"]) for rule in group["rules"]]
    return found


def selectors(expression: str) -> list:
    """Metric and labels of every selector of a query, and the labels it groups by or joins on."""
    names = re.findall(r"\b([a-z_]+)(?:\{([^}]*)\})?(?=[\s\[\){]|$)", expression)
    found = []
    for name, matchers in names:
        if name.startswith("outflow_") or name in BUILT_IN:
            found.append((name, set(re.findall(r"(\w+)\s*[=!]~?", matchers or ""))))
    return found


def grouped(expression: str) -> set:
    clauses = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return {label.strip() for clause in clauses for label in clause.split(",")}


def known_metrics(text: str) -> dict:
    """Labels by metric, as the daemon describes and shows them."""
    found = {}
    for line in text.splitlines():
        if named := re.match(r"# TYPE (\w+) (\w+)", line):
            name, kind = named.groups()
            for ending in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
                found.setdefault(name + ending, set())
        elif shown := re.match(r"(\w+)(?:\{(.*)\})? \S+$", line):
            found.setdefault(shown[1], set()).update(re.findall(r'(\w+)="', shown[2] or ""))
    return found


def check_queries(verdict, metrics: str) -> None:
    known = {**known_metrics(metrics), **BUILT_IN}
    wrong = []
    for place, expression in queries():
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)
        try:
            promql_parser.parse(expression)
        except ValueError as error:
            wrong.append(f"{place}: {error}")
            continue
        used = selectors(expression)
        if not used:
            wrong.append(f"{place}: no metric is found in {expression}")
        for name, labels in used:
            if name not in known:
                wrong.append(f"{place}: the daemon has no {name}")
            elif not labels <= known[name]:
                wrong.append(f"{place}: {name} has no label {labels - known[name]}")
        carried = {label for name, _ in used for label in known.get(name, ())}
        if not grouped(expression) <= carried:
            wrong.append(f"{place}: grouped by {grouped(expression) - carried}, which nothing carries")
    verdict.check(not wrong, f"queries: {len(queries())} are PromQL over metrics and labels of the daemon {wrong}")


def check_promtool(verdict) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        print("skipped: promtool is not installed (Debian package prometheus)")
        return
    rules = DEPLOY / "compose/prometheus/rules.yml"
    done = subprocess.run([promtool, "check", "rules", "--lint-fatal", rules], capture_output=True, text=True, check=False)
    verdict.check(done.returncode == 0, f"promtool: the rules are in order {done.stderr.strip()[:500]}")
    text = (DEPLOY / "compose/prometheus/prometheus.yml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "token").write_text("t", encoding="utf-8")
        moved = text.replace("/etc/prometheus/outflow/rules.yml", str(rules)).replace("/etc/prometheus/token", f"{place}/token")
        config = Path(place) / "prometheus.yml"
        config.write_text(moved, encoding="utf-8")
        done = subprocess.run([promtool, "check", "config", config], capture_output=True, text=True, check=False)
    verdict.check(done.returncode == 0, f"promtool: the configuration is in order {done.stderr.strip()[:500]}")


def check_projects(verdict, outflow) -> None:
    with tempfile.TemporaryDirectory() as place:
        manifest = documents(DEPLOY / "kubernetes/outflow.yaml")
        data = next(one["data"] for one in manifest if one["kind"] == "ConfigMap")
        pod = next(one for one in manifest if one["kind"] == "Deployment")["spec"]["template"]["spec"]
        items = next(volume for volume in pod["volumes"] if volume["name"] == "project")["configMap"]["items"]
        verdict.check({item["key"] for item in items} == data.keys(), "kubernetes: every file of the project is mounted")
        kubernetes = Path(place) / "kubernetes"
        for item in items:
            target = kubernetes / item["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(data[item["key"]], encoding="utf-8")
        for name, project in (("compose", DEPLOY / "compose/project"), ("kubernetes", kubernetes)):
            done = subprocess.run([*map(str, outflow), "-C", project, "check", "--offline"],
                                  capture_output=True, text=True, check=False)
            verdict.check(done.returncode == 0, f"{name}: its project passes check {done.stdout[-800:] if done.returncode else ''}")


def check_scripts(verdict) -> None:
    for script in DEPLOY.glob("airflow/*.py"):
        compile(script.read_text(encoding="utf-8"), str(script), "exec")
    verdict.check(True, "airflow: both files compile")
    for script in (DEPLOY / "dbt/build-and-sync", DEPLOY / "compose/postgres/20-role.sh"):
        done = subprocess.run(["bash", "-n", script], check=False)
        verdict.check(done.returncode == 0, f"{script.name}: its shell is in order")


def runs(daemon) -> list:
    return daemon.json("GET", "/api/v1/runs")["runs"]


def check_trigger(verdict, daemon, project) -> None:
    sys.path.insert(0, str(DEPLOY / "airflow"))
    from outflow_trigger import RunFailed, trigger

    def ask(key, **more):
        return trigger(daemon.url, "", "customers", key, timeout=60, **more)

    first = ask("airflow/one")
    again = ask("airflow/one")
    verdict.check(first["status"] == "rejects" and again["run_id"] == first["run_id"] and len(runs(daemon)) == 1,
                  "trigger: a call that is repeated follows the run it started")
    try:
        ask("airflow/one", fail_on_rejects=True)
        verdict.check(False, "trigger: rejects fail who asks for it")
    except RunFailed as failed:
        verdict.check("rejects" in str(failed), "trigger: rejects fail who asks for it")
    data = project.root / "moved"
    (project.root / "data").rename(data)
    try:
        ask("airflow/two")
        verdict.check(False, "trigger: a run that failed is told with its reason")
    except RunFailed as failed:
        verdict.check("failed" in str(failed) and "(" in str(failed), f"trigger: a run that failed is told with its reason: {failed}")
    data.rename(project.root / "data")
    before = len(runs(daemon))
    second = ask("airflow/two", attempt=2)
    third = ask("airflow/two", attempt=3)
    verdict.check(second["run_id"] == third["run_id"] and len(runs(daemon)) == before + 1,
                  "trigger: a further attempt runs again what failed, and nothing else")
    try:
        trigger(daemon.url, "", "nobody", "airflow/three", timeout=60)
        verdict.check(False, "trigger: a refusal is told at once")
    except RunFailed as failed:
        verdict.check("no_such_sync" in str(failed), "trigger: a refusal is told at once")


def check_dbt(verdict, daemon) -> None:
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        # In dbt's stead: it notes that it was called, and leaves what dbt leaves.
        dbt = place / "dbt"
        dbt.write_text('#!/bin/sh\necho "$@" >>calls\nmkdir -p target\n'
                       'echo \'{"metadata": {"invocation_id": "6f9c"}}\' >target/run_results.json\n', encoding="utf-8")
        dbt.chmod(dbt.stat().st_mode | stat.S_IXUSR)
        env = {**os.environ, "OUTFLOW_URL": daemon.url, "PATH": f"{place}:{os.environ['PATH']}"}
        script = DEPLOY / "dbt/build-and-sync"
        before = len(runs(daemon))
        first = subprocess.run([script, "customers", "--", "--select", "marts"], cwd=place, env=env, capture_output=True,
                               text=True, check=False)
        again = subprocess.run([script, "--attempt", "2", "customers"], cwd=place, env=env, capture_output=True, text=True,
                               check=False)
        same = first.returncode == again.returncode == 0 and \
            json.loads(first.stdout)["run_id"] == json.loads(again.stdout)["run_id"]
        calls = (place / "calls").read_text(encoding="utf-8").splitlines()
        verdict.check(same and len(runs(daemon)) == before + 1 and calls == ["build --select marts"],
                      f"dbt: models are built, the sync runs once, and another attempt builds and runs nothing {first.stderr}")


def check_reports(verdict, project, count: int) -> None:
    tables = {name: f"'{project.root}/reports/{name}/**/*.parquet'" for name in ("outflow_runs", "outflow_row_errors")}
    told, updated = duckdb.sql(
        f"select count(distinct run_id), sum(rows_created) from {tables['outflow_runs']} where date is not null").fetchone()
    refused = duckdb.sql(f"select count(*) from {tables['outflow_row_errors']} where run_id = 1").fetchone()[0]
    verdict.check(told == count and updated == 50 and refused == 1,
                  f"reports: DuckDB reads {told} runs of {count}, {updated} rows created, {refused} row refused by the first")


def main() -> None:
    programs = build.programs(release=False)
    verdict = measure.Verdict()
    check_kubernetes(verdict)
    check_compose(verdict)
    check_scripts(verdict)
    check_promtool(verdict)
    check_projects(verdict, programs.outflow)
    with Twin(programs.twin) as twin:
        project = Project(folder() / "deploy", programs.outflow)
        project.create("./data", twin.base_url, limits="{ daily: 100000 }", sync=MAPPING)
        (project.root / "data").mkdir()
        lines = ["id,email,city", *(f"{row},c{row}@example.com,Oslo" for row in range(50)), "50,nobody,Oslo"]
        (project.root / "data/customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        with open(project.root / "outflow.yaml", "a", encoding="utf-8") as file:
            file.write("report_to: { folder: ./reports, partition: day }\n")
            file.write('hooks:\n  nightly: { profile: generic, secret: "${env:HUBSPOT_TOKEN}", syncs: [customers] }\n')
        with Daemon(project) as daemon:
            check_trigger(verdict, daemon, project)
            check_dbt(verdict, daemon)
            # What is counted only once it happens.
            daemon.ask("POST", "/hooks/nightly")
            daemon.ask("POST", "/api/v1/reload", headers={"Origin": "https://elsewhere.example"})
            _, metrics = daemon.ask("GET", "/metrics")
            check_queries(verdict, metrics)
            count = len(runs(daemon))
            code, _ = daemon.stop()
            verdict.check(code == 0, f"deploy: the daemon ends with exit code {code}")
        check_reports(verdict, project, count)
    verdict.finish()


if __name__ == "__main__":
    main()
