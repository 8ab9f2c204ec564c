"""Delivery benchmark: first syncs to a HubSpot twin in a process of its own.

    deliver.py [--rows 1000000] [--limited-rows 60000] [--only speed|latency|limits]

speed     rows end to end per second, nothing limiting but the machine
latency   50 ms a request, 8 in flight: the share of what that allows
limits    HubSpot's 190 requests per 10 s: the share of the quota that is used, and no 429

Exit code 1 when a target is missed.
"""

import argparse
import math
import sys

from workbench import customers, folder, mapping

from harness import build, measure
from harness.project import Project
from harness.twin import Twin

BATCH = 100
CONCURRENCY = 8
# Rows per second, share of what 8 requests of 50 ms allow, share of the quota.
FASTEST, LATENCY_SHARE, QUOTA_SHARE = 50_000, 0.80, 0.97
PEAK = 100 << 20


def first_sync(name: str, rows: int, limits: str, programs, *twin_flags):
    """Syncs `rows` new customers; the run's entry, what it took, and what the twin has to say."""
    with Twin(programs.twin, *twin_flags) as twin:
        project = Project(folder() / f"deliver-{name}", programs.outflow)
        project.create(customers(rows), twin.base_url, limits=limits, sync=mapping())
        before = twin.cpu_seconds()
        entry, done = project.run()
        twin_cpu = twin.cpu_seconds() - before
        if entry["created"] != rows or entry["read"] != rows:
            sys.exit(f"{name}: {rows} rows should have been created: {entry}")
        arrived = twin.total()
        if arrived != rows:
            sys.exit(f"{name}: the twin has {arrived} contacts, not {rows}")
        log = [] if "--no-log" in twin_flags else twin.writes()
    print(f"{name}: {rows:,} contacts in {done.wall:.1f} s, {entry['requests']:,} requests, CPU {done.cpu:.1f} s "
          f"(the twin {twin_cpu:.1f} s), peak {measure.mib(done.peak)}", flush=True)
    return entry, done, log


def speed(rows: int, programs, verdict) -> None:
    """Nothing limits but the machine, which the twin shares."""
    _, done, _ = first_sync("speed", rows, "none", programs, "--no-log")
    verdict.check(rows / done.wall >= FASTEST, f"speed: {rows / done.wall:,.0f} contacts/s (target {FASTEST:,})")
    verdict.check(done.peak < PEAK, f"speed: peak {measure.mib(done.peak)} (target under {measure.mib(PEAK)})")


def latency(rows: int, programs, verdict) -> None:
    """Each request takes 50 ms: 8 in flight carry at most 16,000 rows a second."""
    limits = f"{{ requests: 1000000, per: 10s, concurrency: {CONCURRENCY} }}"
    _, done, _ = first_sync("latency", rows, limits, programs, "--no-log", "--latency-ms", 50)
    allowed = math.ceil(rows / BATCH / CONCURRENCY) * 0.050
    verdict.check(allowed / done.wall >= LATENCY_SHARE,
                  f"latency: {rows / done.wall:,.0f} contacts/s, {allowed / done.wall:.0%} of what {CONCURRENCY} "
                  f"requests of 50 ms allow (target {LATENCY_SHARE:.0%})")


def limits(rows: int, programs, verdict) -> None:
    """The twin enforces a Professional account's window; a 429 is quota wasted."""
    window, span = 190, 10_000
    _, done, log = first_sync(
        "limits", rows, f"{{ requests: {window}, per: 10s, concurrency: {CONCURRENCY} }}", programs,
        "--rate", "professional")
    times = sorted(entry["at_ms"] for entry in log)
    refused = sum(entry["status"] == 429 for entry in log)
    # The last of n requests may start when the window has opened (n - 1) // 190 times again.
    least = (len(times) - 1) // window * span / 1000
    took = (times[-1] - times[0]) / 1000
    fullest = max(sum(start <= at < start + span for at in times) for start in times)
    used = least / took if took > 0 else 1.0
    verdict.check(refused == 0, f"limits: {refused} answers of 429 among {len(times)} requests")
    verdict.check(used >= QUOTA_SHARE or least == 0,
                  f"limits: last request after {took:.1f} s, {used:.1%} of the quota used (target {QUOTA_SHARE:.0%}); "
                  f"fullest 10 s hold {fullest} requests")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--limited-rows", type=int, default=60_000)
    parser.add_argument("--only", choices=["speed", "latency", "limits"])
    options = parser.parse_args()
    programs = build.programs(release=True)
    verdict = measure.Verdict()
    if options.only in (None, "speed"):
        speed(options.rows, programs, verdict)
    if options.only in (None, "latency"):
        latency(options.rows // 5, programs, verdict)
    if options.only in (None, "limits"):
        limits(options.limited_rows, programs, verdict)
    verdict.finish()


if __name__ == "__main__":
    main()
