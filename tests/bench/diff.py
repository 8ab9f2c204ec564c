"""Diff benchmark: CPU time, memory and cold start of `outflow plan`, against DuckDB doing the same.

    diff.py [--rows 10000000] [--runs 5] [--only baseline]

Outflow's state has acknowledged the first file (adopted: nothing is sent). Then the same file
(nothing changed) and one with 1 % of its rows changed are planned. Runs of Outflow and DuckDB
alternate; medians are compared. Exit code 1 when a target is missed.
"""

import argparse
import json
import sys

from workbench import FIELDS, HERE, SYNC, customers, folder, mapping

from harness import build, measure
from harness.project import Project
from harness.twin import Twin

# Outflow's CPU time as a share of DuckDB's, peak memory in bytes, cold wall time over warm.
TARGETS = {"unchanged": 0.55, "changed": 0.70}
PEAK = 200 << 20
COLD = 2.0


class Baseline:
    """DuckDB's side."""

    def __init__(self, rows: int, base):
        self.state = folder() / f"baseline-{rows}.duckdb"
        self.out = folder() / f"baseline-{rows}-out.parquet"
        if not self.state.exists():
            print("building DuckDB's state of the first file", flush=True)
            measure.must([sys.executable, HERE / "baseline.py", "adopt", base / "customers.parquet", self.state])

    def diff(self, data, threads: int) -> dict:
        """One comparison: CPU and wall seconds, peak bytes, rows and fields that differ."""
        done = measure.must(
            [sys.executable, HERE / "baseline.py", "diff", data / "customers.parquet", self.state, self.out,
             "--threads", threads]
        )
        return {**json.loads(done.stdout), "peak": done.peak}


class Outflow:
    """Outflow's side: a project whose state has acknowledged the first file."""

    def __init__(self, rows: int, base, program, base_url: str):
        self.base_url = base_url
        self.project = Project(folder() / f"diff-{rows}", program)
        self.project.create(base, base_url, sync=mapping())
        print("adopting the first file", flush=True)
        self.project.call("state", "reset", SYNC, "--adopt", "--yes")
        entry, done = self.project.run()
        if entry["read"] != rows or entry["created"] + entry["updated"] > 0:
            sys.exit(f"adopting sent something, or did not read every row: {entry}")
        print(f"  {done.wall:.1f} s, {done.cpu:.1f} CPU s, {measure.mib(done.peak)}", flush=True)

    def plan(self, data) -> dict:
        """One plan: CPU and wall seconds, peak bytes, rows that differ."""
        self.project.configure(data, self.base_url)
        document, done = self.project.json("plan", SYNC, "--summary")
        entry = document["syncs"][0]
        return {"cpu": done.cpu, "wall": done.wall, "peak": done.peak,
                "rows": entry["create"] + entry["update"], "unchanged": entry["unchanged"]}

    def cold_plan(self, data) -> dict:
        """A plan whose state is not in the page cache."""
        measure.evict(self.project.state_files())
        return self.plan(data)


def line(name: str, runs: list) -> str:
    """Median CPU and wall time of some runs, and their peak."""
    cpu, wall = [run["cpu"] for run in runs], [run["wall"] for run in runs]
    return (f"  {name:18} CPU {measure.median(cpu):6.2f} s ({measure.spread(cpu)})   wall {measure.median(wall):6.2f} s"
            f"   peak {measure.mib(max(run['peak'] for run in runs))}")


def compare(kind: str, rows: int, data, runs: int, baseline: Baseline, outflow, verdict) -> None:
    """Alternating runs over one file."""
    expected = 0 if kind == "unchanged" else rows // 100
    sides = {"DuckDB, 1 thread": lambda: baseline.diff(data, 1), "DuckDB, default": lambda: baseline.diff(data, 0)}
    if outflow:
        sides["Outflow"] = lambda: outflow.plan(data)
    took = {name: [] for name in sides}
    for side in sides.values():
        side()  # once unmeasured: both start with the file in the page cache
    for _ in range(runs):
        for name, side in sides.items():
            run = side()
            if run["rows"] != expected:
                sys.exit(f"{name} found {run['rows']} rows that differ, not {expected}")
            took[name].append(run)
    print(f"{kind}: {rows:,} rows x {len(FIELDS) + 1} columns, {expected:,} rows differ, median of {runs}")
    for name, measured in took.items():
        print(line(name, measured))
    if not outflow:
        return
    best = min(measure.median([run["cpu"] for run in took[name]]) for name in took if name != "Outflow")
    ratio = measure.median([run["cpu"] for run in took["Outflow"]]) / best
    peak = max(run["peak"] for run in took["Outflow"])
    verdict.check(ratio <= TARGETS[kind], f"{kind}: {ratio:.2f} of DuckDB's CPU time (target {TARGETS[kind]:.2f})")
    verdict.check(peak < PEAK, f"{kind}: peak {measure.mib(peak)} (target under {measure.mib(PEAK)})")
    cold = [outflow.cold_plan(data)["wall"] for _ in range(min(runs, 3))]
    slower = measure.median(cold) / measure.median([run["wall"] for run in took["Outflow"]])
    verdict.check(slower <= COLD, f"{kind}: cold state {measure.median(cold):.2f} s, {slower:.2f} x warm (target {COLD:.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=["baseline"], help="DuckDB's side alone")
    options = parser.parse_args()

    files = {"unchanged": customers(options.rows), "changed": customers(options.rows, changed=True)}
    baseline = Baseline(options.rows, files["unchanged"])
    verdict = measure.Verdict()
    if options.only:
        for kind, data in files.items():
            compare(kind, options.rows, data, options.runs, baseline, None, verdict)
        return
    programs = build.programs(release=True)
    # The destination's fields are read when a plan is made: a twin answers, in its own process.
    with Twin(programs.twin, "--no-log") as twin:
        outflow = Outflow(options.rows, files["unchanged"], programs.outflow, twin.base_url)
        for kind, data in files.items():
            compare(kind, options.rows, data, options.runs, baseline, outflow, verdict)
    verdict.finish()


if __name__ == "__main__":
    main()
