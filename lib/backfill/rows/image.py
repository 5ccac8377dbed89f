"""Before- and after-images of one chunk: a packed Arrow IPC stream under zstd, with its SHA-256.

It holds the rows that were really written, so that a revert needs the database only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pyarrow as pa

from backfill.errors import VerifyFailed
from backfill.next_command import next_command
from backfill.rows.image_packing import pack_rows, unpack_rows

#: What a stream under zstd begins with; images of earlier versions are bare streams.
_ZSTD = b"\x28\xb5\x2f\xfd"
#: An image is small: handing its columns to threads takes longer than compressing them.
_WRITING = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)


@dataclass(frozen=True, slots=True)
class Image:
    """What goes into `backfill.chunk_image`."""

    rows: int
    sha256: str
    content: bytes


def encode(written: pa.Table) -> Image:
    """Return the image of the rows that a chunk wrote; equal rows give equal bytes."""
    packed = pack_rows(written)
    sink = pa.BufferOutputStream()
    # Each column for itself, since its bytes are alike; then all, for what describes them.
    with pa.ipc.new_stream(sink, packed.schema, options=_WRITING) as stream:
        stream.write_table(packed)
    content = pa.Codec("zstd").compress(sink.getvalue(), asbytes=True)
    return Image(written.num_rows, hashlib.sha256(content).hexdigest(), content)


def decode(run_id: str, chunk_no: int, sha256: str, content: bytes) -> pa.Table:
    """Return the rows of an image; raise `VerifyFailed` when a byte of it was changed."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise VerifyFailed(
            f"The image of chunk {chunk_no} of run {run_id} is not the one that was written: its "
            f"SHA-256 does not match. See what else differs: "
            f"{next_command('verify', run_id)}"
        )
    if not content.startswith(_ZSTD):
        return pa.ipc.open_stream(pa.py_buffer(content), options=_READING).read_all()
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return unpack_rows(pa.ipc.open_stream(stream, options=_READING).read_all())
