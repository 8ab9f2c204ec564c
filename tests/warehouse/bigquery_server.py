"""Starts the emulator bqemulator without a network, and ends it when standard input closes.

    python bigquery_server.py REST-PORT GRPC-PORT PROJECT

The emulator downloads DuckDB's spatial and avro extensions when it starts and dies if it cannot. What
needs them (functions of GEOGRAPHY, Avro files) does not work here; all else does.

It also refuses to send messages larger than what it accepts for writing, while it packs 65,536 rows into
each: BigQuery sends up to 128 MB.
"""

import os
import sys
import threading

os.environ["BQEMU_WRITE_API_MAX_REQUEST_BYTES"] = str(120 << 20)

from bqemulator.cli import main
from bqemulator.storage import engine

for kind in list(vars(engine).values()):
    for name in ("_load_spatial", "_load_format_extensions"):
        if isinstance(kind, type) and name in vars(kind):
            setattr(kind, name, lambda self: None)


def end_with_input():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
rest, grpc, project = sys.argv[1:]
sys.argv = ["bqemulator", "start", "--rest-port", rest, "--grpc-port", grpc, "--project", project,
            "--ephemeral", "--log-level", "error"]
sys.exit(main())
