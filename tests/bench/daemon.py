"""The daemon under stress and at rest: SIGTERM and kill -9 at random moments under load, and what it costs idle.

    daemon.py [--stops 200] [--kills 200] [--rows 20000] [--idle-seconds 60] [--seed 1] [--latency-ms 20]

Every round gives all rows new values, and the daemon, whose sync is always due, is ended at a random moment,
by SIGTERM and by kill -9 in turn. Checked: a stop ends with exit code 0 within its grace period; the state opens and is
whole after every end; after each round the next daemon brings every row to the twin by itself; no run is
left without an ending. Idle: 50 syncs due once a day, resident memory and CPU over a minute.
"""

import argparse
import random
import time

from kill import LIMITS, MAPPING, PROPERTIES, torn, wanted, write_model
from workbench import folder

from harness import build, measure
from harness.daemon import Daemon
from harness.project import Project
from harness.twin import Twin

GRACE = 10.0
ENDS_PER_ROUND = 4
IDLE_SYNCS = 50
MOST_RESIDENT = 40 << 20
MOST_CPU = 0.005


def wrong(twin, rows: int, number: int) -> int:
    """Rows that are not at the twin with this round's values, and records that are there besides."""
    there = {values.get("email"): values for _, values in twin.records(PROPERTIES)}
    must = wanted(rows, number)
    return sum(there.get(email) != values for email, values in must.items()) + len(there.keys() - must.keys())


def settled(daemon, rows: int, seconds: float) -> bool:
    """Waits until a run finds every row unchanged."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        runs = daemon.json("GET", "/api/v1/runs?limit=1")["runs"]
        if runs and runs[0]["status"] == "ok" and runs[0]["unchanged"] == rows:
            return True
        time.sleep(0.2)
    return False


def rounds(project, twin, options, verdict) -> None:
    """Ends daemons until there were enough ends of both kinds."""
    chance = random.Random(options.seed)
    data = folder() / "daemon" / "data"
    stops = kills = number = 0
    lost, broken, slow, codes, stuck = 0, [], 0.0, set(), 0
    # A first run undisturbed, for its length.
    write_model(data / "customers.csv", options.rows, 0)
    started = time.monotonic()
    with Daemon(project, "--grace", f"{GRACE:.0f}") as daemon:
        stuck += not settled(daemon, options.rows, 600)
        length = time.monotonic() - started
    while stops < options.stops or kills < options.kills:
        number += 1
        write_model(data / "customers.csv", options.rows, number)
        for _ in range(ENDS_PER_ROUND):
            with Daemon(project, "--grace", f"{GRACE:.0f}") as daemon:
                time.sleep(chance.uniform(0, length))
                if stops < options.stops and (stops <= kills or kills >= options.kills):
                    code, took = daemon.stop()
                    codes.add(code)
                    slow = max(slow, took)
                    stops += 1
                elif kills < options.kills:
                    daemon.kill()
                    kills += 1
            broken += torn(project)
        with Daemon(project, "--grace", f"{GRACE:.0f}") as daemon:
            stuck += not settled(daemon, options.rows, 600)
            codes.add(daemon.stop()[0])
        lost += wrong(twin, options.rows, number)
        print(f"round {number}: {stops} stops, {kills} kills", flush=True)
    history, _ = project.json("history", "--limit", "100000")
    open_runs = sum(run["status"] == "running" for run in history["runs"])
    verdict.check(codes == {0} and slow <= GRACE + 2,
                  f"daemon: {stops} stops under load ended with exit codes {sorted(codes)}, the slowest in {slow:.1f} s (grace {GRACE:.0f} s)")
    verdict.check(not broken, f"daemon: {len(broken)} torn states {broken[:3]}")
    verdict.check(lost == 0 and stuck == 0,
                  f"daemon: {lost} rows lost or wrong after {stops} stops and {kills} kills in {number} rounds of {options.rows:,} rows, {stuck} stuck")
    verdict.check(open_runs == 0, f"daemon: {open_runs} runs without an ending")


def idle(project, twin, options, verdict) -> None:
    """What 50 syncs cost that have nothing to do."""
    data = folder() / "daemon" / "data"
    write_model(data / "customers.csv", 10, 0)
    project.create(data, twin.base_url, LIMITS, sync=MAPPING)
    for number in range(IDLE_SYNCS):
        text = MAPPING.replace("sync: customers", f"sync: idle{number}") + 'schedule: "@daily"\n'
        (project.root / "mappings" / f"idle{number}.yaml").write_text(text, encoding="utf-8")
    (project.root / "mappings" / "customers.yaml").unlink()
    with Daemon(project) as daemon:
        time.sleep(3)
        before, started = daemon.cpu_seconds(), time.monotonic()
        time.sleep(options.idle_seconds)
        share = (daemon.cpu_seconds() - before) / (time.monotonic() - started)
        resident = daemon.resident()
    verdict.check(resident <= MOST_RESIDENT,
                  f"daemon: {measure.mib(resident)} resident idle with {IDLE_SYNCS} syncs (target {measure.mib(MOST_RESIDENT)})")
    verdict.check(share <= MOST_CPU,
                  f"daemon: {share * 100:.2f} % of one core idle (target {MOST_CPU * 100:.1f} %), over {options.idle_seconds:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=200)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency-ms", type=int, default=20)
    parser.add_argument("--release", action="store_true", help="a release build")
    options = parser.parse_args()
    programs = build.programs(options.release)
    verdict = measure.Verdict()
    with Twin(programs.twin, "--latency-ms", options.latency_ms) as twin:
        home = folder() / "daemon"
        (home / "data").mkdir(parents=True, exist_ok=True)
        project = Project(home / "project", programs.outflow)
        if options.stops or options.kills:
            project.create(home / "data", twin.base_url, LIMITS, sync=MAPPING + "schedule: { every: 1s }\n")
            rounds(project, twin, options, verdict)
        if options.idle_seconds:
            idle(project, twin, options, verdict)
    verdict.finish()


if __name__ == "__main__":
    main()
