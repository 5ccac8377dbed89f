"""Which files belong to a session, and how each bad one fails it at its stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs.ocr_bench import (
    FAILED_FIELDS,
    FIRST,
    LONG,
    SCREENS,
    OcrBench,
    alter_readings,
    essentials,
    session_id,
    session_of,
    take,
    truth,
)

from backfill.errors import (
    ExitCode,
    SessionsFailed,
    TooManySkips,
)

pytestmark = pytest.mark.ocr


def test_a_missing_image_fails_its_session_and_no_other(first: OcrBench) -> None:
    first.add(session_of("lost", images=["nowhere/lost.png"], screen=FIRST, hours=1))

    with pytest.raises(TooManySkips, match="1 session failed; --max-failed allows 0") as ended:
        take(first, apply=True)

    assert ended.value.exit_code == ExitCode.TOO_MANY_SKIPS
    assert essentials(first.payload(FIRST)) == truth(FIRST)
    run = first.scalar("SELECT run_id FROM backfill.run")
    document = first.folder(run).read_json(f"sessions/{session_id('lost')}.json")
    assert set(FAILED_FIELDS) <= set(document)
    assert (document["error_stage"], document["error_type"]) == ("input", "missing_image")
    assert first.skips(run)[str(session_id("lost"))] == ("", "session_failed")


def test_failed_sessions_may_be_allowed(first: OcrBench) -> None:
    first.add(session_of("lost", images=["nowhere/lost.png"], screen=FIRST, hours=1))

    assert first.summary(take(first, max_failed=1))["exit_code"] == 0


def test_every_session_failed_is_an_error_even_when_failures_are_allowed(empty: OcrBench) -> None:
    empty.add(session_of("lost", images=["nowhere/lost.png"], screen=FIRST))

    with pytest.raises(SessionsFailed) as ended:
        take(empty, max_failed=-1)

    assert ended.value.exit_code == 1


@pytest.mark.parametrize(
    ("files", "key", "kind"),
    [
        ({"a/x.jpg": "copy", "b/x.jpg": "copy"}, "c/x.jpg", "ambiguous_image"),
        ({"x.jpg": "empty"}, "x.jpg", "empty_file"),
        ({"x.jpg": "text"}, "x.jpg", "not_an_image"),
        ({"x.jpg": "half"}, "x.jpg", "corrupt_image"),
        ({"x.jpg": "copy"}, "../x.jpg", "outside_root"),
    ],
)
def test_bad_files_fail_their_session_at_stage_input(
    empty: OcrBench, tmp_path: Path, files: dict[str, str], key: str, kind: str
) -> None:
    image = SCREENS[FIRST].images[0].read_bytes()
    contents = {"copy": image, "empty": b"", "text": b"no image", "half": image[: len(image) // 2]}
    for name, what in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[what])
    empty.add(session_of("bad", images=[key], screen=FIRST))

    with pytest.raises(SessionsFailed):
        take(empty, local_root=str(tmp_path / "root"))

    run = empty.scalar("SELECT run_id FROM backfill.run")
    document = empty.folder(run).read_json(f"sessions/{session_id('bad')}.json")
    assert (document["error_stage"], document["error_type"]) == ("input", kind)


def test_two_keys_of_one_file_are_told(chain: OcrBench) -> None:
    book = take(chain)

    warnings = chain.document(book, LONG)["warnings"]
    assert any("early/dash-0116-1.jpg are one file" in warning for warning in warnings)


def test_an_image_without_text_fails_at_stage_ocr(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_readings(monkeypatch, lambda reading: replace(reading, words=(), entries=()))

    with pytest.raises(SessionsFailed):
        take(first)

    assert _only_failure(first) == ("ocr", "no_text_found")


def test_a_header_without_cards_fails_at_stage_layout(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_readings(monkeypatch, lambda reading: replace(reading, entries=()))

    with pytest.raises(SessionsFailed):
        take(first)

    assert _only_failure(first) == ("layout", "no_cards_found")


def test_a_date_that_can_not_be_decided_fails_at_stage_date(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_readings(monkeypatch, lambda reading: replace(reading, date=None))

    with pytest.raises(SessionsFailed):
        take(first)

    assert _only_failure(first) == ("date", "date_not_decided")


def _only_failure(bench: OcrBench) -> tuple[str, str]:
    run = bench.scalar("SELECT run_id FROM backfill.run")
    report = bench.folder(run).read_json("backfill_report.json")
    (line,) = report["sessions"]
    return line["error_stage"], line["error_type"]
