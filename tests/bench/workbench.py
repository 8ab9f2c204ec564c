"""What the benchmark scripts share: where data is kept, and the mapping of the generated customers."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "setup"))

from harness import measure  # noqa: E402

# Destination field by column. Those HubSpot does not have are created by the first run.
FIELDS = {
    "email": "email",
    "first_name": "firstname",
    "last_name": "lastname",
    "city": "city",
    "country": "country",
    "segment": "customer_segment",
    "birth_date": "birth_date",
    "signed_up_at": "signed_up_at",
    "last_order_on": "last_order_on",
    "lifetime_value": "lifetime_value",
    "average_basket": "average_basket",
    "is_member": "is_member",
    "orders": "orders",
    "score": "customer_score",
}

SYNC = "customers"


HUBSPOT = "object: contacts\nmatch: email\ncreate_fields: true"


def mapping(fields=None, destination: str = HUBSPOT) -> str:
    """The mapping file: attributes by destination field (all 14 to HubSpot), and the destination's own keys."""
    fields = fields or {field: column for column, field in FIELDS.items()}
    lines = "".join(f"  {field}: {column}\n" for field, column in fields.items())
    return (
        f"sync: {SYNC}\nsource: files\nmodel: {{ table: customers }}\nkey: customer_id\n"
        f"destination: crm\n{destination}\nmode: upsert\nfields:\n{lines}"
    )


def folder() -> Path:
    """Where generated data and projects are kept."""
    path = Path(os.environ.get("OUTFLOW_BENCH_DIR", ROOT / "target" / "bench")).resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def customers(rows: int, changed: bool = False) -> Path:
    """A folder with `customers.parquet` of so many rows; made once."""
    path = folder() / f"customers-{rows}{'-changed' if changed else ''}"
    path.mkdir(exist_ok=True)
    if not (path / "customers.parquet").exists():
        print(f"writing {rows:,} customers{', 1 % changed,' if changed else ''} to {path}", flush=True)
        flags = ["--changed"] if changed else []
        measure.must([sys.executable, HERE / "customers.py", rows, path / "customers.parquet", *flags])
    return path
