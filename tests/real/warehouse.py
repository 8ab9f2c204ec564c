"""The warehouse: TPC-DS in DuckDB, and the model exported as Parquet and as SQLite."""

import importlib.util
import os
import sqlite3
import sys
from pathlib import Path

import duckdb

MODEL = (Path(__file__).resolve().parent / "model.sql").read_text(encoding="utf-8")

# Column types of the SQLite export: what a reader can know there, it knows from these.
SQLITE_TYPES = {
    "BIGINT": "BIGINT", "INTEGER": "INTEGER", "VARCHAR": "TEXT", "DATE": "DATE", "BOOLEAN": "BOOLEAN",
    "DECIMAL(18,2)": "DECIMAL(18,2)",
}


def generate(folder: Path, scale: float) -> duckdb.DuckDBPyConnection:
    """TPC-DS at a scale factor, made once and kept."""
    path = folder / f"tpcds-{scale:g}.duckdb"
    if not path.exists():
        spec = importlib.util.find_spec("duckdb_extension_tpcds")
        if spec is None or not spec.submodule_search_locations:
            sys.exit("the Python package duckdb-extension-tpcds is missing: run `make setup`")
        root = Path(next(iter(spec.submodule_search_locations)))
        extension = next(root.rglob("tpcds.duckdb_extension"))
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with duckdb.connect(str(partial)) as database:
            database.execute(f"LOAD '{extension}'")
            database.execute(f"CALL dsdgen(sf = {scale})")
        os.replace(partial, path)
    return duckdb.connect(str(path), read_only=True)


def model(database, cut: str):
    """The model's rows up to a day, as a DuckDB relation."""
    database.execute(f"SET VARIABLE cut = DATE '{cut}'")
    return database.sql(MODEL)


def export_parquet(database, cut: str, folder: Path) -> Path:
    """`customers.parquet` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "customers.parquet"
    model(database, cut).write_parquet(str(path), compression="zstd")
    return folder


def export_sqlite(database, cut: str, path: Path) -> Path:
    """A table `customers` in an SQLite database."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    rows = model(database, cut)
    columns = ", ".join(f"{name} {SQLITE_TYPES[str(kind)]}" for name, kind in zip(rows.columns, rows.types))
    marks = ", ".join("?" for _ in rows.columns)
    with sqlite3.connect(path) as out:
        out.execute(f"CREATE TABLE customers ({columns})")
        out.executemany(f"INSERT INTO customers VALUES ({marks})", (tuple(map(_plain, row)) for row in rows.fetchall()))
    out.close()
    return path


def _plain(value):
    """A value as SQLite takes it: dates and decimals as text, to which the column's affinity applies."""
    return value if value is None or isinstance(value, (int, str)) else str(value)
