"""Plays the S3 side of UNLOAD: a server of its own (moto) and the files that Redshift would write there.

    python bucket.py

Prints its port, then answers each line of JSON on standard input with one on standard output, and ends with
its input. Parquet is written by pyarrow, in the types Redshift's documentation names; the manifest is as
that documentation shows it, with lengths of columns that have no name and make it no JSON.
"""

import datetime
import decimal
import io
import json
import os
import sys

os.environ.update(AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any", AWS_DEFAULT_REGION="eu-west-1")

import boto3
import pyarrow
import pyarrow.csv
import pyarrow.parquet
from moto.server import ThreadedMotoServer

TYPES = {
    "smallint": (pyarrow.int16(), int),
    "integer": (pyarrow.int32(), int),
    "bigint": (pyarrow.int64(), int),
    "real": (pyarrow.float32(), float),
    "double precision": (pyarrow.float64(), float),
    "boolean": (pyarrow.bool_(), "t".__eq__),
    "date": (pyarrow.date32(), datetime.date.fromisoformat),
    "timestamp without time zone": (pyarrow.timestamp("us"), datetime.datetime.fromisoformat),
    "timestamp with time zone": (pyarrow.timestamp("us", "UTC"), datetime.datetime.fromisoformat),
}


def type_of(name):
    if name.startswith("numeric("):
        precision, scale = name[8:-1].split(",")
        return pyarrow.decimal128(int(precision), int(scale)), decimal.Decimal
    return TYPES.get(name, (pyarrow.string(), str))


def table(columns, path):
    """The rows of a CSV file in which every value is quoted and NULL is nothing."""
    names = [name for name, _ in columns]
    if os.path.getsize(path) == 0:
        texts = [[] for _ in columns]
    else:
        read = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(column_names=names),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pyarrow.string() for name in names},
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
        texts = [column.to_pylist() for column in read.columns]
    arrays = []
    for (_, declared), cells in zip(columns, texts):
        kind, convert = type_of(declared)
        arrays.append(pyarrow.array([None if cell is None else convert(cell) for cell in cells], kind))
    return pyarrow.table(arrays, names=names)


def unload(client, bucket, folder, columns, path, fault):
    rows = table(columns, path)
    entries = []
    size = -(-rows.num_rows // 3)
    for number in range(3 if rows.num_rows else 0):
        part = rows.slice(number * size, size)
        content = io.BytesIO()
        # Some versions write instants in the old way.
        pyarrow.parquet.write_table(
            part, content, version="1.0", compression="snappy",
            use_deprecated_int96_timestamps=number == 0,
        )
        content = content.getvalue()
        count, length = part.num_rows, len(content)
        key = f"{folder}/{number:04}_part_00.parquet"
        if number == 1:
            if fault == "wrong count":
                count += 1
            elif fault == "truncated file":
                content = content[:-1]
            elif fault == "damaged end":
                content = content[:-12] + bytes(12)
            elif fault == "other columns":
                other = io.BytesIO()
                pyarrow.parquet.write_table(part.rename_columns([f"x{at}" for at, _ in enumerate(columns)]), other)
                content, length = other.getvalue(), len(other.getvalue())
        if not (fault == "missing file" and number == 1):
            client.put_object(Bucket=bucket, Key=key, Body=content)
        entries.append({"url": f"s3://{bucket}/{key}", "meta": {"content_length": length, "record_count": count}})
    # A file of somebody else that lies beside them is none of the read.
    if fault == "foreign file":
        content = io.BytesIO()
        pyarrow.parquet.write_table(rows, content)
        client.put_object(Bucket=bucket, Key=f"{folder}/0009_part_00.parquet", Body=content.getvalue())
    elements = ", ".join(f'{{"name": {json.dumps(name)}, "type": {{ "base": "character varying", 25 }}}}' for name, _ in columns)
    sums = {
        "content_length": sum(entry["meta"]["content_length"] for entry in entries),
        "record_count": sum(entry["meta"]["record_count"] for entry in entries),
    }
    manifest = (f'{{\n  "entries": {json.dumps(entries)},\n  "schema": {{ "elements": [{elements}] }},\n'
                f'  "meta": {json.dumps(sums)},\n  "author": {{ "name": "Amazon Redshift", "version": "1.0.0" }}\n}}\n')
    if fault == "cut manifest":
        manifest = manifest[:-4]
    if fault != "missing manifest":
        client.put_object(Bucket=bucket, Key=f"{folder}/manifest", Body=manifest.encode())
    return rows.num_rows


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
print(port, flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "bucket":
        client.create_bucket(Bucket=asked["bucket"], CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        answer = True
    elif asked["do"] == "list":
        listed = client.list_objects_v2(Bucket=asked["bucket"])
        answer = [entry["Key"] for entry in listed.get("Contents", [])]
    else:
        answer = unload(client, asked["bucket"], asked["folder"], asked["columns"], asked["path"], asked["fault"])
    print(json.dumps(answer), flush=True)
