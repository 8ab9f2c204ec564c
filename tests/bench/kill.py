"""Kill test: `outflow run` ended by kill -9 at random moments, restarted until the sync is done.

    kill.py [--kills 200] [--rows 20000] [--seed 1] [--latency-ms 20]

Every round gives all rows new values (the first creates them) and kills the run again and again at a
moment drawn from the length of an undisturbed one. Checked: after every kill the state opens and
is whole; after every round every row is at the twin with its new values; and of what one killed run
had applied, no more is sent again than one batch for each request in flight. Exit code 1 when any
of these is broken. The seed makes the moments repeatable, not the machine.
"""

import argparse
import csv
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from workbench import folder

from harness import build, measure, twin as twins
from harness.project import Project
from harness.twin import Twin

BATCH = 100
CONCURRENCY = 8
KILLS_PER_ROUND = 3  # so that creating and updating are both killed, however few kills there are
LIMITS = f"{{ requests: 1000000, per: 10s, concurrency: {CONCURRENCY} }}"
MAPPING = """\
sync: customers
source: files
model: { table: customers }
key: id
destination: crm
object: contacts
match: email
mode: upsert
create_fields: true
fields:
  email: email
  firstname: first_name
  visits: { column: visits, as: integer }
  round_name: round_name
"""
PROPERTIES = ["email", "firstname", "visits", "round_name"]


def wanted(rows: int, number: int) -> dict:
    """What the twin must hold after a round, by e-mail. Each value differs from the round before."""
    return {
        f"k{row}@example.com": {
            "email": f"k{row}@example.com", "firstname": f"Name {row} {number % 2}",
            "visits": str(row * 7 + number), "round_name": f"round {number}",
        }
        for row in range(rows)
    }


def write_model(path: Path, rows: int, number: int) -> None:
    """The model of a round, as CSV."""
    partial = path.with_suffix(".partial")
    with open(partial, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "email", "first_name", "visits", "round_name"])
        for row, (email, values) in enumerate(wanted(rows, number).items()):
            out.writerow([row, email, values["firstname"], values["visits"], values["round_name"]])
    partial.replace(path)


def torn(project: Project) -> list:
    """What is wrong with the state. It is looked at in a copy: opening it would repair it."""
    problems = []
    for database in project.databases():
        with tempfile.TemporaryDirectory() as copy:
            for path in database.parent.glob(database.name + "*"):
                shutil.copy(path, copy)
            try:
                with sqlite3.connect(Path(copy) / database.name) as connection:
                    answer = connection.execute("PRAGMA integrity_check").fetchone()[0]
                connection.close()
            except sqlite3.Error as error:
                answer = str(error)
        if answer != "ok":
            problems.append(f"{database.name}: {answer}")
    return problems


def settled(entries: list) -> dict:
    """Rows that some requests applied: address (e-mail or record id) by input, with its values."""
    rows = {}
    for entry in entries:
        if 200 <= entry["status"] < 300:
            for item in twins.inputs(entry):
                rows[item["id"].lower()] = item["properties"]
    return rows


class Round:
    """One set of values, delivered through kills."""

    def __init__(self, project, twin, number: int, rows: int):
        self.project, self.twin, self.number, self.rows = project, twin, number, rows
        self.kills = 0
        self.torn, self.attempts, self.records = [], [], []

    def deliver(self, length: float, most_kills: int, chance: random.Random, latency: float) -> None:
        """Runs until one run comes to its end by itself; `length`: seconds of an undisturbed run."""
        while True:
            self.twin.forget_requests()
            child = self.project.start("run", "--json")
            if self.kills < most_kills:
                time.sleep(chance.uniform(0, length))
                child.kill()
            done = child.wait()
            time.sleep(2 * latency + 0.05)  # what the twin had taken in is applied by then
            self.attempts.append(settled(self.twin.writes()))
            self.torn += torn(self.project)
            if done.code == 0:
                break
            if done.code != -9:
                sys.exit(f"a run after a kill failed with exit code {done.code}\n{done.stdout}{done.stderr}")
            self.kills += 1
        self.records = list(self.twin.records(PROPERTIES))

    def resent(self) -> list:
        """For each killed run: rows it applied that a later run sent again."""
        # A new row is addressed by its e-mail, a known one by its record id.
        names = {record: values["email"] for record, values in self.records if "email" in values}
        runs = [{names.get(address, address) for address in attempt} for attempt in self.attempts]
        return [len(run & set().union(*runs[place + 1:])) for place, run in enumerate(runs[:-1])]

    def wrong(self) -> int:
        """Rows that are not at the twin with this round's values, and records that are there besides."""
        there = {values.get("email"): values for _, values in self.records}
        must = wanted(self.rows, self.number)
        extra = len(self.records) - len(there) + len(there.keys() - must.keys())
        return sum(there.get(email) != values for email, values in must.items()) + extra


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency-ms", type=int, default=20)
    parser.add_argument("--release", action="store_true", help="kill a release build")
    options = parser.parse_args()
    programs = build.programs(options.release)
    chance = random.Random(options.seed)

    with Twin(programs.twin, "--latency-ms", options.latency_ms) as twin:
        home = folder() / "kill"
        project = Project(home / "project", programs.outflow)
        data = home / "data"
        data.mkdir(parents=True, exist_ok=True)
        project.create(data, twin.base_url, LIMITS, sync=MAPPING)
        # Undisturbed: how long a run takes, and that the harness counts right.
        write_model(data / "customers.csv", options.rows, 0)
        entry, done = project.run()
        length, kills, number = done.wall, 0, 0
        if entry["created"] != options.rows:
            sys.exit(f"the undisturbed run should create {options.rows} contacts: {entry}")
        # The first round starts from nothing again, so that creating is killed too.
        twin.call("POST", "/_twin/reset")
        project.create(data, twin.base_url, LIMITS, sync=MAPPING)

        verdict, lost, broken, resent = measure.Verdict(), 0, [], []
        while kills < options.kills:
            number += 1
            write_model(data / "customers.csv", options.rows, number)
            this = Round(project, twin, number, options.rows)
            this.deliver(length, min(options.kills - kills, KILLS_PER_ROUND), chance, options.latency_ms / 1000)
            kills += this.kills
            lost += this.wrong()
            broken += this.torn
            resent += this.resent()
            print(f"round {number}: {this.kills} kills, resent after each: {this.resent()}", flush=True)

        final, _ = project.run()
    bound = BATCH * CONCURRENCY
    verdict.check(lost == 0, f"kill: {lost} rows lost or wrong after {kills} kills in {number} rounds of {options.rows:,} rows")
    verdict.check(not broken, f"kill: {len(broken)} torn states {broken[:3]}")
    verdict.check(max(resent, default=0) <= bound,
                  f"kill: at most {max(resent, default=0)} rows resent after a kill, {sum(resent) / max(len(resent), 1):.0f} "
                  f"on average (bound {bound}: {CONCURRENCY} requests of {BATCH})")
    verdict.check(final["unchanged"] == options.rows and final["created"] + final["updated"] == 0,
                  f"kill: the last run finds {final['unchanged']:,} rows unchanged")
    verdict.finish()


if __name__ == "__main__":
    main()
