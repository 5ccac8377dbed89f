"""Read many images with one process per core: in order, bounded in memory, whatever happens."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import multiprocessing
import os
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, cast

from backfill.errors import UsageError
from backfill.ocr.cache import ReadingCache
from backfill.ocr.engine import Engine, EngineParams
from backfill.ocr.failure import ImageFailure, Stage, UnreadableImage
from backfill.ocr.images import read_bytes
from backfill.ocr.reading import ImageReading, read_batch

Item = Path | bytes
Outcome = ImageReading | ImageFailure
EngineFactory = Callable[[], Engine]

WORKERS_MAX = 256
# Images that a worker reads together: Tesseract starts once for all of them.
BATCH_IMAGES = 6
# Batches handed to each worker ahead of the image that is awaited.
AHEAD = 2
ATTEMPTS = 2
PIPE_SECONDS = 0.05
PIPE_BYTES = 65_536


def default_workers() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_images(
    items: Iterable[Item],
    *,
    workers: int,
    engine_factory: EngineFactory,
    params: EngineParams | None = None,
    cache_folder: Path | None = None,
) -> Iterator[Outcome]:
    """Yield for each item, in order, its reading or why there is none.

    `engine_factory` is called once per process; it must be picklable and hashable by value
    (`EngineChoice`). Cached images cost no process. A worker that is killed takes nothing along:
    the images it held are read again, each in a process of its own, and only one that kills its
    process twice becomes a failure.

    Raises UsageError, PreflightError (before the first item), StorageError.
    """
    if not 1 <= workers <= WORKERS_MAX:
        raise UsageError(f"--workers must be from 1 to {WORKERS_MAX}, not {workers}.")
    params = params or EngineParams()
    engine = _engine(engine_factory)
    cache = ReadingCache(cache_folder, engine, params) if cache_folder else None
    return _read_ordered(iter(items), _Reader(workers, engine_factory, params), cache)


def _read_ordered(
    items: Iterator[Item], reader: _Reader, cache: ReadingCache | None
) -> Iterator[Outcome]:
    """Keep a window of items under way; yield its head as soon as that is done."""
    window: deque[Outcome | _Pending] = deque()
    try:
        for item in items:
            window.append(_begin(item, reader, cache))
            while len(window) > AHEAD * BATCH_IMAGES * reader.workers:
                yield _finish(window, reader, cache)
        while window:
            yield _finish(window, reader, cache)
    finally:
        reader.close()


def _begin(item: Item, reader: _Reader, cache: ReadingCache | None) -> Outcome | _Pending:
    try:
        data = item if isinstance(item, bytes) else read_bytes(item)
    except UnreadableImage as error:
        return error.failure
    if cache and (reading := cache.get(hashlib.sha256(data).hexdigest())):
        return reading
    return reader.submit(data)


def _finish(
    window: deque[Outcome | _Pending], reader: _Reader, cache: ReadingCache | None
) -> Outcome:
    head = window.popleft()
    if not isinstance(head, _Pending):
        return head
    try:
        outcome = reader.result(head)
    except BrokenProcessPool:
        reader.restart()
        outcome = reader.read_alone(head.data)
        for pending in window:
            if isinstance(pending, _Pending) and not pending.is_done:
                reader.submit_again(pending)
    if cache and isinstance(outcome, ImageReading):
        cache.put(outcome)
    return outcome


class _Batch:
    """Images that one worker reads together; `future` once they are under way."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.future: Future[list[Outcome]] | None = None


class _Pending:
    """An image and its place in a batch, with its bytes in case its process is killed."""

    def __init__(self, data: bytes, batch: _Batch) -> None:
        self.data = data
        self.put_into(batch)

    @property
    def is_done(self) -> bool:
        future = self.batch.future
        return future is not None and future.done() and future.exception() is None

    def put_into(self, batch: _Batch) -> None:
        self.batch = batch
        self.place = len(batch.data)
        batch.data.append(self.data)


class _Reader:
    """The processes, started when the first image needs one; one worker means this process."""

    def __init__(self, workers: int, factory: EngineFactory, params: EngineParams) -> None:
        self.workers = workers
        self._factory = factory
        self._params = params
        self._pool: ProcessPoolExecutor | None = None
        self._open = _Batch()
        self._started = 0

    @property
    def _batch_images(self) -> int:
        """Images of the next batch: one at first, so that a few images keep every worker busy."""
        return min(1 + self._started // self.workers, BATCH_IMAGES)

    def submit(self, data: bytes) -> _Pending:
        """Put an image into the open batch; start that when it is full."""
        pending = _Pending(data, self._open)
        if len(self._open.data) >= self._batch_images:
            self._start(self._open)
        return pending

    def submit_again(self, pending: _Pending) -> None:
        """Put an image whose process may have been killed into a new batch."""
        pending.put_into(self._open)
        if len(self._open.data) >= self._batch_images:
            self._start(self._open)

    def result(self, pending: _Pending) -> Outcome:
        """Wait for an image; a batch that waits for more images starts as it is."""
        if pending.batch.future is None:
            self._start(pending.batch)
        assert pending.batch.future is not None
        return pending.batch.future.result()[pending.place]

    def _start(self, batch: _Batch) -> None:
        self._started += 1
        if batch is self._open:
            self._open = _Batch()
        if self.workers == 1:
            batch.future = Future()
            batch.future.set_result(_read_batch(self._factory, batch.data, self._params))
            return
        self._pool = self._pool or _new_pool(self.workers)
        try:
            batch.future = self._pool.submit(_read_batch, self._factory, batch.data, self._params)
        except BrokenProcessPool:
            self.restart()
            self._pool = _new_pool(self.workers)
            batch.future = self._pool.submit(_read_batch, self._factory, batch.data, self._params)

    def read_alone(self, data: bytes) -> Outcome:
        """Read one image in a process of its own, where it can hurt no other."""
        for _ in range(ATTEMPTS):
            pool = _new_pool(1)
            try:
                alone = pool.submit(_read_batch, self._factory, [data], self._params)
                return alone.result()[0]
            except BrokenProcessPool:
                continue
            finally:
                _shut_down(pool)
        return ImageFailure(
            Stage.OCR,
            "worker_killed",
            f"The process that read the image was killed {ATTEMPTS} times.",
        )

    def restart(self) -> None:
        """Give the broken processes up; images of the open batch are submitted again."""
        self.close()
        self._pool = None
        self._open = _Batch()

    def close(self) -> None:
        if self._pool:
            _shut_down(self._pool)


def _new_pool(workers: int) -> ProcessPoolExecutor:
    # spawn: nothing of the parent (threads, connections, kernel) is copied into the workers.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _shut_down(pool: ProcessPoolExecutor) -> None:
    """End the pool's processes, also when one was killed while an image was on its way to it."""
    if sys.version_info[:3] < (3, 11, 5):
        _empty_pipe(cast(Any, pool))
    pool.shutdown(wait=True, cancel_futures=True)


def _empty_pipe(pool: Any) -> None:
    """Read what was meant for the processes of a broken pool, until its manager has ended.

    Python before 3.11.5 (Debian 12 has 3.11.2) would wait for ever to write to a pipe that no
    process reads any more: https://github.com/python/cpython/issues/94777
    """
    manager = pool._executor_manager_thread
    if not pool._broken or manager is None:
        return
    with contextlib.suppress(OSError):  # the pipe is closed: nobody writes to it
        pipe = os.dup(pool._call_queue._reader.fileno())
        try:
            while manager.is_alive():
                is_readable = bool(select.select([pipe], [], [], PIPE_SECONDS)[0])
                if is_readable and not os.read(pipe, PIPE_BYTES):
                    break
        finally:
            os.close(pipe)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@functools.lru_cache(maxsize=4)
def _engine(factory: EngineFactory) -> Engine:
    return factory()


def _read_batch(factory: EngineFactory, batch: list[bytes], params: EngineParams) -> list[Outcome]:
    return read_batch(batch, _engine(factory), params)
