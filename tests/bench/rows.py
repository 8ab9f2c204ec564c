"""Rows brought up to date at once: from the call to the twin holding the new value.

    rows.py [--rows 100000] [--calls 200] [--seed 1] [--debug]

A daemon serves a sync of an SQLite table. Once the whole table is at the HubSpot twin, rows drawn at random get a new value
one after the other, each is asked for by its key (`POST …/rows`, without waiting), and the time is taken until
the twin's own API gives the new value. Everything is on this machine, over loopback. Checked: the 95th percentile; that no call
sent any other row; that a run of the whole model afterwards finds every row unchanged.
"""

import argparse
import json
import random
import sqlite3
import time
import urllib.parse

from workbench import folder

from harness import build, measure
from harness.daemon import Daemon
from harness.project import Project
from harness.twin import OBJECTS, Twin

MOST_P95 = 0.300
MOST_WAIT = 30.0
MAPPING = """\
sync: customers
source: files
model: { table: customers }
key: id
destination: crm
object: contacts
match: email
mode: mirror
removed: archive
fields: { email: email, firstname: first_name, city: city }
"""


def write_table(path, rows: int) -> None:
    """The table, anew."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as shop:
        shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, first_name TEXT, city TEXT)")
        values = ((row, f"c{row}@example.com", f"Person {row}", "Oslo") for row in range(rows))
        shop.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", values)
    shop.close()


def city(twin, row: int):
    """The value the twin's API gives."""
    email = urllib.parse.quote(f"c{row}@example.com")
    record = twin.call("GET", f"{OBJECTS}/contacts/{email}?idProperty=email&properties=city")
    return record["properties"].get("city")


def asked(daemon, twin, shop, row: int, value: str) -> float:
    """Changes a row, asks for it, and waits until the twin has the value: seconds from the call."""
    with shop:
        shop.execute("UPDATE customers SET city = ? WHERE id = ?", (value, row))
    started = time.perf_counter()
    status, text = daemon.ask("POST", "/api/v1/syncs/customers/rows", json.dumps({"keys": [row]}).encode())
    if status not in (200, 202):
        raise SystemExit(f"rows: {status} {text[:500]}")
    while city(twin, row) != value:
        if time.perf_counter() - started > MOST_WAIT:
            raise SystemExit(f"the twin did not get the new value within {MOST_WAIT:.0f} s")
        time.sleep(0.002)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--debug", action="store_true", help="a debug build, for tuning")
    options = parser.parse_args()
    programs = build.programs(release=not options.debug)
    verdict = measure.Verdict()
    home = folder() / "rows"
    (home / "data").mkdir(parents=True, exist_ok=True)
    write_table(home / "data" / "shop.db", options.rows)
    with Twin(programs.twin) as twin:
        project = Project(home / "project", programs.outflow)
        project.create(home / "data", twin.base_url, sync=MAPPING)
        with Daemon(project) as daemon:
            first = daemon.json("POST", "/api/v1/syncs/customers/trigger?wait=1h")
            verdict.check(first["result"]["created"] == options.rows, f"rows: {options.rows:,} rows are at the twin")
            shop = sqlite3.connect(home / "data" / "shop.db")
            chance = random.Random(options.seed)
            took = [
                asked(daemon, twin, shop, chance.randrange(options.rows), f"Town {number}")
                for number in range(options.calls)
            ]
            shop.close()
            took.sort()
            median, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
            verdict.check(p95 <= MOST_P95,
                          f"rows: p95 {p95 * 1000:.0f} ms, median {median * 1000:.0f} ms, most {took[-1] * 1000:.0f} ms from the call to the twin's new value, "
                          f"{options.calls} calls, one row of {options.rows:,} each (target {MOST_P95 * 1000:.0f} ms)")
            last = daemon.json("POST", "/api/v1/syncs/customers/trigger?wait=1h")["result"]
            runs = daemon.json("GET", f"/api/v1/runs?limit={min(1000, options.calls + 2)}")["runs"]
            keyed = [run for run in runs if run["keys"] is not None]
            sent = sum(run["updated"] + run["created"] + run["removed"] for run in keyed)
            verdict.check(sent == options.calls and last["unchanged"] == options.rows and last["updated"] == 0,
                          f"rows: {len(keyed)} runs sent {sent} rows; a whole run then finds {last['unchanged']:,} unchanged, in {last['duration_ms']:,} ms")
    verdict.finish()


if __name__ == "__main__":
    main()
