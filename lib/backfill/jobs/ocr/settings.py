"""The OCR job's choices: everything that decides a value, validated."""

from __future__ import annotations

import datetime as dt
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backfill.decisions import Answers
from backfill.errors import UsageError
from backfill.folder import project_root
from backfill.ocr.day.correction import Corrections
from backfill.ocr.day.session_plan import PlanOptions
from backfill.ocr.engines.engine import language_data
from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.workers.cluster import check_scheduler
from backfill.workers.executor import default_workers

#: Values of `capture_session_state`; `pending` is a legacy one that some databases still have.
KNOWN_STATES = ("open", "closed", "processing", "done", "failed", "pending")
CACHE_ENV = "BACKFILL_CACHE_DIR"
YEAR_BOUNDS = (2000, 2100)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_BIGINT_MAX = 2**63


@dataclass(frozen=True, slots=True)
class SelectedSessions:
    """Which sessions: every filter that is given must hold.

    Dates are UTC days of `created_at`, `to_date` included; `limit` takes the oldest, None all.
    """

    session_ids: tuple[uuid.UUID, ...]
    user_id: int | None
    states: tuple[str, ...]
    from_date: dt.date | None
    to_date: dt.date | None
    limit: int | None

    def __post_init__(self) -> None:
        if self.from_date and self.to_date and self.from_date > self.to_date:
            raise UsageError(f"--from-date {self.from_date} is after --to-date {self.to_date}.")

    def as_json(self) -> dict[str, Any]:
        """Return what is fingerprinted, and shown in the report as `selection`."""
        return {
            "session_id": sorted({str(session_id) for session_id in self.session_ids}) or None,
            "user_id": self.user_id,
            "states": sorted(self.states),
            "from_date": self.from_date.isoformat() if self.from_date else None,
            "to_date": self.to_date.isoformat() if self.to_date else None,
            "limit": self.limit,
        }


@dataclass(frozen=True, slots=True)
class OcrSettings:
    """`local_root` None means the demo's own screenshots.

    `language` is Tesseract's name (swe); `max_failed` and `max_held` None mean any number.
    """

    selection: SelectedSessions
    schema: str
    local_root: Path | None
    language: str
    engine: str
    default_year: int | None
    towns: tuple[str, ...]
    store_notifications: bool
    notify_past: bool
    options: PlanOptions
    corrections: Corrections
    max_failed: int | None
    max_held: int | None
    workers: int
    scheduler: str
    cache_dir: Path | None

    @property
    def engine_choice(self) -> EngineChoice:
        return EngineChoice(self.engine, self.language)

    def as_json(self) -> dict[str, Any]:
        """Return what is fingerprinted and recorded: how values come about, not how fast."""
        return {
            "selection": self.selection.as_json(),
            "db_schema": self.schema,
            "local_root": str(self.local_root) if self.local_root else None,
            "ocr_lang": self.language,
            "ocr_engine": self.engine,
            "ocr_default_year": self.default_year,
            "towns": sorted(self.towns),
            "store_notifications": self.store_notifications,
            "notify_past": self.notify_past,
            "summary_threshold": self.options.summary_threshold,
            "allow_older": self.options.allow_older,
            "allow_removals": self.options.allow_removals,
            "accept_review": self.options.accept_review,
            "decisions": self.options.answers.as_json(),
            "corrections": self.corrections.as_json(),
        }


def settings_from(
    values: Mapping[str, Any], answers: Answers, corrections: Corrections
) -> OcrSettings:
    """Return the settings that checked parameters describe; raise `UsageError`."""
    if values["store_notifications"] and not values["apply"]:
        raise UsageError(
            "--store-notifications needs --apply: stored messages are sent to people. A dry run "
            "shows each message without it."
        )
    return OcrSettings(
        selection=_selection(values),
        schema=_schema(values["db_schema"]),
        local_root=_path(values["local_root"]),
        language=language_data(values["ocr_lang"]),
        engine=values["ocr_engine"],
        default_year=_year(values["ocr_default_year"]),
        towns=tuple(values["towns"]),
        store_notifications=values["store_notifications"],
        notify_past=values["notify_past"],
        options=PlanOptions(
            allow_older=values["allow_older"],
            allow_removals=values["allow_removals"],
            accept_review=values["accept_review"],
            summary_threshold=values["summary_threshold"],
            answers=answers,
        ),
        corrections=corrections,
        max_failed=None if values["max_failed"] < 0 else values["max_failed"],
        max_held=None if values["max_held"] < 0 else values["max_held"],
        workers=values["workers"] or default_workers(),
        scheduler=check_scheduler(values["scheduler"]),
        cache_dir=_path(values["cache_dir"]) or default_cache_dir(),
    )


def default_cache_dir() -> Path:
    """Return where readings are kept: `BACKFILL_CACHE_DIR`, or `.cache/ocr` beside `notebooks/`."""
    named = os.environ.get(CACHE_ENV)
    return (
        Path(named).expanduser().resolve()
        if named
        else ((project_root() or Path.cwd()) / ".cache" / "ocr")
    )


def _selection(values: Mapping[str, Any]) -> SelectedSessions:
    return SelectedSessions(
        session_ids=tuple(dict.fromkeys(_uuid(text) for text in values["session_id"])),
        user_id=_user(values["user_id"]),
        states=_states(values["states"]),
        from_date=_date("--from-date", values["from_date"]),
        to_date=_date("--to-date", values["to_date"]),
        limit=values["limit"],
    )


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        raise UsageError(f"--session-id {text!r} is not a session id (a UUID).") from None


def _user(value: int | str) -> int | None:
    if value == "":
        return None
    try:
        user = int(value)
    except ValueError:
        raise UsageError(f"--user-id {value!r} is not a whole number.") from None
    if not -_BIGINT_MAX <= user < _BIGINT_MAX:
        raise UsageError(f"--user-id {value} is larger than a bigint.")
    return user


def _states(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in KNOWN_STATES]
    if unknown or not names:
        what = f"{', '.join(unknown)!r} is no state" if unknown else "names no state"
        raise UsageError(f"--states {text!r}: {what}; use some of {', '.join(KNOWN_STATES)}.")
    return names


def _date(flag: str, text: str) -> dt.date | None:
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"{flag} {text!r} is not a date; write it as YYYY-MM-DD.")


def _schema(text: str) -> str:
    if not text or "\0" in text:
        raise UsageError(f"--db-schema {text!r} is not the name of a schema.")
    return text


def _path(text: str) -> Path | None:
    return Path(text).expanduser().resolve() if text else None


def _year(value: int) -> int | None:
    low, high = YEAR_BOUNDS
    if value and not low <= value <= high:
        raise UsageError(f"--ocr-default-year must be between {low} and {high}; it is {value}.")
    return value or None
