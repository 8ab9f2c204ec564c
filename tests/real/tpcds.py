"""Real data: TPC-DS customers to a HubSpot twin, checked value by value.

    tpcds.py [--sf 0.1] [--release]

Period 1 (sales up to a day): check, first run, second run (no write), and the same rows from SQLite
instead of Parquet (no write). Period 2 (all sales): only customers that changed are sent, and of
them only the attributes that changed. What must be there is worked out from the base tables by
`oracle.py`. Exit code 1 on any difference.
"""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "setup"))

import oracle  # noqa: E402
import warehouse  # noqa: E402
from harness import build, measure, twin as twins  # noqa: E402
from harness.project import Project  # noqa: E402
from harness.twin import Twin  # noqa: E402

CUT = {1: "2002-11-30", 2: "2003-12-31"}
# Destination field: column. What HubSpot does not have is created.
FIELDS = {
    "email": "email", "customer_sk": "customer_sk", "customer_number": "customer_number", "firstname": "first_name",
    "lastname": "last_name", "birth_date": "birth_date", "country": "country", "city": "city", "state": "state",
    "is_preferred": "is_preferred", "lifetime_value": "lifetime_value", "orders": "orders",
    "last_purchase_on": "last_purchase_on", "favourite_category": "favourite_category",
    "preferred_channel": "preferred_channel", "credit_rating": "credit_rating", "education": "education",
    "income_from": "income_from", "income_to": "income_to",
}
MAPPING = (
    "sync: customers\nsource: files\nmodel: { table: customers }\nkey: customer_sk\n"
    "destination: crm\nobject: contacts\nmatch: email\nmode: upsert\ncreate_fields: true\nfields:\n"
    + "".join(f"  {field}: {column}\n" for field, column in FIELDS.items())
)
REJECTS = 1  # exit code of a run that leaves rejects open: customers without e-mail


class Check:
    """The steps, the verdicts and the time they take."""

    def __init__(self, database, project, twin, home: Path):
        self.database, self.project, self.twin, self.home = database, project, twin, home
        self.verdict = measure.Verdict()

    def export(self, period: int, kind: str) -> Path:
        """The model of a period as files."""
        path = self.home / f"period-{period}"
        if kind == "parquet":
            return warehouse.export_parquet(self.database, CUT[period], path / "parquet")
        return warehouse.export_sqlite(self.database, CUT[period], path / "customers.sqlite")

    def run(self, source: Path, what: str, **buckets) -> list:
        """One run; its buckets must be those given. The write requests it made."""
        self.project.configure(source, self.twin.base_url)
        self.twin.forget_requests()
        entry, done = self.project.run(codes=(0, REJECTS))
        found = {name: entry[name] for name in buckets}
        writes = self.twin.writes()
        self.verdict.check(
            found == buckets, f"{what}: {', '.join(f'{value:,} {name}' for name, value in found.items())}"
            f"{'' if found == buckets else f', expected {buckets}'} ({done.wall:.1f} s, {len(writes)} write requests)")
        return writes

    def at_twin(self) -> dict:
        """{customer_sk: record}, and that no two records are one customer."""
        records = [values for _, values in self.twin.records(list(FIELDS))]
        by_key = {values.get("customer_sk"): values for values in records}
        if len(by_key) != len(records):
            self.verdict.check(False, f"{len(records) - len(by_key)} records of one customer twice")
        return by_key

    def compare(self, what: str, must: dict) -> None:
        """Every value of every customer at the twin."""
        there = self.at_twin()
        wanted = {str(key): values for key, values in must.items()}
        wrong = Counter()
        for key in wanted.keys() | there.keys():
            left, right = wanted.get(key), there.get(key)
            if left is None or right is None:
                wrong["customers missing or too many"] += 1
            else:
                wrong.update(name for name in FIELDS if left.get(name) != right.get(name))
        values = sum(map(len, wanted.values()))
        self.verdict.check(not wrong, f"{what}: {len(wanted):,} customers, {values:,} values compared"
                                      f"{f', different: {dict(wrong)}' if wrong else ''}")

    def compare_sent(self, writes: list, before: dict, after: dict) -> None:
        """Of the customers that changed, exactly the changed attributes; of new ones, all."""
        emails = {values["email"]: key for key, values in after.items()}
        keys = {record: emails.get(values.get("email")) for record, values in self.twin.records(["email"])}
        sent, repeated = {}, 0
        for entry in writes:
            for item in twins.inputs(entry):
                key = keys.get(item["id"]) or emails.get(item["id"].lower())
                repeated += key in sent
                sent[key] = dict(item["properties"])
        updates, creates = {}, {}
        for key, values in after.items():
            if key not in before:
                creates[key] = values
            elif values != before[key]:
                names = [name for name in FIELDS if values.get(name) != before[key].get(name)]
                updates[key] = {name: values.get(name, "") for name in names}
        created = {key: {name: value.lower() if name == "email" else value
                         for name, value in sent[key].items() if value != ""} for key in creates if key in sent}
        updated = {key: values for key, values in sent.items() if key not in creates}
        refused = sum(entry["status"] != 200 for entry in writes)
        fields = sum(map(len, updates.values()))
        self.verdict.check(updated == updates, f"period 2 sent {len(updated):,} changed customers with "
                           f"{sum(map(len, updated.values())):,} attributes; changed: {len(updates):,} with {fields:,}")
        self.verdict.check(created == creates, f"period 2 sent {len(created):,} new customers whole; new: {len(creates):,}")
        self.verdict.check(repeated == 0 and refused == 0,
                           f"period 2: {repeated} customers sent twice, {refused} requests not answered with 200")

    def compare_rejects(self, customers: dict) -> None:
        """Customers without e-mail are named, each once, with the reason."""
        document, _ = self.project.json("rejects", "--limit", 1_000_000, codes=(0, REJECTS))
        must = {(str(key), "missing_match") for key, values in customers.items() if "email" not in values}
        found = [(entry["key"], entry["code"]) for entry in document["rejects"]]
        self.verdict.check(set(found) == must and len(found) == len(must),
                           f"{len(found):,} rejects; customers without e-mail: {len(must):,}")


def with_email(customers: dict) -> dict:
    """Those that can be at HubSpot."""
    return {key: values for key, values in customers.items() if "email" in values}


def both_periods(check: Check) -> None:
    """The whole story."""
    started = time.perf_counter()
    first, second = (oracle.expected(check.database, CUT[period]) for period in (1, 2))
    sources = {(period, kind): check.export(period, kind) for period in (1, 2) for kind in ("parquet", "sqlite")}
    print(f"{len(first):,} customers in period 1, {len(second):,} in period 2; exported and worked out in "
          f"{time.perf_counter() - started:.1f} s", flush=True)

    known = with_email(first)
    missing = len(first) - len(known)
    check.project.create(sources[1, "parquet"], check.twin.base_url, sync=MAPPING)
    document, _ = check.project.json("check")
    errors = [problem["code"] for problem in document["problems"] if problem.get("severity") == "error"]
    check.verdict.check(not errors, f"check: no error, {len(document['problems'])} warnings{errors or ''}")

    check.run(sources[1, "parquet"], "period 1, first run", read=len(first), created=len(known), rejected=missing, unchanged=0)
    check.compare("period 1", known)
    check.compare_rejects(first)
    for kind in ("parquet", "sqlite"):
        writes = check.run(sources[1, kind], f"period 1 again, from {kind}", unchanged=len(known), rejected=missing, updated=0)
        check.verdict.check(not writes, f"period 1 again, from {kind}: {len(writes)} write requests")

    now = with_email(second)
    created = len(now.keys() - known.keys())
    updated = sum(values != known[key] for key, values in now.items() if key in known)
    writes = check.run(sources[2, "parquet"], "period 2", read=len(second), created=created, updated=updated,
                       unchanged=len(now) - created - updated, rejected=len(second) - len(now))
    check.compare_sent(writes, known, now)
    check.compare("period 2", now)
    check.compare_rejects(second)
    writes = check.run(sources[2, "sqlite"], "period 2 again, from sqlite", unchanged=len(now), updated=0)
    check.verdict.check(not writes, f"period 2 again, from sqlite: {len(writes)} write requests")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sf", type=float, default=0.1, help="TPC-DS scale factor; 1 is 100,000 customers")
    parser.add_argument("--release", action="store_true", help="check a release build")
    options = parser.parse_args()
    programs = build.programs(options.release)
    home = Path(os.environ.get("OUTFLOW_BENCH_DIR", ROOT / "target" / "bench")).resolve() / f"tpcds-{options.sf:g}"
    home.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    database = warehouse.generate(home, options.sf)
    print(f"TPC-DS at scale {options.sf:g} ready in {time.perf_counter() - started:.1f} s", flush=True)
    with database, Twin(programs.twin) as twin:
        check = Check(database, Project(home / "project", programs.outflow), twin, home)
        both_periods(check)
    check.verdict.finish()


if __name__ == "__main__":
    main()
