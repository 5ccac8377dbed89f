"""Blocks of extracted rows, computed in order wherever work runs.

In this process a block stays what it is; elsewhere it travels as a compressed Arrow stream, both
ways, so that neither a worker nor the way there holds a Python object per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import pyarrow as pa

from backfill.errors import ClusterLost
from backfill.utc.compute import Computed, compute_utc
from backfill.utc.described import Columns
from backfill.utc.pairs import FoldOrder, Policy
from backfill.workers.executor import Executor, InThisProcess, Work, WorkerKilled, in_order

# Fast to write and to read, and a third of the size.
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def compute_blocks(
    blocks: Iterable[pa.Table],
    columns: Columns,
    policy: Policy,
    executor: Executor,
    order: FoldOrder | None = None,
) -> Iterator[Computed]:
    """Yield what is computed of each block: rows of `extracted`, in the order of the plan.

    Positions are those within a block. A bounded number of blocks is under way; one whose
    worker is killed is computed again, alone.

    Raises ClusterLost when a block kills its worker again and again.
    """
    if isinstance(executor, InThisProcess):
        for rows in blocks:
            yield compute_utc(rows, columns, policy, order)
            del rows  # before more are read
        return
    for computed, changes in in_order(executor, _pieces(blocks, columns, policy, executor, order)):
        yield replace(computed, changes=_unpacked(changes))


# A result without its changes, and the changes as bytes.
_Packed = tuple[Computed, bytes]


def _pieces(
    blocks: Iterable[pa.Table],
    columns: Columns,
    policy: Policy,
    executor: Executor,
    order: FoldOrder | None,
) -> Iterator[Callable[[], Work[_Packed]]]:
    position = 0
    for rows in blocks:
        yield partial(_Block, executor, position, _packed(rows), columns, policy, order)
        position += rows.num_rows


class _Block(Work[_Packed]):
    """A block under way, with all it takes to compute it again."""

    def __init__(self, executor: Executor, position: int, *arguments: object) -> None:
        """`position` is that of its first row among all."""
        self._executor = executor
        self._position = position
        self._arguments = arguments
        self._work = executor.submit(_compute, *arguments)

    def result(self) -> _Packed:
        try:
            return self._work.result()
        except WorkerKilled:
            pass
        try:
            return self._executor.alone(_compute, *self._arguments)
        except WorkerKilled as error:
            raise ClusterLost(
                f"The rows from position {self._position} on can not be computed: {error}. "
                "Look for what killed it (memory?) in the worker's log, and type the command again."
            ) from None


def _compute(rows: bytes, columns: Columns, policy: Policy, order: FoldOrder | None) -> _Packed:
    computed = compute_utc(_unpacked(rows), columns, policy, order)
    return replace(computed, changes=computed.changes.slice(0, 0)), _packed(computed.changes)


def _packed(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_OPTIONS) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


def _unpacked(content: bytes) -> pa.Table:
    return pa.ipc.open_stream(content).read_all()
