"""The OCR job from sessions to plan: selection, files, readings, rules, and what it writes down."""

from __future__ import annotations

import datetime as dt
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.jobs import ocr_bench
from tests.jobs.ocr_bench import (
    CAPTURES,
    FIRST,
    LONG,
    OTHER,
    SCREENS,
    SECOND,
    USER,
    OcrBench,
    essentials,
    load_chain,
    load_first,
    load_none,
    load_three,
    session_id,
    session_of,
    stored_json,
    take,
    truth,
)

from backfill.demo.screens.store import FOLDER
from backfill.errors import (
    BackfillError,
    ExitCode,
    PreflightError,
    SessionsFailed,
    TooManySkips,
    UsageError,
)
from backfill.ocr.dates import DateEvidence
from backfill.ocr.engine import TesseractEngine
from backfill.ocr.pool import Outcome, read_images
from backfill.ocr.reading import ImageReading

if TYPE_CHECKING:
    from tests.jobs.conftest import OcrBenchFrom

pytestmark = pytest.mark.ocr

OK_FIELDS = (
    "session_id", "user_id", "source_state", "schedule_date", "resolved_image_dates",
    "inherited_image_count", "image_count", "image_names", "image_details", "total_boxes",
    "shift_count", "shifts", "preview_event_count", "preview_event_types", "applied",
    "persisted_event_count", "persisted_event_types", "swallowed_event_count",
    "stored_notifications", "notifications", "detected_at", "warnings", "status",
)  # fmt: skip
IMAGE_FIELDS = (
    "sequence", "r2_key", "local_path", "sha256", "detected_date", "box_count", "entry_count",
    "ocr_ms", "cached",
)  # fmt: skip
SHIFT_FIELDS = (
    "start", "end", "customer_name", "customer_fingerprint", "street", "street_number",
    "postal_code", "postal_area", "city", "location_fingerprint", "shift_type", "raw_type_label",
)  # fmt: skip
FAILED_FIELDS = (
    "session_id", "user_id", "source_state", "image_count", "image_names", "status",
    "error_stage", "error_type", "error_message",
)  # fmt: skip
REPORT_FIELDS = (
    "started_at", "finished_at", "database_schema", "local_root", "output_dir", "apply",
    "store_notifications", "ocr_lang", "ocr_default_year", "selection", "sessions_total",
    "sessions_ok", "sessions_failed", "sessions_needing_review", "run_id", "plan_id", "sessions",
)  # fmt: skip


@pytest.fixture
def three(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("three", load_three)


@pytest.fixture
def first(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("first", load_first)


@pytest.fixture
def chain(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("chain", load_chain)


@pytest.fixture
def empty(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("none", load_none)


def alter_readings(monkeypatch: pytest.MonkeyPatch, alter: Any) -> None:
    """Hand every reading to `alter` before the job sees it."""

    def altered(paths: Iterable[Path], **given: Any) -> Iterator[Outcome]:
        for outcome in read_images(paths, **given):
            yield alter(outcome) if isinstance(outcome, ImageReading) else outcome

    monkeypatch.setattr("backfill.jobs.ocr.job.read_images", altered)


def in_2099(reading: ImageReading) -> ImageReading:
    """A day that nobody who runs these tests will call gone by."""
    return replace(reading, date=DateEvidence(2, 6, year=2099))


# -- what is read ------------------------------------------------------------------------------


def test_the_shifts_of_a_session_are_those_that_were_drawn(three: OcrBench) -> None:
    book = take(three)

    for name in (FIRST, SECOND, LONG):
        assert essentials(three.document(book, name)["shifts"]) == truth(name)


def test_a_dry_run_writes_nothing(three: OcrBench) -> None:
    stored, captures = three.stored(), three.captures()

    book = take(three)

    assert (three.stored(), three.captures()) == (stored, captures)
    summary = three.summary(book)
    assert summary["dry_run"] is True
    assert (summary["sessions_total"], summary["sessions_ok"]) == (3, 3)
    assert summary["planned_event_count"] == sum(len(truth(n)) for n in (FIRST, SECOND, LONG))
    assert summary["persisted_event_count"] == 0


def test_apply_does_what_the_dry_run_counted(three: OcrBench) -> None:
    planned = three.summary(take(three))
    captures = three.captures()

    applied = three.summary(take(three, apply=True))

    for name in ("total_scanned", "total_updated", "total_skipped", "sessions_ok"):
        assert applied[name] == planned[name]
    assert applied["persisted_event_count"] == planned["planned_event_count"]
    assert applied["persisted_event_types"] == {"shift_added": planned["planned_event_count"]}
    assert len(three.stored()["schedule_event"]) == planned["planned_event_count"]
    assert essentials(three.payload(FIRST)) == truth(FIRST)
    assert tuple(three.payload(FIRST)[0]) and set(three.payload(FIRST)[0]) == set(SHIFT_FIELDS)
    assert three.captures() == captures


def test_a_plan_is_applied_later_as_it_was_frozen(first: OcrBench) -> None:
    planned = take(first)

    first.apply(planned.run_id)

    assert essentials(first.payload(FIRST)) == truth(FIRST)
    assert first.document(planned, FIRST)["applied"] is True
    assert first.verify(planned.run_id).is_proven


def test_a_second_apply_changes_nothing(three: OcrBench) -> None:
    take(three, apply=True)
    stored = three.stored()

    again = three.summary(take(three, apply=True))

    assert (again["total_updated"], again["total_unchanged"]) == (0, 3)
    assert again["sessions_unchanged"] == 3
    assert three.stored() == stored


def test_a_second_run_reads_no_image(first: OcrBench, monkeypatch: pytest.MonkeyPatch) -> None:
    take(first)

    def refuse(*_arguments: Any) -> Any:
        raise AssertionError("an image was read although it is known")

    monkeypatch.setattr(TesseractEngine, "words", refuse)
    book = take(first)

    details = first.document(book, FIRST)["image_details"]
    assert [detail["cached"] for detail in details] == [True]


def test_the_files_are_the_same_for_any_number_of_workers(three: OcrBench, tmp_path: Path) -> None:
    documents = []
    for workers in (1, 2):
        book = take(three, workers=workers, cache_dir=str(tmp_path / f"cache-{workers}"))
        documents.append([_timeless(three.document(book, name)) for name in (FIRST, LONG)])

    assert documents[0] == documents[1]


def _timeless(document: dict[str, Any]) -> dict[str, Any]:
    images = [{**detail, "ocr_ms": 0} for detail in document["image_details"]]
    return {**document, "run_id": "", "image_details": images}


def test_the_default_year_is_only_a_fallback(first: OcrBench) -> None:
    book = take(first, ocr_default_year=2022)

    document = first.document(book, FIRST)
    assert document["schedule_date"] == SCREENS[FIRST].date.isoformat()
    assert any("2022" in warning for warning in document["warnings"])


def test_sv_and_swe_are_one_language(first: OcrBench) -> None:
    take(first, ocr_lang="swe")

    document = first.document(take(first, ocr_lang="sv"), FIRST)

    assert document["image_details"][0]["cached"] is True


def test_analysts_find_the_shifts_in_duckdb(first: OcrBench) -> None:
    book = first.book()
    book.preflight()
    book.extract()
    book.compute()

    rows = book.duckdb.sql("SELECT start, customer_name FROM shifts ORDER BY place").fetchall()

    assert rows == [(row[0], row[2]) for row in truth(FIRST)]


def test_the_notebook_shows_days_beside_their_images(three: OcrBench) -> None:
    book = three.book()
    book.preflight()
    book.extract()
    book.compute()

    shown = book.diff().markup + book.picture().markup

    assert shown.count("data:image/jpeg;base64,") == 4
    assert "http" not in shown
    assert len(shown) < 4 * 200_000  # 100 sessions of two images stay under 20 MB


def test_what_was_read_is_escaped_in_the_notebook(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mark(reading: ImageReading) -> ImageReading:
        entries = (replace(reading.entries[0], title="<b>&Co • Storstädning"),)
        return replace(reading, entries=entries)

    alter_readings(monkeypatch, mark)
    book = first.book()
    book.preflight()
    book.extract()
    book.compute()

    assert "<b>" not in (book.diff().markup + book.picture().markup).lower()


# -- which sessions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"session_id": [str(session_id(LONG)).upper()]}, [LONG]),
        ({"user_id": USER}, [FIRST, SECOND]),
        ({"user_id": str(OTHER)}, [LONG]),
        ({"states": "failed"}, []),
        ({"from_date": SCREENS[SECOND].date.isoformat()}, [SECOND]),
        ({"to_date": SCREENS[LONG].date.isoformat()}, [LONG]),
        ({"limit": 2}, [LONG, FIRST]),
        ({"user_id": USER, "limit": 1}, [FIRST]),
    ],
)
def test_filters_are_anded_and_the_oldest_come_first(
    three: OcrBench, given: dict[str, Any], expected: list[str]
) -> None:
    book = three.book(**given)
    book.preflight()
    book.extract()

    rows = book.duckdb.sql("SELECT key FROM extracted").fetchall()

    assert [row[0] for row in rows] == [str(session_id(name)) for name in expected]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"session_id": ["no-uuid"]}, "is not a session id"),
        ({"session_id": [str(uuid.UUID(int=7))]}, "does not exist"),
        ({"session_id": [str(session_id(LONG))], "states": "failed"}, "is in state done"),
        ({"session_id": [str(session_id(LONG))], "user_id": USER}, "belongs to user 502"),
        ({"session_id": [str(session_id(LONG))], "from_date": "2030-01-01"}, "before --from-date"),
        ({"states": "finished"}, "is no state"),
        ({"states": "done,pending"}, "has no such state"),
        ({"states": ","}, "names no state"),
        ({"from_date": "2026-02-30"}, "is not a date"),
        ({"to_date": "20260203"}, "is not a date"),
        ({"from_date": "2026-02-03", "to_date": "2026-02-02"}, "is after --to-date"),
        ({"user_id": "somebody"}, "is not a whole number"),
        ({"limit": 0}, "--limit must be 1 or more"),
        ({"store_notifications": True}, "--store-notifications needs --apply"),
        ({"ocr_lang": "klingon"}, "is not known"),
        ({"ocr_default_year": 20}, "--ocr-default-year"),
        ({"local_root": "/nowhere/at/all"}, "is not a folder"),
        ({"local_root": ""}, "--local-root DIR"),
        ({"summary_threshold": 0}, "--summary-threshold"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    three: OcrBench, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        take(three, **given)

    assert refused.value.exit_code == ExitCode.USAGE


def test_language_data_that_is_not_installed_is_a_preflight_error(first: OcrBench) -> None:
    with pytest.raises(PreflightError, match="apt-get install tesseract-ocr-fin"):
        take(first, ocr_lang="fi")


@pytest.mark.parametrize(
    ("ddl", "message"),
    [
        ("DROP SCHEMA schedule_ingest CASCADE", "There is no schema"),
        ("DROP TABLE schedule_ingest.schedule_event", "There is no table"),
        ("ALTER TABLE schedule_ingest.capture_image RENAME r2_key TO k", "has no column r2_key"),
    ],
)
def test_another_schema_is_a_preflight_error(first: OcrBench, ddl: str, message: str) -> None:
    first.sql(ddl)

    with pytest.raises(PreflightError, match=message):
        take(first)


def test_no_session_at_all_is_no_error(empty: OcrBench) -> None:
    summary = empty.summary(take(empty, apply=True))

    assert (summary["sessions_total"], summary["exit_code"]) == (0, 0)


# -- which files -------------------------------------------------------------------------------


def test_a_missing_image_fails_its_session_and_no_other(first: OcrBench) -> None:
    first.add(session_of("lost", images=["nowhere/lost.png"], screen=FIRST, hours=1))

    with pytest.raises(TooManySkips, match="1 sessions failed") as ended:
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


# -- what is held back -------------------------------------------------------------------------


def test_a_session_older_than_the_snapshots_does_not_overwrite_it(first: OcrBench) -> None:
    first.add(session_of("newer", screen=FIRST, images=["newer.jpg"], hours=5))
    first.store(FIRST, [], source="newer")
    stored = first.stored()
    given = {"session_id": [str(session_id(FIRST))]}

    with pytest.raises(TooManySkips, match="held back"):
        take(first, **given, apply=True)
    assert first.stored() == stored
    assert first.summary(take(first, **given, apply=True, max_held=1))["sessions_held"] == 1

    take(first, **given, apply=True, allow_older=True)
    assert essentials(first.payload(FIRST)) == truth(FIRST)


def test_a_reading_of_few_shifts_does_not_remove_many(first: OcrBench) -> None:
    many = [{"start": f"{hour:02}:00", "end": f"{hour:02}:30"} for hour in range(20)]
    first.store(FIRST, many)

    planned = take(first)

    document = first.document(planned, FIRST)
    assert (document["status"], document["held_reason"]) == ("held", "suspicious_removal")
    take(first, apply=True, allow_removals=True)
    assert essentials(first.payload(FIRST)) == truth(FIRST)


def test_a_doubtful_shift_holds_its_session_until_it_is_accepted(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doubt(reading: ImageReading) -> ImageReading:
        flagged = replace(reading.entries[0], flags=("duration_mismatch",))
        return replace(reading, entries=(flagged, *reading.entries[1:]))

    alter_readings(monkeypatch, doubt)

    planned = take(first)

    document = first.document(planned, FIRST)
    assert document["held_reason"] == "needs_review"
    assert document["shifts"][0]["review_reasons"] == ["duration_mismatch"]
    assert first.summary(planned)["sessions_needing_review"] == 1
    take(first, apply=True, accept_review=True)
    assert essentials(first.payload(FIRST)) == truth(FIRST)


def test_images_that_contradict_each_other_hold_their_session(
    ocr_from: OcrBenchFrom, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = ocr_from("none", load_none)
    bench.add(session_of(LONG, OTHER))
    seen: list[int] = []

    def shift_second_image(reading: ImageReading) -> ImageReading:
        seen.append(1)
        if len(seen) % 2:
            return reading
        moved = [replace(e, start="11:25", duration_minutes=220) for e in reading.entries[:1]]
        moved = [replace(e, end="15:25") for e in moved]
        return replace(reading, entries=(*moved, *reading.entries[1:]))

    alter_readings(monkeypatch, shift_second_image)

    document = bench.document(take(bench), LONG)

    assert document["status"] == "held"
    assert document["held_reason"] == "contradicting_images"
    assert document["contradictions"]


def test_sessions_of_one_day_are_planned_on_each_other(chain: OcrBench) -> None:
    # The half of the day ends with a card that the screen cuts: it would be held.
    planned = chain.summary(take(chain, accept_review=True))

    applied = take(chain, apply=True, accept_review=True)

    assert planned["planned_event_count"] > len(truth(LONG)) - 2
    assert chain.summary(applied)["persisted_event_count"] == planned["planned_event_count"]
    assert chain.summary(applied)["total_updated"] == 2
    assert chain.document(applied, "half")["shift_count"] < len(truth(LONG))
    assert essentials(chain.payload(LONG, OTHER)) == truth(LONG)
    assert chain.verify(applied.run_id).is_proven


# -- notifications -----------------------------------------------------------------------------


def test_messages_are_stored_only_when_asked_for(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_readings(monkeypatch, in_2099)

    document = first.document(take(first), FIRST)
    assert [entry["message"] for entry in document["notifications"]] == [
        "3 shifts updated for 2099-06-02"
    ]
    take(first, apply=True, store_notifications=True, summary_threshold=4)

    rows = first.sql(
        "SELECT status, notification_type, message FROM schedule_ingest.schedule_notification"
    )
    assert len(rows) == 3
    assert {row[:2] for row in rows} == {("pending", "event")}
    assert all("New shift added on 2099-06-02" in row[2] for row in rows)


def test_messages_about_days_gone_by_need_a_word_more(first: OcrBench) -> None:
    take(first, apply=True, store_notifications=True)
    assert first.stored()["schedule_notification"] == []
    first.sql("TRUNCATE schedule_ingest.day_snapshot, schedule_ingest.schedule_event")

    applied = take(first, apply=True, store_notifications=True, notify_past=True)

    assert len(first.stored()["schedule_notification"]) == 1
    assert first.summary(applied)["stored_notifications"] == 1


# -- what is written down ----------------------------------------------------------------------


def test_every_demanded_field_stands_in_the_files(three: OcrBench, tmp_path: Path) -> None:
    places = {
        "output_file": str(tmp_path / "out" / "report.json"),
        "output_dir": str(tmp_path / "out" / "sessions"),
    }

    book = take(three, apply=True, **places)

    report = stored_json(tmp_path / "out" / "report.json")
    assert set(REPORT_FIELDS) <= set(report)
    assert report["run_id"] == book.run_id
    assert report["selection"]["states"] == ["done", "failed"]
    assert len(report["sessions"]) == 3
    for name in (FIRST, SECOND, LONG):
        document = stored_json(tmp_path / "out" / "sessions" / f"{session_id(name)}.json")
        assert set(OK_FIELDS) <= set(document)
        assert list(document["image_details"][0]) == list(IMAGE_FIELDS)
        assert tuple(document["shifts"][0])[:12] == SHIFT_FIELDS
        extra = {"confidence", "checks", "needs_review", "source_crops"}
        assert extra <= set(document["shifts"][0])
        assert document["applied"] is True
        assert document["persisted_event_count"] == document["preview_event_count"]
        assert dt.datetime.fromisoformat(document["detected_at"]).tzinfo is not None


def test_a_dry_runs_files_say_that_nothing_was_persisted(first: OcrBench) -> None:
    document = first.document(take(first), FIRST)

    assert document["applied"] is False
    assert (document["persisted_event_count"], document["persisted_event_types"]) == (0, {})
    assert (document["stored_notifications"], document["detected_at"]) == (0, None)


def test_files_of_an_earlier_run_are_set_aside(first: OcrBench, tmp_path: Path) -> None:
    out = tmp_path / "sessions"
    earlier = take(first, output_dir=str(out))
    first.add(session_of(SECOND))
    (out / "mine.json").write_text("{}", encoding="utf-8")

    take(first, output_dir=str(out), session_id=[str(session_id(SECOND))])

    assert sorted(p.name for p in out.glob("*.json")) == sorted(
        ["mine.json", f"{session_id(SECOND)}.json"]
    )
    kept = out / "earlier" / earlier.run_id / f"{session_id(FIRST)}.json"
    assert stored_json(kept)["run_id"] == earlier.run_id


# -- rights ------------------------------------------------------------------------------------


@pytest.fixture
def reader(three: OcrBench) -> Iterator[str]:
    """A role that may read everything, and write nothing but what each test grants."""
    role = f"reader_{uuid.uuid4().hex[:8]}"
    three.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'unused'")
    three.sql(f"GRANT USAGE ON SCHEMA schedule_ingest TO {role}")
    three.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA schedule_ingest TO {role}")
    yield role
    three.sql(f"DROP OWNED BY {role} CASCADE")
    three.sql(f"DROP ROLE {role}")


def _as_role(bench: OcrBench, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = psycopg.conninfo.make_conninfo(bench.dsn, options=f"-c role={role}")
    monkeypatch.setenv("DATABASE_URL", dsn)


def test_a_dry_run_needs_no_right_to_write(
    three: OcrBench, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_role(three, reader, monkeypatch)

    book = take(three)

    assert three.summary(book)["sessions_ok"] == 3
    assert f'GRANT INSERT ON "schedule_ingest"."schedule_event" TO "{reader}"' in three.messages()


def test_apply_without_the_rights_is_refused_before_anything_is_read(
    three: OcrBench, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_role(three, reader, monkeypatch)

    with pytest.raises(PreflightError, match="GRANT INSERT") as refused:
        take(three, apply=True)

    assert refused.value.exit_code == ExitCode.PREFLIGHT


def test_apply_and_revert_work_for_a_role_that_can_not_write_the_capture_tables(
    three: OcrBench, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.sql(
        "GRANT INSERT, UPDATE, DELETE ON schedule_ingest.day_snapshot,"
        f" schedule_ingest.schedule_event, schedule_ingest.schedule_notification TO {reader}"
    )
    three.sql(f"GRANT CREATE ON DATABASE {three.connection.info.dbname} TO {reader}")
    before, captures = three.stored(), three.captures()
    _as_role(three, reader, monkeypatch)
    for table in CAPTURES:
        right = f"SELECT has_table_privilege('{reader}', 'schedule_ingest.{table}', 'UPDATE')"
        assert three.scalar(right) is False

    run = take(three, apply=True)
    assert three.verify(run.run_id).is_proven
    three.revert(run.run_id)

    assert (three.stored(), three.captures()) == (before, captures)


def test_the_committed_screenshots_are_the_demos(
    empty: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backfill.demo.captures import load_captures

    load_captures(empty.connection)
    empty.root = Path()
    monkeypatch.setattr(ocr_bench, "FOLDER", FOLDER)

    book = empty.book(local_root="", limit=2)
    book.preflight()
    book.extract()

    assert len(book.extracted) == 2


def test_the_demo_loads_without_screenshots(
    empty: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backfill.demo import captures

    monkeypatch.setattr(captures, "stored_sessions", lambda: ())

    assert captures.load_captures(empty.connection) == 0


def test_a_root_on_another_disk_is_read_alike(first: OcrBench, tmp_path: Path) -> None:
    copy = tmp_path / "flat"
    copy.mkdir()
    for path in SCREENS[FIRST].images:
        shutil.copy(path, copy / path.name)

    document = first.document(take(first, local_root=str(copy)), FIRST)

    assert document["image_details"][0]["local_path"] == str(copy / SCREENS[FIRST].images[0].name)
    assert issubclass(SessionsFailed, BackfillError)
