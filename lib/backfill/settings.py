"""Validated choices of one run: the engine's, shared by every job. Jobs add their own beside.

What decides a value is in a job's settings and its fingerprint; what only decides how the value
is written (chunk size, time-outs, lease) is here and may differ from one resume to the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from backfill.errors import UsageError
from backfill.parameters import CHUNK_SIZE
from backfill.parameters import KEPT_DEFAULTS as USUAL
from backfill.politeness.throttle import Throttle, throttle_from
from backfill.server.session import SessionLimits
from backfill.skips import SkipReason

AUTO_CHUNK = "auto"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How a plan is written. Times in the unit that the name says; rows are rows of the plan."""

    chunk_rows: int | None = USUAL["chunk_size"]  # None: aim at chunk_seconds
    chunk_seconds: float = USUAL["chunk_time"]
    progress_interval_rows: int = USUAL["progress_interval"]
    lease_seconds: int = USUAL["lease_seconds"]
    lock_timeout_ms: int = USUAL["lock_timeout_ms"]
    statement_timeout_ms: int = USUAL["statement_timeout_ms"]
    max_skips: int | None = None
    max_skips_of: Mapping[str, int] = field(default_factory=dict)  # by reason
    max_refused: float = USUAL["max_refused"]  # share of rows that the database may refuse
    throttle: Throttle = field(default_factory=Throttle)
    workers: int = USUAL["workers"]  # connections that write at once
    join: bool = False  # write beside whoever applies the run
    only: str = ""  # a condition in SQL: which changes this approval covers
    canary: str = ""  # a share or number of them: a sample first
    #: What was said of all this, by parameter: the run keeps it for whoever goes on with it.
    kept: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def limits(self) -> SessionLimits:
        return SessionLimits(
            self.lock_timeout_ms, self.statement_timeout_ms, self.lease_seconds * 1_000
        )

    def skip_limits(self) -> dict[str, int]:
        """Return how many rows may be skipped, by reason; in all under the empty one."""
        in_all = {} if self.max_skips is None else {"": self.max_skips}
        return {**self.max_skips_of, **in_all}

    def as_json(self) -> dict[str, Any]:
        names = (name for name in self.__dataclass_fields__ if name != "kept")
        values = {name: getattr(self, name) for name in names}
        return {**values, "throttle": self.throttle.as_json()}


def engine_settings(values: Mapping[str, Any]) -> EngineSettings:
    """Return the engine's settings from checked parameters; None there is the usual value."""
    has_workers = "chunk_size" in values
    values = {**USUAL, **{n: v for n, v in values.items() if v is not None}}
    throttle = throttle_from(values)
    max_skips, max_skips_of = skip_limits(values["max_skips"])
    return EngineSettings(
        chunk_rows=chunk_rows_from(values["chunk_size"]),
        chunk_seconds=values["chunk_time"],
        progress_interval_rows=values["progress_interval"],
        lease_seconds=values["lease_seconds"],
        lock_timeout_ms=values["lock_timeout_ms"],
        statement_timeout_ms=values["statement_timeout_ms"],
        max_skips=max_skips,
        max_skips_of=max_skips_of,
        max_refused=values["max_refused"],
        # A job without a chunk size writes row after row: its own workers do something else.
        workers=values["workers"] if has_workers else 1,
        join=values.get("join", False),
        only=values.get("only", ""),
        canary=str(values.get("canary", "")),
        throttle=throttle,
        kept=_kept(values, throttle, has_workers=has_workers),
    )


def _kept(values: Mapping[str, Any], throttle: Throttle, *, has_workers: bool) -> dict[str, Any]:
    """Return what was said and is not the usual; a file's query as text, since files go."""
    said = {n: v for n, usual in USUAL.items() if (v := values[n]) not in (usual, [])}
    if not has_workers:  # those read images
        said.pop("workers", None)
    if said.pop("go_when_file", ""):
        said["go_when"] = throttle.go_when
    return said


def skip_limits(value: int | str) -> tuple[int | None, dict[str, int]]:
    """Return how many rows may be skipped in all (None: any number), and by reason.

    `value` is what `--max-skips` means: a number, `reason=number`, or several of them with commas.
    """
    most, by_reason = None, {}
    for entry in str(value).split(","):
        reason, is_named, number = entry.strip().rpartition("=")
        try:
            limit = int(number)
        except ValueError:
            limit = -2
        if limit < -1 or bool(is_named) is not bool(reason):
            raise UsageError(
                f"--max-skips takes a number, or a reason and a number (invalid_value=3,locked=0); "
                f"it is {value!r}."
            )
        if not reason:
            most = limit if limit >= 0 else None
            continue
        if limit >= 0:
            by_reason[reason] = limit
    return most, by_reason


def check_reasons(
    named: Iterable[str], own: Collection[str] | None, seen: Collection[str] = ()
) -> None:
    """Raise `UsageError` for a reason as which no row is skipped: it would limit nothing.

    `own` are the job's beside the engine's; None where it tells none: then it may have any, and
    what is near to one of ours or to one of those `seen` is taken for a misspelling.
    """
    reasons = sorted({*SkipReason, *(own or ()), *seen})
    for reason in (reason for reason in named if reason not in reasons):
        close = get_close_matches(reason, reasons, 1, 0.8)
        if not close and own is None:
            continue
        hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(reasons)}."
        raise UsageError(f"--max-skips: no row is skipped as {reason!r}. {hint}")


def chunk_rows_from(value: int | str) -> int | None:
    """Return the number of rows that `--chunk-size` means, None for `auto`."""
    if value == AUTO_CHUNK:
        return None
    try:
        rows = int(value)
    except ValueError:
        raise UsageError(
            f"The chunk size must be a whole number or {AUTO_CHUNK}; it is {value!r}."
        ) from None
    return int(CHUNK_SIZE.check(rows))


def fingerprint(document: Mapping[str, Any]) -> str:
    """Return a short hash of canonical JSON: equal settings give equal fingerprints."""
    return hashlib.sha256(canonical_json(document)).hexdigest()[:16]


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """Return the one UTF-8 form of a JSON document: sorted keys, no blanks."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8"
    )
