"""Readings are kept by the content of the image and the way it was read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from backfill.errors import StorageError
from backfill.ocr.engines.engine import EngineParams
from backfill.ocr.ink.masks import Pixels
from backfill.ocr.reader import cache as cache_module
from backfill.ocr.reader.cache import ReadingCache
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.shift import Entry
from backfill.ocr.text.dates import DateEvidence
from backfill.ocr.words import Word


class NoEngine:
    """An engine by name only."""

    name = "none"
    version = "1"
    language_hash = "abc"

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        raise AssertionError("a cache hit must cost no OCR")


WORD = Word("Åsa", 1.5, 2.0, 3.0, 4.0, 91.25, 220.0)
READING = ImageReading(
    "ab" * 32, 828, 1792, (WORD,),
    (Entry("08:00", "09:00", "Åsa • Skola", "", "Särö, Ågatan 1", 60, (WORD,), ("title_unsure",)),),
    DateEvidence(22, 8, 4, None, 34, "Fredag 22 augusti", 96.0, 414.0), "09:00",
    ("lone_time",), ocr_ms=12.5,
)  # fmt: skip


def _cache(folder: Path, **changes: str) -> ReadingCache:
    engine = NoEngine()
    for name, value in changes.items():
        setattr(engine, name, value)
    return ReadingCache(folder, engine)


def test_what_was_put_is_got_and_says_that_it_is_cached(tmp_path: Path) -> None:
    _cache(tmp_path).put(READING)

    found = _cache(tmp_path).get(READING.sha256)

    assert found == READING
    assert found is not None and found.is_cached
    assert _cache(tmp_path).get("cd" * 32) is None


@pytest.mark.parametrize("changes", [{"name": "other"}, {"version": "2"}, {"language_hash": "abd"}])
def test_another_way_of_reading_is_another_entry(tmp_path: Path, changes: dict[str, str]) -> None:
    _cache(tmp_path).put(READING)

    assert _cache(tmp_path, **changes).get(READING.sha256) is None


def test_another_reader_is_another_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _cache(tmp_path).put(READING)

    monkeypatch.setattr(cache_module, "READER_VERSION", "next")
    assert _cache(tmp_path).get(READING.sha256) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": "x"}', "null"])
def test_a_broken_file_is_a_miss_and_is_replaced(tmp_path: Path, text: str) -> None:
    cache = _cache(tmp_path)
    cache.put(READING)
    (path,) = tmp_path.glob("*/*.json")
    path.write_text(text, encoding="utf-8")

    assert cache.get(READING.sha256) is None
    cache.put(READING)
    assert cache.get(READING.sha256) == READING


def test_only_the_owner_may_read_what_is_stored(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    _cache(folder).put(READING)

    (path,) = folder.glob("*/*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_many_writers_of_one_key_leave_one_whole_file(tmp_path: Path) -> None:
    caches = [_cache(tmp_path) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda cache: [cache.put(READING) for _ in range(20)], caches))

    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
    assert caches[0].get(READING.sha256) == READING


def test_the_stored_text_is_plain_json(tmp_path: Path) -> None:
    _cache(tmp_path).put(replace(READING, date=None))

    (path,) = tmp_path.glob("*/*.json")
    assert json.loads(path.read_text(encoding="utf-8"))["entries"][0]["title"] == "Åsa • Skola"


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")

    with pytest.raises(StorageError, match="OCR cache"):
        _cache(tmp_path / "file" / "cache")
