"""Read many images at once, wherever work runs: in order, bounded in memory, whatever happens."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backfill.ocr.engines.engine import Engine, PageEngine
from backfill.ocr.failure import ImageFailure, Stage, UnreadableImage
from backfill.ocr.reader.cache import ReadingCache
from backfill.ocr.reader.images import read_bytes
from backfill.ocr.screen.reading import ImageReading
from backfill.workers.executor import AHEAD, Executor, Work, WorkerKilled, local_executor

Item = Path | bytes
Outcome = ImageReading | ImageFailure
EngineFactory = Callable[[], Engine]

# Images that a worker reads together where that costs less: a command starts once for all of them.
# Others are read one by one, so that no worker has nothing to do while another has a heap.
BATCH_IMAGES = 16
# A batch is full when it holds so much, so that no piece of work weighs more than one large image.
BATCH_BYTES = 8 * 1024 * 1024


def read_images(
    items: Iterable[Item],
    *,
    workers: int = 1,
    engine_factory: EngineFactory,
    cache_folder: Path | None = None,
    executor: Executor | None = None,
) -> Iterator[Outcome]:
    """Yield for each item, in order, its reading or why there is none.

    `engine_factory` is called once per thread that reads; it must be picklable and hashable by
    value (`EngineChoice`). The work runs on `executor`, which stays open, else on `workers`
    processes of this machine. Cached images cost no work; the cache is read and written here,
    never by a worker. A worker that is killed takes nothing along: the images it held are read
    again, each alone, and only one that kills its worker again and again becomes a failure.

    Raises UsageError, PreflightError (before the first item), StorageError.
    """
    place: contextlib.AbstractContextManager[Executor] = (
        contextlib.nullcontext(executor)
        if executor
        else contextlib.closing(local_executor(workers))
    )
    engine = engine_here(engine_factory)
    cache = ReadingCache(cache_folder, engine) if cache_folder else None
    batch_images = BATCH_IMAGES if isinstance(engine, PageEngine) else 1
    return _read_ordered(iter(items), place, _Way(engine_factory, batch_images), cache)


def _read_ordered(
    items: Iterator[Item],
    place: contextlib.AbstractContextManager[Executor],
    way: _Way,
    cache: ReadingCache | None,
) -> Iterator[Outcome]:
    """Keep a window of items under way; yield its head as soon as that is done."""
    window: deque[Outcome | _Pending] = deque()
    with place as executor:
        reader = _Reader(executor, way)
        for item in items:
            window.append(_begin(item, reader, cache))
            while len(window) > AHEAD * BATCH_IMAGES * executor.workers:
                yield _finish(window.popleft(), reader, cache)
        reader.start_waiting()
        while window:
            yield _finish(window.popleft(), reader, cache)


def _begin(item: Item, reader: _Reader, cache: ReadingCache | None) -> Outcome | _Pending:
    try:
        data = item if isinstance(item, bytes) else read_bytes(item)
    except UnreadableImage as error:
        return error.failure
    sha256 = hashlib.sha256(data).hexdigest()
    if cache and (reading := cache.get(sha256)):
        return reading
    return reader.submit(item, data, sha256)


def _finish(head: Outcome | _Pending, reader: _Reader, cache: ReadingCache | None) -> Outcome:
    if not isinstance(head, _Pending):
        return head
    outcome = reader.result(head)
    if cache and isinstance(outcome, ImageReading):
        cache.put(outcome)
    return outcome


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image by its file and content: its worker reads it from a folder that it shares."""

    path: Path
    sha256: str


Picture = NamedImage | bytes


@dataclass(frozen=True, slots=True)
class _Way:
    """How images are read: by which engine, and how many of them in one go."""

    factory: EngineFactory
    batch_images: int


class _Batch:
    """Images that one worker reads together.

    `work` gives None when the worker does not see a file, or sees other bytes.
    """

    def __init__(self, work: Work[list[Outcome] | None]) -> None:
        self.work = work
        self.outcomes: list[Outcome] = []
        self.is_lost = False


@dataclass(slots=True)
class _Pending:
    """An image that is to be read; `item` leads to its bytes should they be needed again.

    It has a batch, and a place in that, once it is under way.
    """

    item: Item
    picture: Picture
    batch: _Batch | None = None
    place: int = 0

    @property
    def size_bytes(self) -> int:
        """What is to be sent to a worker."""
        return len(self.picture) if isinstance(self.picture, bytes) else 0


class _Reader:
    """Puts images into batches, and takes their outcomes out again.

    A file is named and not sent as long as every worker sees it: the first is asked about.
    """

    def __init__(self, executor: Executor, way: _Way) -> None:
        self._executor = executor
        self._way = way
        self._waiting: list[_Pending] = []  # for more images, until each worker has its share
        self._is_sending: bool | None = None

    def submit(self, item: Item, data: bytes, sha256: str) -> _Pending:
        """Let an image wait until there is a full batch for every worker."""
        pending = _Pending(item, self._picture(item, data, sha256))
        self._waiting.append(pending)
        workers = self._executor.workers
        size_bytes = sum(waiting.size_bytes for waiting in self._waiting)
        is_full = len(self._waiting) >= workers * self._way.batch_images
        if is_full or size_bytes >= workers * BATCH_BYTES:
            self.start_waiting()
        return pending

    def start_waiting(self) -> None:
        """Start what waits: a share for each worker, so that a few images keep them all busy."""
        waiting, self._waiting = self._waiting, []
        workers = self._executor.workers
        for first in range(min(workers, len(waiting))):
            self._start(waiting[first::workers])

    def result(self, pending: _Pending) -> Outcome:
        """Wait for an image; what waits for more images starts as it is."""
        if not pending.batch:
            self.start_waiting()
        batch = pending.batch
        assert batch
        if not batch.outcomes and not batch.is_lost:
            self._wait(batch)
        return self._read_alone(pending.item) if batch.is_lost else batch.outcomes[pending.place]

    def _picture(self, item: Item, data: bytes, sha256: str) -> Picture:
        if isinstance(item, bytes):
            return data
        named = NamedImage(item, sha256)
        if self._is_sending is None:
            self._is_sending = not self._executor.is_true_everywhere(sees, named)
        return data if self._is_sending else named

    def _start(self, images: list[_Pending]) -> None:
        pictures = [pending.picture for pending in images]
        way = self._way
        batch = _Batch(self._executor.submit(_read_batch, way.factory, pictures))
        for place, pending in enumerate(images):
            pending.batch, pending.place = batch, place

    def _wait(self, batch: _Batch) -> None:
        outcomes = None
        with contextlib.suppress(WorkerKilled):
            outcomes = batch.work.result()
            if outcomes is None:  # a worker that came later, and does not share the folder
                self._is_sending = True
        batch.outcomes, batch.is_lost = outcomes or [], outcomes is None

    def _read_alone(self, item: Item) -> Outcome:
        """Read one image where it can hurt no other."""
        try:
            data = item if isinstance(item, bytes) else read_bytes(item)
            outcomes = self._executor.alone(_read_batch, self._way.factory, [data])
        except UnreadableImage as error:
            return error.failure
        except WorkerKilled as error:
            return ImageFailure(
                Stage.OCR, "worker_killed", f"The process that read the image died: {error}."
            )
        assert outcomes is not None
        return outcomes[0]


def sees(named: NamedImage) -> bool:
    """Tell whether this process finds the image, with the same bytes."""
    return _bytes_of(named) is not None


def _bytes_of(picture: Picture) -> bytes | None:
    if isinstance(picture, bytes):
        return picture
    try:
        data = read_bytes(picture.path)
    except UnreadableImage:
        return None
    return data if hashlib.sha256(data).hexdigest() == picture.sha256 else None


_ENGINES = threading.local()  # an engine in process serves one thread at a time


def engine_here(factory: EngineFactory) -> Engine:
    """Return this thread's engine; raises UsageError, PreflightError."""
    if getattr(_ENGINES, "factory", None) != factory:
        _ENGINES.engine = factory()
        _ENGINES.factory = factory
    engine: Engine = _ENGINES.engine
    return engine


def _read_batch(factory: EngineFactory, pictures: Sequence[Picture]) -> list[Outcome] | None:
    import cv2

    from backfill.ocr.reader.image_reader import (
        read_batch,  # with it OpenCV, which a run itself lacks
    )

    cv2.setNumThreads(1)  # there is a worker for every core
    batch = [data for picture in pictures if (data := _bytes_of(picture)) is not None]
    if len(batch) < len(pictures):
        return None
    return read_batch(batch, engine_here(factory))
