"""Mailchimp benchmark: 100,000 members through nine connections that take a second each, and what changed rows cost.

    mailchimp.py [--rows 100000] [--latency-ms 1000]

A request carries 500 members and nine are in flight, so 200 requests take 200 / 9 = 22.2 s of answers. Requests are
whole: the 200 leave in 23 rounds of nine, and one round before them asks for the audience and its merge fields. No
client that asks first can be done before 24 rounds are over; that is what the target is a share of.

Exit code 1 when a target is missed.
"""

import argparse
import math
import sys

from workbench import customers, folder, mapping

from harness import build, measure
from harness.project import Project
from harness.twin import Twin

KEY = "0123456789abcdef0123456789abcdef-us1"
AUDIENCE = "a1b2c3d4e5"
BATCH, CONNECTIONS, LOOK_UPS = 500, 9, 2
SHARE = 0.95

# Merge tag by column, and its type.
FIELDS = {
    "first_name": ("FNAME", None),
    "last_name": ("LNAME", None),
    "city": ("CITY", "text"),
    "country": ("COUNTRY", "text"),
    "segment": ("SEGMENT", "text"),
    "birth_date": ("BORN", "date"),
    "last_order_on": ("LAST_ORDER", "date"),
    "lifetime_value": ("LTV", "number"),
    "average_basket": ("BASKET", "number"),
    "orders": ("ORDERS", "number"),
    "score": ("SCORE", "number"),
}


def sync() -> str:
    """The mapping file."""
    fields = {tag: column for column, (tag, _) in FIELDS.items()}
    return mapping(
        {"email_address": "email", **fields},
        f"object: members\naudience: {AUDIENCE}\nmatch: email_address\nstatus_if_new: subscribed",
    )


def define_fields(twin: Twin) -> None:
    """Makes the merge fields that no audience has by itself."""
    for tag, kind in FIELDS.values():
        if kind:
            body = {"tag": tag, "name": tag.capitalize(), "type": kind}
            twin.call("POST", f"/3.0/lists/{AUDIENCE}/merge-fields", body, token=KEY)


def members(twin: Twin) -> int:
    """How many members are subscribed."""
    path = f"/3.0/lists/{AUDIENCE}/members?count=0&status=subscribed&fields=total_items"
    return twin.call("GET", path, token=KEY)["total_items"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=int, default=1_000)
    options = parser.parse_args()
    programs = build.programs(release=True, twin="mailchimp")
    verdict = measure.Verdict()
    with Twin(programs.twin, "--no-log", "--allow-example-addresses") as twin:
        define_fields(twin)
        project = Project(folder() / "mailchimp", programs.outflow)
        project.env["MAILCHIMP_KEY"] = KEY
        connection = f'{{ type: mailchimp, api_key: "${{env:MAILCHIMP_KEY}}", base_url: {twin.base_url} }}'
        project.create(customers(options.rows), connection=connection, sync=sync())

        twin.call("PUT", "/_twin/latency", {"ms": options.latency_ms})
        entry, done = project.run()
        twin.call("PUT", "/_twin/latency", {"ms": 0})
        if entry["created"] != options.rows or members(twin) != options.rows:
            sys.exit(f"{options.rows} members should have been created: {entry}")
        answers = math.ceil(options.rows / BATCH)
        second = options.latency_ms / 1000
        ideal = answers / CONNECTIONS * second
        least = (math.ceil(answers / CONNECTIONS) + 1) * second
        print(f"first sync: {options.rows:,} members in {done.wall:.2f} s, {entry['requests']:,} requests, "
              f"CPU {done.cpu:.1f} s, peak {measure.mib(done.peak)}", flush=True)
        print(f"first sync: {ideal / done.wall:.1%} of {ideal:.1f} s, which {answers} answers through {CONNECTIONS} "
              "connections take when requests can be split at will", flush=True)
        verdict.check(least / done.wall >= SHARE,
                      f"first sync: {least / done.wall:.1%} of {least:.0f} s, the least that whole requests after a "
                      f"look-up can take (target {SHARE:.0%})")
        verdict.check(entry["requests"] == answers, f"first sync: {entry['requests']} requests, the fewest are {answers}")

        twin.forget_requests()
        entry, done = project.run()
        asked = twin.request_count()
        verdict.check(entry["unchanged"] == options.rows and asked == 0, f"nothing changed: {asked} requests")

        project.point_at(customers(options.rows, changed=True))
        entry, done = project.run()
        fewest = math.ceil(entry["updated"] / BATCH)
        asked = twin.request_count() - LOOK_UPS
        # Some rows differ in columns alone that are not mapped.
        verdict.check(0 < entry["updated"] <= options.rows // 100 and asked == fewest,
                      f"1 % changed: {entry['updated']:,} members updated by {asked} requests, the fewest are {fewest}; "
                      f"{LOOK_UPS} look-ups before")
    verdict.finish()


if __name__ == "__main__":
    main()
