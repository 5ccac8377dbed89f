"""A run's folder under several writers: a file is whole, whoever writes it at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.deadline import DEADLINE_SECONDS

from backfill.folder import RunFolder

WRITERS = 4
WRITES = 20


def test_appliers_that_write_the_same_file_at_once_each_write_it_whole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    together = threading.Barrier(WRITERS)

    def write(writer: int) -> set[int]:
        together.wait(timeout=DEADLINE_SECONDS)
        seen = set()
        for _ in range(WRITES):
            folder.write_json("run.json", {"writer": writer, "rows": [writer] * 1000})
            document = folder.read_json("run.json")
            assert document["rows"] == [document["writer"]] * 1000
            seen.add(document["writer"])
        return seen

    with ThreadPoolExecutor(WRITERS) as pool:
        seen = set().union(*pool.map(write, range(WRITERS)))

    assert seen == set(range(WRITERS))
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_appliers_that_begin_at_once_all_find_the_folder_writable(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "20261126T000000Z-utc-abcdef")
    together = threading.Barrier(WRITERS)

    def begin(_writer: int) -> None:
        together.wait(timeout=DEADLINE_SECONDS)
        for _ in range(50 * WRITES):
            folder.create()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(begin, range(WRITERS)))

    assert list(folder.path.iterdir()) == []
