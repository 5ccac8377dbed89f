"""Before- and after-images of one chunk: an Arrow IPC stream, zstd inside, with its SHA-256.

Anything that reads Arrow reads an image. It holds the rows that were really written, so that a
revert needs the database only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pyarrow as pa

from backfill.errors import VerifyFailed

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


@dataclass(frozen=True, slots=True)
class Image:
    """What goes into `backfill.chunk_image`."""

    rows: int
    sha256: str
    content: bytes


def encode(written: pa.Table) -> Image:
    """Return the image of the rows that a chunk wrote; equal rows give equal bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, written.schema, options=_OPTIONS) as stream:
        stream.write_table(written.combine_chunks())
    content = sink.getvalue().to_pybytes()
    return Image(written.num_rows, hashlib.sha256(content).hexdigest(), content)


def decode(run_id: str, chunk_no: int, sha256: str, content: bytes) -> pa.Table:
    """Return the rows of an image; raise `VerifyFailed` when a byte of it was changed."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise VerifyFailed(
            f"The image of chunk {chunk_no} of run {run_id} is not the one that was written: its "
            f"SHA-256 does not match. See what else differs: backfill verify {run_id}"
        )
    return pa.ipc.open_stream(pa.py_buffer(content)).read_all()
