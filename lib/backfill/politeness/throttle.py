"""Whether a run may write its next chunk: go, wait, or stop. Pure: readings and clock come in.

A signal is something that PostgreSQL tells of its load. For each, a limit may say above what the
run waits, and above what it stops. A signal that is asked for must be known: one that could not
be read for `READABLE_SECONDS` makes the run wait as well, and so does one not read yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from backfill.politeness.quantity import Quantity, Unit
from backfill.politeness.window import Window

READABLE_SECONDS = 15.0


class Signal(StrEnum):
    """What is watched. The values stand in `backfill.run.paused_ms` and in events."""

    LOCK_WAITERS = "lock_waiters"
    REPLAY_LAG = "replay_lag"
    REPLAY_BYTES = "replay_bytes"
    TRANSACTION_AGE = "transaction_age"
    WAL_RATE = "wal_rate"
    CONNECTIONS = "connections"
    CONNECTIONS_SHARE = "connections_share"
    VACUUM = "vacuum"
    GO_WHEN = "go_when"
    WINDOW = "window"
    WAL_BUDGET = "wal_budget"


@dataclass(frozen=True, slots=True)
class About:
    """What there is to know of a signal: the unit of its readings and limits; how a person is told
    of one above its limit, with {value}, {limit} and {detail}; and its NAME in `--wait-while`,
    `--critical` and `--max-NAME`, which may limit several that tell the same in different units."""

    unit: Unit
    sentence: str
    name: str = ""


#: A new signal is a line of `Signal`, one here, and a reader in `pressure`.
SIGNALS: Mapping[Signal, About] = {
    Signal.LOCK_WAITERS: About(
        Unit.COUNT, "{value} sessions wait for a lock of ours (limit {limit})", "lock-waiters"
    ),
    Signal.REPLAY_LAG: About(
        Unit.SECONDS, "standby {detail} is {value} behind (limit {limit})", "replay-lag"
    ),
    Signal.REPLAY_BYTES: About(
        Unit.BYTES, "standby {detail} is {value} behind (limit {limit})", "replay-lag"
    ),
    Signal.TRANSACTION_AGE: About(
        Unit.SECONDS, "a transaction is {value} old (limit {limit}): {detail}", "transaction-age"
    ),
    Signal.WAL_RATE: About(
        Unit.BYTES, "the server writes {value} of WAL a second (limit {limit})", "wal-rate"
    ),
    Signal.CONNECTIONS: About(
        Unit.COUNT, "{value} connections are open (limit {limit})", "connections"
    ),
    Signal.CONNECTIONS_SHARE: About(
        Unit.PERCENT, "{value} of all connections are open (limit {limit})", "connections"
    ),
    Signal.VACUUM: About(Unit.COUNT, "a vacuum is at work on {detail}"),
    Signal.GO_WHEN: About(Unit.COUNT, "--go-when does not say true"),
    Signal.WINDOW: About(Unit.COUNT, "outside the window {detail}"),
}


class Move(StrEnum):
    """What a run does next."""

    GO = "go"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Limit:
    """Above `pause` a run waits, above `stop` it ends; None for never. In the signal's unit."""

    pause: float | None = None
    stop: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a signal said at `at` (monotonic seconds); `detail` names whose value it is."""

    signal: Signal
    value: float
    detail: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The next move and, unless it is to go, which signal decided and a sentence that says why."""

    move: Move
    signal: Signal | None = None
    reason: str = ""


GO = Verdict(Move.GO)
DEFAULT_LIMITS: Mapping[Signal, Limit] = {Signal.LOCK_WAITERS: Limit(pause=0)}


@dataclass(frozen=True, slots=True)
class Throttle:
    """When a run waits and when it stops. `wal_budget` is bytes a second that it may write itself.

    `standbys` must be connected while a replay lag is watched; `go_when` is a query that returns
    true while the run may write.
    """

    limits: Mapping[Signal, Limit] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    standbys: tuple[str, ...] = ()
    window: Window | None = None
    go_when: str = ""
    wal_budget: float | None = None

    @property
    def watched(self) -> tuple[Signal, ...]:
        """The signals that must be read."""
        return tuple(self.limits)

    def as_json(self) -> dict[str, Any]:
        """Return what `run.json` records; the query itself stands among the parameters."""
        return {
            "limits": {
                signal.value: {"pause": limit.pause, "stop": limit.stop}
                for signal, limit in self.limits.items()
            },
            "standbys": list(self.standbys),
            "window": str(self.window) if self.window else None,
            "go_when": bool(self.go_when),
            "wal_budget": self.wal_budget,
        }


def judge(
    limits: Mapping[Signal, Limit],
    readings: Mapping[Signal, Reading],
    failures: Mapping[Signal, str],
    now: float,
) -> Verdict:
    """Return the next move. `failures` says why a signal could not be read the last time.

    A critical reading stops before anything makes wait; an old one is no reading.
    """
    pause: Verdict | None = None
    for signal, limit in limits.items():
        reading = readings.get(signal)
        if reading is None or now - reading.at > READABLE_SECONDS:
            pause = pause or Verdict(Move.PAUSE, signal, _unreadable(signal, failures.get(signal)))
        elif limit.stop is not None and reading.value > limit.stop:
            return Verdict(Move.STOP, signal, _sentence(reading, limit.stop))
        elif limit.pause is not None and reading.value > limit.pause:
            pause = pause or Verdict(Move.PAUSE, signal, _sentence(reading, limit.pause))
    return pause or GO


def _unreadable(signal: Signal, why: str | None) -> str:
    name = signal.value.replace("_", " ")
    return f"{name} can not be read: {why}" if why else f"{name} is not known yet"


def _sentence(reading: Reading, limit: float) -> str:
    about = SIGNALS[reading.signal]
    value, most = (Quantity(amount, about.unit) for amount in (reading.value, limit))
    return about.sentence.format(value=value, limit=most, detail=reading.detail)


class WalBudget:
    """How long to wait so that a run writes no more WAL a second than it may.

    What was written is paid for by time: bytes over the budget become seconds of waiting.
    """

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._free_at = 0.0

    def spend(self, written: int, began: float) -> None:
        """Note that `written` bytes were written from `began` (monotonic seconds) on."""
        self._free_at = max(self._free_at, began) + written / self._rate

    def judge(self, now: float) -> Verdict:
        """Return whether the next chunk may be written."""
        left = self._free_at - now
        if left <= 0:
            return GO
        budget = Quantity(self._rate, Unit.BYTES)
        return Verdict(
            Move.PAUSE,
            Signal.WAL_BUDGET,
            f"the WAL budget of {budget} a second is spent for {left:.1f} s",
        )
