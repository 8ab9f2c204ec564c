"""Makes a table with the official client, from JSON lines.

    python bigquery_load.py REST-PORT PROJECT DATASET.TABLE SCHEMA < ROWS

SCHEMA is `name:TYPE,…`. A table of the same name is replaced.
"""

import io
import sys

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

port, project, table, schema = sys.argv[1:]
client = bigquery.Client(
    project=project,
    credentials=AnonymousCredentials(),
    client_options=ClientOptions(api_endpoint=f"http://127.0.0.1:{port}"),
)
client.create_dataset(table.split(".")[0], exists_ok=True)
config = bigquery.LoadJobConfig(
    schema=[bigquery.SchemaField(*column.split(":")) for column in schema.split(",")],
    source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
    write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
)
rows = io.BytesIO(sys.stdin.buffer.read())
client.load_table_from_file(rows, f"{project}.{table}", job_config=config).result()
print(client.get_table(f"{project}.{table}").num_rows)
