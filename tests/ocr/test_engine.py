"""Tesseract, real and broken: missing, crashing, hanging, or printing what is no text."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from backfill.errors import ExitCode, PreflightError, UsageError
from backfill.jobs.ocr.reader import reader_facts
from backfill.ocr.engines import tesseract
from backfill.ocr.engines.engine import EngineFailure, EngineParams, Script, language_data
from backfill.ocr.engines.engine_choice import EngineChoice, make_engine
from backfill.ocr.engines.tesseract import TesseractEngine, TesserocrEngine, find_language_data
from backfill.ocr.ink.masks import Pixels
from backfill_lab.demo.stored import stored_sessions

from .screens import read_image

HEAD = """#!/bin/sh
case "$*" in
*--version*) echo "tesseract 5.3.0"; exit 0;;
*--list-langs*) echo 'List of available languages in "/nowhere/" (1):'; echo swe; exit 0;;
esac
"""


def _blank() -> Pixels:
    return np.full((60, 200), 255, dtype=np.uint8)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Tesseract that lists `swe` and then does what the test appends."""
    path = tmp_path / "tesseract"
    path.write_text(HEAD, encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return path


def _append(fake: Path, script: str) -> TesseractEngine:
    fake.write_text(HEAD + script, encoding="utf-8")
    return TesseractEngine("swe")


def test_who_reads_starts_tesseract_for_its_languages_and_its_pictures_alone(fake: Path) -> None:
    asked = fake.with_name("asked")
    told = HEAD.replace("\n", f'\necho "$1" >> {asked}\n', 1)
    fake.write_text(told + "printf 'head\\n' > \"$2.tsv\"\n", encoding="utf-8")

    engine = TesseractEngine("swe")
    engine.words(_blank(), EngineParams())

    languages, picture = asked.read_text().split()
    assert (languages, Path(picture).suffix) == ("--list-langs", ".pgm")
    assert engine.version == "5.3.0"


@pytest.mark.parametrize(
    ("name", "data"),
    [("sv", "swe"), ("swe", "swe"), ("SV", "swe"), ("en", "eng"), ("sv+en", "swe+eng")],
)
def test_short_and_long_names_are_the_same_language(name: str, data: str) -> None:
    assert language_data(name) == data


@pytest.mark.parametrize("name", ["", "svenska", "xx", "swe+xx", "../swe"])
def test_a_name_that_is_no_language_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="--ocr-lang swe") as caught:
        language_data(name)

    assert caught.value.exit_code == ExitCode.USAGE


def test_language_data_that_is_not_installed_names_the_command(fake: Path) -> None:
    with pytest.raises(PreflightError, match="apt-get install tesseract-ocr-fin") as caught:
        TesseractEngine("fi")

    assert caught.value.exit_code == ExitCode.PREFLIGHT


def test_tesseract_absent_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PreflightError, match="brew install tesseract"):
        TesseractEngine("swe")


def test_a_crash_is_a_failure_with_what_it_said(fake: Path) -> None:
    engine = _append(fake, "echo 'boom: no memory' >&2\nexit 134\n")

    with pytest.raises(EngineFailure, match=r"status 134.*boom"):
        engine.words(_blank(), EngineParams())


def test_a_killed_tesseract_is_a_failure(fake: Path) -> None:
    engine = _append(fake, "kill -SEGV $$\n")

    with pytest.raises(EngineFailure, match="status"):
        engine.words(_blank(), EngineParams())


def test_a_hang_ends_at_the_timeout(fake: Path) -> None:
    engine = _append(fake, "exec tail -f /dev/null\n")

    with pytest.raises(EngineFailure, match=r"within 0\.2 seconds"):
        engine.words(_blank(), EngineParams(timeout_seconds=0.2))


def test_bytes_that_are_not_utf8_are_a_failure(fake: Path) -> None:
    engine = _append(fake, "printf 'level\\ttext\\n\\377\\376\\n' > \"$2.tsv\"\n")

    with pytest.raises(EngineFailure, match="not UTF-8"):
        engine.words(_blank(), EngineParams())


def test_a_row_that_is_no_word_is_a_failure(fake: Path) -> None:
    row = "5\\t1\\t1\\t1\\t1\\t1\\tx\\t0\\t9\\t9\\t90\\tLunch"
    engine = _append(fake, f"printf 'head\\n{row}\\n' > \"$2.tsv\"\n")

    with pytest.raises(EngineFailure, match="not a word"):
        engine.words(_blank(), EngineParams())


def test_no_output_file_is_a_failure(fake: Path) -> None:
    engine = _append(fake, "exit 0\n")

    with pytest.raises(EngineFailure):
        engine.words(_blank(), EngineParams())


def test_an_unknown_engine_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="tesseract or tesserocr"):
        make_engine("magic")


@pytest.mark.ocr
def test_swedish_under_both_names_is_one_engine_for_the_cache() -> None:
    one, other = TesseractEngine("sv"), TesseractEngine("swe")

    assert (one.version, one.language_hash) == (other.version, other.language_hash)
    assert one.language_hash != TesseractEngine("en").language_hash


def test_numbers_have_the_small_networks_data_where_it_is_installed(tmp_path: Path) -> None:
    for code in ("swe", "eng"):
        (tmp_path / f"{code}.traineddata").write_text(code)

    small = find_language_data("swe", {"swe", "eng", "osd"}, str(tmp_path))
    none = find_language_data("swe", {"swe", "osd"}, str(tmp_path))

    assert (small.of(Script.TEXT), small.of(Script.NUMBERS)) == ("swe", "eng")
    assert (none.of(Script.TEXT), none.of(Script.NUMBERS)) == ("swe", "swe")
    assert small.sha256 != none.sha256


def test_new_data_for_numbers_is_another_reader(tmp_path: Path) -> None:
    hashes = set()
    for content in ("old", "new"):
        (tmp_path / "eng.traineddata").write_text(content)
        hashes.add(find_language_data("swe", {"swe", "eng"}, str(tmp_path)).sha256)

    assert len(hashes) == 2


@pytest.mark.ocr
def test_an_empty_picture_has_no_words() -> None:
    assert TesseractEngine("swe").words(_blank(), EngineParams()) == []


@pytest.mark.ocr
def test_tesserocr_reads_the_shifts_that_the_command_reads() -> None:
    screen = next(s for s in stored_sessions() if s.name == "plain-0205").images[0].read_bytes()

    by_command = read_image(screen, TesseractEngine("swe"))
    in_process = read_image(screen, TesserocrEngine("swe"))

    assert [(e.start, e.end, e.title, e.address) for e in in_process.entries] == [
        (e.start, e.end, e.title, e.address) for e in by_command.entries
    ]
    assert in_process.date is not None and in_process.entries
    assert TesserocrEngine("swe").words(_blank(), EngineParams()) == []


def test_damaged_data_is_told_before_the_first_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in ("swe", "eng"):
        (tmp_path / f"{code}.traineddata").write_bytes(b"no network at all")
    monkeypatch.setattr(tesseract, "_listing", lambda: (str(tmp_path), ["swe", "eng"]))

    with pytest.raises(PreflightError, match="language data 'swe'"):
        reader_facts(EngineChoice("tesserocr"))


@pytest.mark.ocr
def test_tesserocr_needs_no_command_where_the_data_is_named(tmp_path: Path) -> None:
    listing = _said(["tesseract", "--list-langs"], os.environ)
    program = (
        "from backfill.ocr.engines.tesseract import TesserocrEngine;"
        "print(TesserocrEngine('swe').language_hash)"
    )
    # Tesserocr asks for the folder once, when it is imported: another process.
    alone = {**os.environ, "PATH": str(tmp_path), "TESSDATA_PREFIX": listing.split('"')[1]}

    assert _said([sys.executable, "-c", program], alone) == TesserocrEngine("swe").language_hash


def _said(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.ocr
def test_tesserocr_that_takes_too_long_is_a_failure_and_reads_the_next_image() -> None:
    engine = TesserocrEngine("swe")
    long = np.full((4000, 700), 255, dtype=np.uint8)
    for y in range(60, 3900, 60):
        cv2.putText(long, "Onsala, Ringvagen 12", (20, y), cv2.FONT_HERSHEY_DUPLEX, 1.2, 0, 2)

    with pytest.raises(EngineFailure, match=r"within 0\.001 seconds"):
        engine.words(long, EngineParams(timeout_seconds=0.001))

    assert "Onsala," in [word.text for word in engine.words(long[:200], EngineParams())]


@pytest.mark.ocr
def test_a_process_that_reads_does_not_load_pandas() -> None:
    program = (
        "import sys, numpy as np;"
        "from backfill.ocr.engines.engine import EngineParams;"
        "from backfill.ocr.engines.engine_choice import make_engine;"
        "blank = np.full((60, 200), 255, dtype=np.uint8);"
        "print(make_engine().words(blank, EngineParams()), 'pandas' in sys.modules);"
        "import pandas"
    )

    assert _said([sys.executable, "-c", program], os.environ).strip() == "[] False"


@pytest.mark.ocr
def test_the_letters_of_a_language_are_told_by_its_own_data(tmp_path: Path) -> None:
    listing = tesseract._listing()
    assert listing
    folder = Path(listing[0])
    swedish = find_language_data("swe", ["swe"], str(folder))
    (tmp_path / "deu.traineddata").write_bytes((folder / "eng.traineddata").read_bytes()[:5000])

    assert {c for c in swedish.letters if c.isalpha() and not c.isascii()} == set("åäöéÅÄÖÉ")
    assert not find_language_data("deu", ["deu"], str(tmp_path)).letters
    assert not find_language_data("swe", ["swe"], str(tmp_path)).letters
