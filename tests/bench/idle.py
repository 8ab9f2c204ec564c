"""Idle benchmark: how long `outflow run` takes when a small project has nothing to do.

    idle.py [--runs 20] [--rows 1000]

Exit code 1 when the median is 100 ms or more, or when such a run writes anything.
"""

import argparse
import sys

from workbench import customers, folder, mapping

from harness import build, measure
from harness.project import Project
from harness.twin import Twin

TARGET = 0.100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1000)
    options = parser.parse_args()
    programs = build.programs(release=True)
    verdict = measure.Verdict()
    with Twin(programs.twin) as twin:
        project = Project(folder() / "idle", programs.outflow)
        project.create(customers(options.rows), twin.base_url, sync=mapping())
        entry, _ = project.run()
        if entry["created"] != options.rows:
            sys.exit(f"the first run should create {options.rows} contacts: {entry}")
        twin.forget_requests()
        runs = []
        for _ in range(options.runs):
            entry, done = project.run()
            if entry["unchanged"] != options.rows:
                sys.exit(f"nothing changed, yet: {entry}")
            runs.append(done)
        writes = len(twin.writes())
    walls = [run.wall for run in runs]
    print(f"idle: {options.rows:,} rows, {options.runs} runs, wall {measure.spread([w * 1000 for w in walls])} ms, "
          f"CPU {measure.median([run.cpu for run in runs]) * 1000:.0f} ms, "
          f"peak {measure.mib(max(run.peak for run in runs))}")
    middle = measure.median(walls)
    verdict.check(middle < TARGET, f"idle: median {middle * 1000:.0f} ms (target under {TARGET * 1000:.0f} ms)")
    verdict.check(writes == 0, f"idle: {writes} write requests in {options.runs} runs")
    verdict.finish()


if __name__ == "__main__":
    main()
