"""The same diff in DuckDB, a fast general engine: what Outflow's diff is measured against.

    baseline.py adopt FILE.parquet STATE.duckdb       per-column 64-bit hashes of every row, by key
    baseline.py diff FILE.parquet STATE.duckdb OUT.parquet [--threads N]

`diff` joins the file with the hashes, compares every column, names the columns that differ and
writes the rows that are new or differ. It prints a JSON line with CPU and wall seconds of the query
alone: Python's and DuckDB's start-up are not held against the baseline.
"""

import argparse
import json
import os
import resource
import time

import duckdb

from customers import COLUMNS


def adopt(file: str, state: str) -> None:
    """Builds the acknowledged state."""
    if os.path.exists(state):
        os.remove(state)
    hashes = ", ".join(f"hash({name}) AS h_{name}" for name in COLUMNS)
    with duckdb.connect(state) as database:
        database.execute(f"CREATE TABLE acknowledged AS SELECT customer_id, {hashes} FROM read_parquet('{file}')")
        database.execute("CHECKPOINT")


def diff(file: str, state: str, out: str, threads: int) -> dict:
    """Compares, writes what differs, and says what it took."""
    database = duckdb.connect(state, read_only=True, config={"threads": threads} if threads else {})
    names = ", ".join(
        f"CASE WHEN s.customer_id IS NULL OR hash(n.{name}) <> s.h_{name} THEN '{name}' END" for name in COLUMNS
    )
    differs = " OR ".join(f"hash(n.{name}) <> s.h_{name}" for name in COLUMNS)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    database.execute(
        f"""COPY (
              SELECT n.*, list_filter([{names}], lambda name: name IS NOT NULL) AS changed
              FROM read_parquet('{file}') n LEFT JOIN acknowledged s USING (customer_id)
              WHERE s.customer_id IS NULL OR {differs}
            ) TO '{out}' (FORMAT parquet, COMPRESSION snappy)"""
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows, fields = duckdb.execute(
        f"SELECT count(*), coalesce(sum(len(changed)), 0)::BIGINT FROM read_parquet('{out}')"
    ).fetchone()
    return {"cpu": cpu, "wall": wall, "rows": rows, "fields": fields}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["adopt", "diff"])
    parser.add_argument("file")
    parser.add_argument("state")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as DuckDB takes by itself")
    options = parser.parse_args()
    if options.step == "adopt":
        adopt(options.file, options.state)
    else:
        print(json.dumps(diff(options.file, options.state, options.out, options.threads)))


if __name__ == "__main__":
    main()
