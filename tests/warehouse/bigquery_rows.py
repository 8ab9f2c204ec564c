"""Prints the rows of a query as the official client has them: JSON, every cell as text.

    python bigquery_rows.py REST-PORT PROJECT SQL
"""

import datetime
import json
import sys

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

port, project, sql = sys.argv[1:]
client = bigquery.Client(
    project=project,
    credentials=AnonymousCredentials(),
    client_options=ClientOptions(api_endpoint=f"http://127.0.0.1:{port}"),
)


def text(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, list):
        return "[" + ", ".join(text(item) for item in value) + "]"
    return str(value)


rows = [[text(cell) for cell in row.values()] for row in client.query(sql).result()]
json.dump(rows, sys.stdout, ensure_ascii=False)
