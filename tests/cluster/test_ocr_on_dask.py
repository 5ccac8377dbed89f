"""Screenshots read on a Dask cluster: the same readings, whatever happens to a worker."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PIL import Image
from tests.cluster.conftest import wait_for
from tests.cluster.dask_cluster import DaskCluster
from tests.cluster.engines import DyingAtPicture, Quiet, Waiting, same_everywhere
from tests.jobs.conftest import ocr_from  # noqa: F401  (fixtures)
from tests.jobs.ocr_bench import OcrBench, load_three, take

from backfill.ocr.engines.engine import EngineParams, Pixels
from backfill.ocr.failure import ImageFailure
from backfill.ocr.reader.pool import read_images
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.words import Word
from backfill.workers.cluster import open_executor
from backfill.workers.executor import Executor, Work
from backfill_lab.demo.stored import stored_sessions

pytestmark = pytest.mark.cluster

T = TypeVar("T")
PATHS = [path for session in stored_sessions() for path in session.images][:8]
OcrFrom = Callable[[str, Callable[[str], None]], OcrBench]


class Watched:
    """An executor that counts what is done alone, and may lie about what workers see."""

    def __init__(self, executor: Executor, *, claims_sight: bool = False) -> None:
        self._executor = executor
        self._claims_sight = claims_sight
        self.alone_count = 0
        self.sight: list[bool] = []

    @property
    def workers(self) -> int:
        return self._executor.workers

    def is_true_everywhere(self, question: Callable[..., bool], /, *arguments: object) -> bool:
        self.sight.append(self._executor.is_true_everywhere(question, *arguments))
        return self._claims_sight or self.sight[-1]

    def submit(self, function: Callable[..., T], *arguments: object) -> Work[T]:
        return self._executor.submit(function, *arguments)

    def alone(self, function: Callable[..., T], *arguments: object) -> T:
        self.alone_count += 1
        return self._executor.alone(function, *arguments)

    def close(self) -> None:
        self._executor.close()


@pytest.mark.ocr
@pytest.mark.slow
def test_plan_and_session_files_are_the_same_bytes_whoever_reads(
    cluster: DaskCluster,
    ocr_from: OcrFrom,  # noqa: F811
    tmp_path: Path,
) -> None:
    bench = ocr_from("three", load_three)
    places: list[dict[str, Any]] = [
        {"workers": 1},
        {"workers": 2},
        {"scheduler": cluster.address},
    ]

    found = []
    for number, place in enumerate(places):
        book = take(bench, **place, cache_dir=str(tmp_path / f"cache-{number}"))
        folder = bench.folder(book.run_id)
        sessions = {
            path.name: _without_clock(json.loads(path.read_text()))
            for path in sorted(folder.path.glob("sessions/*.json"))
        }
        found.append((folder.file("changes.parquet").read_bytes(), sessions))

    assert len(found[0][1]) == 3
    assert found[0] == found[1]
    assert found[0] == found[2]


def _without_clock(value: Any) -> Any:
    """Drop what differs between any two runs: its id, and how long an image took."""
    if isinstance(value, dict):
        others = {key: part for key, part in value.items() if key not in ("run_id", "ocr_ms")}
        return {key: _without_clock(part) for key, part in others.items()}
    return [_without_clock(part) for part in value] if isinstance(value, list) else value


@pytest.mark.kill
@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_its_work_costs_no_image(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    def kill_worker() -> None:
        os.kill(int(wait_for(tmp_path / "begun")), signal.SIGKILL)
        (tmp_path / "go_on").touch()

    killer = threading.Thread(target=kill_worker)
    killer.start()
    with open_executor(cluster.address, 0, same_everywhere) as executor:
        read = list(read_images(PATHS, engine_factory=Waiting(str(tmp_path)), executor=executor))
    killer.join()

    assert (tmp_path / "go_on").exists()
    assert [isinstance(outcome, ImageReading) for outcome in read] == [True] * len(PATHS)
    assert len({outcome.sha256 for outcome in read if isinstance(outcome, ImageReading)}) == len(
        PATHS
    )


@pytest.mark.kill
@pytest.mark.slow
def test_an_image_that_kills_every_worker_fails_and_no_other_does(
    cluster: DaskCluster,
) -> None:
    cluster.wait_for_workers(2)
    widths = [_widths(path) for path in PATHS[:3]]
    assert widths[1][0] not in (*widths[0], *widths[2])
    deadly = DyingAtPicture(widths[1][0])

    with open_executor(cluster.address, 0, same_everywhere) as executor:
        read = list(read_images(PATHS[:3], engine_factory=deadly, executor=executor))

    assert [type(outcome) for outcome in read] == [ImageReading, ImageFailure, ImageReading]
    assert isinstance(read[1], ImageFailure)
    assert (read[1].stage.value, read[1].kind) == ("ocr", "worker_killed")
    assert "killed 2 times" in read[1].message


def _widths(path: Path) -> list[int]:
    """Return how wide the pictures are that the engine gets of an image."""
    widths = []

    class Measuring(Quiet):
        def __call__(self) -> Measuring:
            return self

        def words(self, image: Pixels, params: EngineParams) -> list[Word]:
            widths.append(image.shape[1])
            return []

    list(read_images([path], engine_factory=Measuring()))
    return widths


def test_images_are_sent_along_when_the_workers_do_not_see_the_folder(
    cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the workers' own folder is another
    for number in (0, 1):
        Path(f"{number}.png").write_bytes(PATHS[number].read_bytes())
    (cluster.folder / "1.png").write_bytes(b"another picture of that name")

    with open_executor(cluster.address, 0, same_everywhere) as executor:
        watched = Watched(executor)
        read = list(
            read_images([Path("1.png"), Path("0.png")], engine_factory=Quiet(), executor=watched)
        )

    assert watched.sight == [False]
    assert watched.alone_count == 0
    assert [isinstance(outcome, ImageReading) for outcome in read] == [True, True]


def test_a_large_image_is_sent_without_a_warning(cluster: DaskCluster) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 2000), "white").save(buffer, "BMP")
    assert len(buffer.getvalue()) > 11_000_000

    with open_executor(cluster.address, 0, same_everywhere) as executor:
        (read,) = read_images([buffer.getvalue()], engine_factory=Quiet(), executor=executor)

    assert isinstance(read, ImageReading)


def test_a_shared_folder_is_read_by_the_workers(cluster: DaskCluster) -> None:
    with open_executor(cluster.address, 0, same_everywhere) as executor:
        watched = Watched(executor)
        read = list(read_images(PATHS[:2], engine_factory=Quiet(), executor=watched))

    assert watched.sight == [True]
    assert [isinstance(outcome, ImageReading) for outcome in read] == [True, True]


def test_a_worker_that_came_later_and_sees_other_bytes_reads_what_is_sent(
    cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("later.png").write_bytes(PATHS[0].read_bytes())
    (cluster.folder / "later.png").write_bytes(PATHS[1].read_bytes())
    (right,) = read_images([PATHS[0]], engine_factory=Quiet())

    with open_executor(cluster.address, 0, same_everywhere) as executor:
        watched = Watched(executor, claims_sight=True)
        (read,) = read_images([Path("later.png")], engine_factory=Quiet(), executor=watched)

    assert watched.alone_count == 1
    assert read == right


def test_the_cache_is_written_here_and_not_by_a_worker(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    with open_executor(cluster.address, 0, same_everywhere) as executor:
        list(
            read_images(PATHS[:1], engine_factory=Quiet(), executor=executor, cache_folder=tmp_path)
        )
    (again,) = read_images(PATHS[:1], engine_factory=Quiet(), cache_folder=tmp_path)

    assert isinstance(again, ImageReading) and again.is_cached
    assert [path.stat().st_uid for path in tmp_path.rglob("*.json")] == [os.geteuid()]
