"""Writes the customers of the diff and delivery benchmarks to Parquet: 15 columns, deterministic.

    customers.py ROWS OUT.parquet [--changed]

`--changed` writes the same rows with exactly one in a hundred changed, in one to three columns.
Row groups of about 100,000 rows, Snappy. Needs DuckDB.
"""

import argparse
import os
import sys

import duckdb

FIRST = (
    "Ada Alma Amir Anna Ben Björn Carla Chen Chloé Daniel Dóra Elif Emil Emma Eva Farid Fatima Finn "
    "Grace Hana Hugo Ida Igor Inès Jakob Jana João Jonas Kai Lea Léon Lina Luca Maja Marta Mateo Mia "
    "Nadia Noah Nora Olga Omar Oskar Paula Priya Rafael Rosa Samir Sara Sofía Theo Tom Uma Vera Yara Zoë"
).split()
LAST = (
    "Andersson Bauer Bianchi Castro Cohen Costa Dubois Díaz Eriksson Fischer Fontana García Haddad "
    "Hansen Horvat Ivanova Jansen Johnson Kaya Keller Khan Kovács Kowalski Lefèvre Li López Martin "
    "Meyer Moreau Müller Nguyen Novák O'Brien Okafor Olsen Patel Petrov Popescu Ricci Rossi Sato "
    "Schmidt Silva Singh Smith Svoboda Szabó Tanaka Varga Virtanen Wagner Weber Yılmaz Zhang"
).split()
CITIES = (
    "Amsterdam|Athens|Barcelona|Berlin|Bologna|Brno|Brussels|Budapest|Copenhagen|Dublin|Gdańsk|Genoa|"
    "Ghent|Graz|Hamburg|Helsinki|Kraków|København|Leipzig|Lisbon|Ljubljana|London|Lyon|Madrid|Malmö|"
    "Milan|Munich|Málaga|Nantes|Oslo|Paris|Porto|Prague|Riga|Rome|San Sebastián|Sofia|Stockholm|"
    "Tallinn|The Hague|Turin|Utrecht|Vienna|Vilnius|Warsaw|Zagreb|Zürich"
).split("|")
COUNTRIES = "AT BE CH CZ DE DK EE ES FI FR GB GR HR HU IE IT LT LV NL NO PL PT RO SE SI SK".split()
SEGMENTS = ["new", "occasional", "regular", "loyal", "at risk", "lost"]

# Every column but the key, in order, with what a changed value is; the e-mail stays, for it is the match.
COLUMNS = {
    "email": None,
    "first_name": "first_name || 'a'",
    "last_name": "last_name || '-Weber'",
    "city": "coalesce(city, '') || ' Nord'",
    "country": "CASE WHEN country = 'XK' THEN 'ME' ELSE 'XK' END",
    "segment": "coalesce(segment, 'none') || ' (reviewed)'",
    "birth_date": "coalesce(birth_date + 1, DATE '1970-01-01')",
    "signed_up_at": "signed_up_at + INTERVAL 1 MINUTE",
    "last_order_on": "coalesce(last_order_on + 1, DATE '2026-01-01')",
    "lifetime_value": "(lifetime_value + 12.5)::DECIMAL(12,2)",
    "average_basket": "(coalesce(average_basket, 0) + 0.25)::DECIMAL(10,4)",
    "is_member": "coalesce(NOT is_member, true)",
    "orders": "(orders + 1)::INTEGER",
    "score": "(coalesce(score, 0) + 1)::SMALLINT",
}


def literal(items) -> str:
    """A SQL list of texts."""
    return "[" + ", ".join("'" + item.replace("'", "''") + "'" for item in items) + "]"


def select(rows: int, changed: bool) -> str:
    """The query whose rows are the customers."""

    def number(name: str, below: int) -> str:
        return f"(hash(i, '{name}') % {below})::BIGINT"

    def pick(name: str, items) -> str:
        return f"({literal(items)})[1 + {number(name, len(items))}]"

    def sometimes(name: str, percent_null: int, value: str) -> str:
        return f"CASE WHEN {number(name + '?', 100)} >= {percent_null} THEN {value} END"

    base = f"""
    SELECT i AS customer_id,
           'c' || i || '@' || {pick('domain', ['example.com', 'example.org', 'mail.example.net'])} AS email,
           {pick('first', FIRST)} AS first_name,
           {pick('last', LAST)} AS last_name,
           {sometimes('city', 3, pick('city', CITIES))} AS city,
           {pick('country', COUNTRIES)} AS country,
           {sometimes('segment', 10, pick('segment', SEGMENTS))} AS segment,
           {sometimes('birth', 8, f"DATE '1935-01-01' + {number('birth', 27000)}::INTEGER")} AS birth_date,
           TIMESTAMP '2015-01-01' + to_seconds({number('signed', 350_000_000)}) AS signed_up_at,
           {sometimes('ordered', 20, f"DATE '2023-01-01' + {number('ordered', 1000)}::INTEGER")} AS last_order_on,
           ({number('value', 1_500_000)} / 100)::DECIMAL(12,2) AS lifetime_value,
           {sometimes('basket', 20, f"({number('basket', 4_000_000)} / 10000)::DECIMAL(10,4)")} AS average_basket,
           {sometimes('member', 5, f"{number('member', 3)} = 0")} AS is_member,
           {number('orders', 240)}::INTEGER AS orders,
           {sometimes('score', 15, f"({number('score', 1000)} - 200)::SMALLINT")} AS score
    FROM range(1, {rows + 1}) AS rows(i)"""
    if not changed:
        return base

    # Which columns change: the first, fifth and ninth after a start of the row's own.
    touchable = [name for name, new in COLUMNS.items() if new]
    columns = ["customer_id"]
    for name, new in COLUMNS.items():
        if new is None:
            columns.append(name)
            continue
        place = touchable.index(name)
        distance = f"(({place} - start) % {len(touchable)} + {len(touchable)}) % {len(touchable)}"
        chosen = f"touched AND ({distance}) % 4 = 0 AND ({distance}) // 4 < many"
        columns.append(f"CASE WHEN {chosen} THEN {new} ELSE {name} END AS {name}")
    return f"""
    SELECT {', '.join(columns)} FROM (
        SELECT *, customer_id % 100 = 37 AS touched,
               1 + (customer_id // 100) % 3 AS many,
               (hash(customer_id, 'start') % {len(touchable)})::BIGINT AS start
        FROM ({base}))"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=int)
    parser.add_argument("out")
    parser.add_argument("--changed", action="store_true")
    options = parser.parse_args()
    if options.rows < 100 or options.rows % 100:
        sys.exit("ROWS must be a multiple of 100, so that exactly 1 % can change")
    partial = options.out + ".partial"
    duckdb.connect().execute(
        f"COPY ({select(options.rows, options.changed)}) TO '{partial}' "
        "(FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 102400)"
    )
    os.replace(partial, options.out)


if __name__ == "__main__":
    main()
