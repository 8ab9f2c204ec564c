"""Marketing Cloud benchmark: a million rows through asynchronous jobs, in how little memory and how few requests.

    marketing_cloud.py [--rows 1000000] [--parallel 10]

A job takes 2,500 rows. The fewest requests it can cost are its submission and one question whether it is done; results
are read only of jobs with refused rows, 50 a page. The twin's jobs end 600 ms after their submission.

Exit code 1 when a target is missed.
"""

import argparse
import math
import sys

from workbench import customers, folder, mapping

from harness import build, measure
from harness.project import Project
from harness.twin import Twin

CLIENT, SECRET = "sandbox-client", "sandbox-secret"
JOB_ROWS = 2_500
# A token, the data extension and its columns.
BEFORE = 3
PEAK = 200 << 20

# Column of the data extension by column of the model, and its type.
FIELDS = {
    "customer_id": ("SubscriberKey", {"type": "Text", "length": 36, "primary": True}),
    "email": ("Email", {"type": "EmailAddress"}),
    "first_name": ("FirstName", {"type": "Text", "length": 80}),
    "last_name": ("LastName", {"type": "Text", "length": 80}),
    "city": ("City", {"type": "Text", "length": 80}),
    "country": ("Country", {"type": "Text", "length": 2}),
    "segment": ("Segment", {"type": "Text", "length": 50}),
    "birth_date": ("BirthDate", {"type": "Date"}),
    "signed_up_at": ("SignedUpAt", {"type": "Date"}),
    "last_order_on": ("LastOrderOn", {"type": "Date"}),
    "lifetime_value": ("LifetimeValue", {"type": "Decimal", "length": 18, "scale": 2}),
    "average_basket": ("AverageBasket", {"type": "Decimal", "length": 18, "scale": 4}),
    "is_member": ("IsMember", {"type": "Boolean"}),
    "orders": ("Orders", {"type": "Number"}),
    "score": ("Score", {"type": "Number"}),
}


def sync(parallel: int) -> str:
    """The mapping file."""
    fields = {name: column for column, (name, _) in FIELDS.items()}
    fields["SubscriberKey"] = "{ column: customer_id, as: text }"
    return mapping(fields, f"data_extension: customers\nmatch: SubscriberKey\nparallel: {parallel}")


def rows(twin: Twin) -> int:
    """Rows of the data extension."""
    body = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
    token = twin.call("POST", "/v2/token", body)["access_token"]
    return twin.call("GET", "/data/v1/customobjectdata/key/customers/rowset?$pageSize=1", token=token)["count"]


def jobs(verdict, what: str, asked: int, changed: int) -> None:
    """Holds what was asked against the fewest requests that many rows can cost."""
    count = math.ceil(changed / JOB_ROWS)
    fewest = 2 * count
    verdict.check(asked == fewest,
                  f"{what}: {asked:,} requests for {changed:,} rows, the fewest are {fewest:,} ({count} submissions, "
                  f"{count} questions, no page of results); {BEFORE} before")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--parallel", type=int, default=10)
    options = parser.parse_args()
    programs = build.programs(release=True, twin="marketing_cloud")
    verdict = measure.Verdict()
    with Twin(programs.twin, "--no-log") as twin:
        columns = [{"name": name, **form} for name, form in FIELDS.values()]
        twin.call("POST", "/_twin/extensions", {"key": "customers", "columns": columns})
        project = Project(folder() / "marketing-cloud", programs.outflow)
        project.env["SFMC_SECRET"] = SECRET
        connection = (f'{{ type: marketing_cloud, client_id: {CLIENT}, client_secret: "${{env:SFMC_SECRET}}", '
                      f"base_url: {twin.base_url}, limits: none }}")
        project.create(customers(options.rows), connection=connection, sync=sync(options.parallel))

        entry, done = project.run()
        asked = twin.request_count() - BEFORE
        print(f"first sync: {options.rows:,} rows in {done.wall:.1f} s ({options.rows / done.wall:,.0f} rows/s), "
              f"{options.parallel} jobs at a time, CPU {done.cpu:.1f} s (the twin {twin.cpu_seconds():.1f} s), "
              f"peak {measure.mib(done.peak)}", flush=True)
        if entry["created"] != options.rows or rows(twin) != options.rows:
            sys.exit(f"{options.rows} rows should have been created: {entry}")
        verdict.check(done.peak < PEAK,
                      f"first sync: peak {measure.mib(done.peak)} (target under {measure.mib(PEAK)})")
        jobs(verdict, "first sync", asked, options.rows)

        twin.forget_requests()
        entry, _ = project.run()
        asked = twin.request_count()
        verdict.check(entry["unchanged"] == options.rows and asked == 0, f"nothing changed: {asked} requests")

        project.point_at(customers(options.rows, changed=True))
        entry, done = project.run()
        if entry["updated"] != options.rows // 100:
            sys.exit(f"1 % of the rows should have been updated: {entry}")
        jobs(verdict, "1 % changed", twin.request_count() - BEFORE, entry["updated"])
        verdict.check(done.peak < PEAK, f"1 % changed: peak {measure.mib(done.peak)}")
    verdict.finish()


if __name__ == "__main__":
    main()
