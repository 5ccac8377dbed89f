"""Screenshots become readings: the committed set by the real Tesseract, and everything amiss."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import pytest
from PIL import Image

from backfill.errors import PreflightError, UsageError
from backfill.ocr.day.aggregate import aggregate_images, without_worse_twins
from backfill.ocr.engines.engine import Engine, EngineFailure, EngineParams, TwoReaders
from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.failure import ImageFailure, Stage
from backfill.ocr.ink.masks import Pixels
from backfill.ocr.reader.pool import BATCH_IMAGES, Item, Outcome, read_images
from backfill.ocr.screen.reading import ImageReading, reading_of_json
from backfill.ocr.text.dates import resolve_session_date
from backfill.ocr.text.noise import plain
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.words import Word
from backfill.workers.executor import InThisProcess, Work
from backfill_lab.demo.stored import StoredSession, stored_sessions

from .screens import read_image

T = TypeVar("T")
SESSIONS = stored_sessions()
WORKERS = 2


@dataclass(frozen=True, slots=True)
class FakeEngine:
    """An engine that does one thing to every image."""

    act: str
    name: str = "fake"
    version: str = "1"
    language_hash: str = "0"

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        if self.act == "fail":
            raise EngineFailure("Tesseract stopped with status 134")
        if self.act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return []


@dataclass(frozen=True, slots=True)
class FakeCommand(FakeEngine):
    """An engine to which several pages in one go cost less."""

    def pages(self, images: Sequence[Pixels], params: EngineParams) -> list[list[Word]]:
        return [self.words(image, params) for image in images]


class SecondReader:
    """A second reader that is never asked."""

    def lines(self, images: Sequence[Pixels]) -> list[str]:
        raise AssertionError(images)


@dataclass(frozen=True, slots=True)
class CommandChoice:
    """Makes a `FakeCommand`, in a worker process too."""

    def __call__(self) -> Engine:
        return FakeCommand("nothing")


@dataclass(frozen=True, slots=True)
class TwoReadersChoice:
    """Sets a second reader beside the engine that another choice makes."""

    first: CommandChoice | FakeChoice

    def __call__(self) -> Engine:
        return TwoReaders(self.first(), SecondReader().lines, "1")


@dataclass(frozen=True, slots=True)
class FakeChoice:
    """Makes a `FakeEngine`, in a worker process too."""

    act: str

    def __call__(self) -> Engine:
        return FakeEngine(self.act)


@dataclass(frozen=True, slots=True)
class DyingOnSecond:
    """An engine factory whose engine kills its process the first time it sees a wide image."""

    marker: str

    def __call__(self) -> Engine:
        return DyingOnce(self.marker)


@dataclass(frozen=True, slots=True)
class DyingOnce:
    marker: str
    name: str = "dying"
    version: str = "1"
    language_hash: str = "0"

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        try:
            Path(self.marker).touch(exist_ok=False)
        except FileExistsError:
            return []
        os.kill(os.getpid(), signal.SIGKILL)
        return []


def _image(session: StoredSession, index: int = 0) -> bytes:
    return session.images[index].read_bytes()


def _small_image() -> bytes:
    """An image for what asks how many there are, not what is on them."""
    buffer = io.BytesIO()
    Image.new("RGB", (120, 240), "white").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def outcomes(readings: Path) -> dict[Path, Outcome]:
    """The committed set, read once by the real Tesseract in two processes."""
    paths = [path for session in SESSIONS for path in session.images]
    read = read_images(paths, workers=WORKERS, engine_factory=EngineChoice(), cache_folder=readings)
    return dict(zip(paths, read, strict=True))


def _readings(session: StoredSession, outcomes: dict[Path, Outcome]) -> list[ImageReading]:
    readings = [outcomes[path] for path in session.images]
    assert all(isinstance(reading, ImageReading) for reading in readings), readings
    return [reading for reading in readings if isinstance(reading, ImageReading)]


@pytest.mark.ocr
@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: str(session.name))
def test_the_date_of_a_committed_session_is_read(
    session: StoredSession, outcomes: dict[Path, Outcome]
) -> None:
    dates = tuple(reading.date for reading in _readings(session, outcomes))

    resolved = resolve_session_date(dates, session.date + dt.timedelta(days=3))

    assert resolved.date == session.date
    assert resolved.warnings == ()


@pytest.mark.ocr
@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: str(session.name))
def test_the_shifts_of_a_committed_session_are_read(
    session: StoredSession, outcomes: dict[Path, Outcome]
) -> None:
    images = without_worse_twins(tuple(r.entries for r in _readings(session, outcomes)))

    day = aggregate_images([[normalise_entry(entry) for entry in entries] for entries in images])

    found = [
        (
            s.start,
            s.end,
            s.customer_name,
            s.street,
            s.city,
            s.shift_type,
            plain(s.raw_type_label),
        )
        for s in day.shifts
    ]
    assert found == [
        (
            shift["start"], shift["end"], shift["customer"], shift["street"], shift["city"],
            shift["type"], plain(shift["label"]),
        )
        for shift in session.shifts
    ]  # fmt: skip


@pytest.mark.ocr
def test_every_card_of_the_committed_set_passes_its_checks(outcomes: dict[Path, Outcome]) -> None:
    flags = {
        (path.name, entry.title): entry.flags
        for path, reading in outcomes.items()
        if isinstance(reading, ImageReading)
        for entry in reading.entries
        if set(entry.flags) - {"cut_off"}
    }

    assert len(flags) <= 3, flags


@pytest.mark.ocr
def test_boxes_and_confidences_are_kept_in_pixels_of_the_image(
    outcomes: dict[Path, Outcome],
) -> None:
    for reading in outcomes.values():
        assert isinstance(reading, ImageReading)
        for entry in reading.entries:
            assert entry.words
            for word in entry.words:
                assert 0 <= word.left < word.right <= reading.width + 8
                assert 0 <= word.top < word.bottom <= reading.height
                assert 0 <= word.confidence <= 100


@pytest.mark.ocr
def test_any_number_of_workers_reads_the_same_bytes() -> None:
    paths = [SESSIONS[0].images[0], SESSIONS[5].images[0], SESSIONS[0].images[0]]
    texts = []
    for workers in (1, 3):
        read = list(read_images(paths, workers=workers, engine_factory=EngineChoice()))
        values = [r.as_json() for r in read if isinstance(r, ImageReading)]
        assert len(values) == len(paths)
        texts.append(json.dumps([{**value, "ocr_ms": 0} for value in values]))

    assert texts[0] == texts[1]


@pytest.mark.ocr
def test_a_reading_survives_json(outcomes: dict[Path, Outcome]) -> None:
    for reading in outcomes.values():
        assert isinstance(reading, ImageReading)
        assert reading_of_json(json.loads(json.dumps(reading.as_json()))) == reading


@pytest.mark.ocr
@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (828, 1792), "white"),
        Image.new("L", (1, 1)),
        Image.effect_noise((300, 500), 60),
    ],
    ids=["blank", "one pixel", "noise"],
)  # fmt: skip
def test_a_picture_without_text_gives_no_entries(picture: Image.Image) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")

    reading = read_image(buffer.getvalue(), EngineChoice()())

    assert reading.entries == ()
    assert reading.date is None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_engine_fails_each_image_at_stage_ocr(workers: int) -> None:
    image = _image(SESSIONS[0])

    failures = list(read_images([image] * 3, workers=workers, engine_factory=FakeChoice("fail")))

    assert (
        failures == [ImageFailure(Stage.OCR, "ocr_failed", "Tesseract stopped with status 134")] * 3
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_files_fail_and_the_others_are_read_in_order(tmp_path: Path, workers: int) -> None:
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    items: list[Item] = [
        _image(SESSIONS[0]),
        b"",
        tmp_path / "text.png",
        tmp_path / "gone.png",
        b"x",
    ]
    items.append(_image(SESSIONS[1]))

    read = list(read_images(items, workers=workers, engine_factory=FakeChoice("nothing")))

    assert isinstance(read[0], ImageReading) and isinstance(read[-1], ImageReading)
    kinds = [outcome.kind for outcome in read[1:-1] if isinstance(outcome, ImageFailure)]
    assert kinds == ["empty_file", "not_an_image", "unreadable_file", "not_an_image"]


@pytest.mark.kill
def test_an_image_that_kills_every_process_fails_alone() -> None:
    read = list(read_images([_image(SESSIONS[0])], workers=2, engine_factory=FakeChoice("die")))

    assert [outcome.kind for outcome in read if isinstance(outcome, ImageFailure)] == [
        "worker_killed"
    ]


@pytest.mark.kill
def test_a_killed_worker_costs_no_image(tmp_path: Path) -> None:
    images = [_image(session) for session in SESSIONS[:4]]
    factory = DyingOnSecond(str(tmp_path / "killed-once"))

    read = list(read_images(images, workers=2, engine_factory=factory))

    assert (tmp_path / "killed-once").exists()
    assert [isinstance(outcome, ImageReading) for outcome in read] == [True] * 4


def test_cached_images_need_no_engine(tmp_path: Path) -> None:
    image = _image(SESSIONS[0])
    choice = FakeChoice("nothing")
    first = list(read_images([image], workers=1, engine_factory=choice, cache_folder=tmp_path))

    again = list(read_images([image], workers=2, engine_factory=choice, cache_folder=tmp_path))

    assert first == again
    assert isinstance(again[0], ImageReading) and again[0].is_cached


def test_failures_are_never_cached(tmp_path: Path) -> None:
    image = _image(SESSIONS[0])

    list(read_images([image], workers=1, engine_factory=FakeChoice("fail"), cache_folder=tmp_path))

    assert list(tmp_path.rglob("*.json")) == []


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken: list[int] = []
    image = _small_image()

    def many() -> Iterator[bytes]:
        for number in range(1000):
            taken.append(number)
            yield image

    read = read_images(many(), workers=1, engine_factory=FakeChoice("nothing"))
    next(read)

    # Two batches ahead of the one that is awaited.
    assert len(taken) <= 2 * BATCH_IMAGES + 1
    assert isinstance(read, Generator)
    read.close()


class Noting(InThisProcess):
    """Says that it has more workers; notes how many images each piece of work has."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.images: list[int] = []

    def submit(self, function: Callable[..., T], *arguments: object) -> Work[T]:
        self.images.append(len(cast(Sequence[object], arguments[1])))
        return super().submit(function, *arguments)


@pytest.mark.parametrize("choice", [CommandChoice(), TwoReadersChoice(CommandChoice())])
def test_batches_are_full_and_the_last_images_shared_by_all_workers(
    choice: Callable[[], Engine],
) -> None:
    executor = Noting(2)
    images = [_small_image()] * (2 * BATCH_IMAGES + 4)

    read = list(read_images(images, engine_factory=choice, executor=executor))

    assert len(read) == len(images)
    assert executor.images == [BATCH_IMAGES, BATCH_IMAGES, 2, 2]


@pytest.mark.parametrize("choice", [FakeChoice("nothing"), TwoReadersChoice(FakeChoice("nothing"))])
def test_images_that_cost_the_same_one_by_one_are_a_piece_each(
    choice: Callable[[], Engine],
) -> None:
    executor = Noting(2)

    read = list(read_images([_small_image()] * 7, engine_factory=choice, executor=executor))

    assert len(read) == 7
    assert executor.images == [1] * 7


def test_fewer_images_than_workers_are_a_piece_each() -> None:
    executor = Noting(8)
    images = [_small_image()] * 3

    list(read_images(images, engine_factory=CommandChoice(), executor=executor))

    assert executor.images == [1, 1, 1]


@pytest.mark.parametrize("workers", [0, -1, 1000])
def test_a_number_of_workers_out_of_bounds_is_a_usage_error(workers: int) -> None:
    with pytest.raises(UsageError, match="--workers"):
        read_images([], workers=workers, engine_factory=FakeChoice("nothing"))


@pytest.mark.ocr
def test_what_is_not_installed_is_told_before_the_first_image() -> None:
    with pytest.raises(PreflightError, match="tesseract-ocr-fin"):
        read_images([], workers=1, engine_factory=EngineChoice(language="fi"))
