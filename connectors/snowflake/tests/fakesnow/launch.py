"""Starts fakesnow with one fault of its own mended: a NULL timestamp is a struct of NULLs in fields that it
declares to have none, which is no valid Arrow. Snowflake marks the struct itself as NULL; so does this."""

import sys

import fakesnow.arrow
import fakesnow.cli
import pyarrow

unmasked = fakesnow.arrow.timestamp_to_sf_struct


def masked(timestamps):
    if isinstance(timestamps, pyarrow.ChunkedArray):
        timestamps = timestamps.combine_chunks()
    parts = unmasked(timestamps)
    fields = [parts.type.field(at) for at in range(parts.type.num_fields)]
    arrays = [parts.field(at) for at in range(len(fields))]
    return pyarrow.StructArray.from_arrays(arrays, fields=fields, mask=timestamps.is_null())


fakesnow.arrow.timestamp_to_sf_struct = masked
sys.exit(fakesnow.cli.main(sys.argv[1:]))
