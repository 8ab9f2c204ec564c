"""Source benchmark: rows a second from PostgreSQL into the diff, and Outflow's memory.

    source.py [--rows 1000000] [--runs 5]

A server of its own holds the customers of the other benchmarks' shape (15 columns). Outflow's state has
acknowledged them (adopted: nothing is sent); then `outflow plan --summary` reads them all again. Exit code 1
when a target is missed.
"""

import argparse
import sys

from workbench import FIELDS, SYNC, folder, mapping

from harness import build, measure
from harness.postgres import Postgres
from harness.project import Project
from harness.twin import Twin

# Rows a second of the whole process, and its peak memory in bytes.
RATE = 400_000
PEAK = 64 << 20

TABLE = """
CREATE TABLE customers AS
SELECT i AS customer_id,
       'c' || i || '@' || (array['example.com', 'example.org', 'mail.example.net'])[1 + i % 3] AS email,
       (array['Ada', 'Björn', 'Chloé', 'Dóra', 'Emil', 'Zoë'])[1 + i % 6] AS first_name,
       (array['Andersson', 'Díaz', 'Kovács', 'Müller', 'O''Brien', 'Yılmaz', 'Zhang'])[1 + i % 7] AS last_name,
       CASE WHEN i % 33 > 0 THEN (array['Berlin', 'Gdańsk', 'København', 'San Sebastián', 'Zürich'])[1 + i % 5] END AS city,
       (array['AT', 'CH', 'DE', 'DK', 'ES', 'PL'])[1 + i % 6] AS country,
       CASE WHEN i % 10 > 0 THEN (array['new', 'occasional', 'regular', 'loyal', 'at risk'])[1 + i % 5] END AS segment,
       CASE WHEN i % 12 > 0 THEN date '1935-01-01' + (i * 7919 % 27000)::int END AS birth_date,
       timestamp '2015-01-01' + make_interval(secs => i * 104729 % 350000000) AS signed_up_at,
       CASE WHEN i % 5 > 0 THEN date '2023-01-01' + (i * 31 % 1000)::int END AS last_order_on,
       ((i * 15485863 % 1500000) / 100.0)::numeric(12,2) AS lifetime_value,
       CASE WHEN i % 5 > 0 THEN ((i * 32452843 % 4000000) / 10000.0)::numeric(10,4) END AS average_basket,
       CASE WHEN i % 20 > 0 THEN i % 3 = 0 END AS is_member,
       (i * 17 % 240)::int AS orders,
       CASE WHEN i % 7 > 0 THEN (i * 13 % 1000 - 200)::smallint END AS score
FROM generate_series(1::bigint, {rows}) AS i
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    programs = build.programs(release=True)
    verdict = measure.Verdict()
    with Postgres() as server, Twin(programs.twin, "--no-log") as twin:
        server.sql(TABLE.format(rows=options.rows))
        server.sql("VACUUM (FREEZE, ANALYZE) customers")
        project = Project(folder() / "source", programs.outflow)
        project.create(server.connection(), twin.base_url, sync=mapping())
        project.call("state", "reset", SYNC, "--adopt", "--yes")
        runs = measured(project, options)
    rates = [options.rows / run.wall for run in runs]
    peak = max(run.peak for run in runs)
    print(f"source: {options.rows:,} rows x {len(FIELDS) + 1} columns, median of {options.runs}: "
          f"wall {measure.median([run.wall for run in runs]):.2f} s ({measure.spread([run.wall for run in runs])}), "
          f"CPU of Outflow {measure.median([run.cpu for run in runs]):.2f} s")
    middle = measure.median(rates)
    verdict.check(middle >= RATE, f"source: {middle:,.0f} rows/s (target at least {RATE:,})")
    verdict.check(peak < PEAK, f"source: peak {measure.mib(peak)} (target under {measure.mib(PEAK)})")
    verdict.finish()


def measured(project: Project, options) -> list:
    """Plans of a state that has acknowledged every row."""
    entry, _ = project.run()
    if entry["read"] != options.rows or entry["created"] + entry["updated"] > 0:
        sys.exit(f"adopting sent something, or did not read every row: {entry}")
    runs = []
    for number in range(options.runs + 1):
        document, done = project.json("plan", SYNC, "--summary")
        if document["syncs"][0]["unchanged"] != options.rows:
            sys.exit(f"nothing changed, yet: {document}")
        if number > 0:  # the first brings the table into memory
            runs.append(done)
    return runs


if __name__ == "__main__":
    main()
