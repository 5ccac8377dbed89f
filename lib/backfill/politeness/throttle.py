"""Whether a run may write its next chunk: go, wait, or stop. Readings and the clock come in.

For each signal, a limit may say above what the run waits, and above what it stops. A signal that
is asked for must be known: one that could not be read for `READABLE_SECONDS` makes the run wait
as well, and so does one not read yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from backfill.errors import UsageError
from backfill.politeness.quantity import Quantity, Unit, Window, quantity, window_from
from backfill.politeness.signals import SIGNALS, Signal
from backfill.regular_file import document_text

READABLE_SECONDS = 15.0
#: The signals with a number for a limit, by the name that flags give them.
_NUMBERED = {
    about.name: tuple(signal for signal in SIGNALS if SIGNALS[signal].name == about.name)
    for about in SIGNALS.values()
    if about.name
}
_UNWATCHED = ("", -1)


@dataclass(frozen=True, slots=True)
class Limit:
    """Above `pause` a run waits, above `stop` it ends; None for never. In the signal's unit."""

    pause: float | None = None
    stop: float | None = None


@dataclass(frozen=True, slots=True)
class SignalReading:
    """What a signal said at `at` (monotonic seconds); `detail` names whose value it is."""

    value: float
    detail: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """Why the next chunk may not be written: the signal that decided, and a sentence. A critical
    one ends the run."""

    signal: Signal
    reason: str
    is_critical: bool = False


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

    def as_json(self) -> dict[str, Any]:
        """Return what `run.json` records; the query itself stands among the parameters."""
        return {
            "limits": {signal.value: asdict(limit) for signal, limit in self.limits.items()},
            "standbys": list(self.standbys),
            "window": str(self.window) if self.window else None,
            "go_when": bool(self.go_when),
            "wal_budget": self.wal_budget,
        }


def judge(
    limits: Mapping[Signal, Limit],
    readings: Mapping[Signal, SignalReading],
    failures: Mapping[Signal, str],
    now: float,
) -> Hold | None:
    """Return what holds the run, None to go. `failures` says why a signal could not be read last.

    A critical reading stops before anything makes wait; an old one is no reading.
    """
    holds: list[Hold] = []
    for signal, limit in limits.items():
        reading = readings.get(signal)
        if reading is None or now - reading.at > READABLE_SECONDS:
            why, name = failures.get(signal), signal.value.replace("_", " ")
            said = f"can not be read: {why}" if why else "is not known yet"
            holds.append(Hold(signal, f"{name} {said}"))
        elif limit.stop is not None and reading.value > limit.stop:
            return Hold(signal, _sentence(signal, reading, limit.stop), is_critical=True)
        elif limit.pause is not None and reading.value > limit.pause:
            holds.append(Hold(signal, _sentence(signal, reading, limit.pause)))
    return holds[0] if holds else None


def _sentence(signal: Signal, reading: SignalReading, limit: float) -> str:
    about = SIGNALS[signal]
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

    def judge(self, now: float) -> Hold | None:
        """Return what holds the next chunk, None where it may be written."""
        if (left := self._free_at - now) <= 0:
            return None
        budget = str(Quantity(self._rate, Unit.BYTES))
        reading = SignalReading(round(left, 1), budget)
        return Hold(Signal.WAL_BUDGET, _sentence(Signal.WAL_BUDGET, reading, 0))


# -- what a run's parameters mean ---------------------------------------------------------------


def throttle_from(values: Mapping[str, Any]) -> Throttle:
    """Return the throttle of checked parameters; raise `UsageError` for what can not be meant.

    Reads the file that `go_when_file` names.
    """
    query = _query(values["go_when"], values["go_when_file"])
    window = window_from(values["window"]) if values["window"] else None
    pauses: dict[Signal, float] = {}
    for name in _NUMBERED:
        # A signal need not have a flag of its own: --wait-while takes its name.
        if (given := values.get(f"max_{name.replace('-', '_')}", "")) not in _UNWATCHED:
            pauses |= _amounts(f"--max-{name}", name, str(given))
    pauses |= _named("--wait-while", values["wait_while"])
    switches = {
        Signal.VACUUM: values["yield_to_vacuum"],
        Signal.GO_WHEN: query,
        Signal.WINDOW: window,
    }
    pauses |= {signal: 0.0 for signal, is_on in switches.items() if is_on}
    stops = _named("--critical", values["critical"])
    limits = {
        signal: _limit(signal, pauses.get(signal), stops.get(signal))
        for signal in Signal
        if signal in pauses or signal in stops
    }
    standbys = tuple(values["standby"])
    if standbys and not limits.keys() & set(_NUMBERED["replay-lag"]):
        raise UsageError("--standby names whose lag counts: say how much with --max-replay-lag.")
    return Throttle(limits, standbys, window, query, _wal_budget(values["wal_budget"]))


def _named(flag: str, given: Sequence[str]) -> dict[Signal, float]:
    """Return limits that were given as NAME:AMOUNT."""
    limits: dict[Signal, float] = {}
    for text in given:
        name, colon, amount = text.partition(":")
        if not colon or name not in _NUMBERED:
            raise UsageError(
                f"{flag} {text!r} is not NAME:AMOUNT, like connections:95%; NAME is one of "
                f"{', '.join(_NUMBERED)}."
            )
        limits |= _amounts(f"{flag} {name}", name, amount)
    return limits


def _amounts(flag: str, name: str, text: str) -> dict[Signal, float]:
    """Return limits by signal: the unit says which is meant, and commas part several."""
    by_unit = {SIGNALS[signal].unit: signal for signal in _NUMBERED[name]}
    limits: dict[Signal, float] = {}
    for part in text.split(","):
        meant = quantity(flag, part, tuple(by_unit))
        signal = by_unit[meant.unit]
        if signal in limits:
            raise UsageError(f"{flag} {text!r} gives two amounts of one kind.")
        limits[signal] = meant.amount
    return limits


def _limit(signal: Signal, pause: float | None, stop: float | None) -> Limit:
    if pause is not None and stop is not None and stop < pause:
        name = signal.value.replace("_", " ")
        raise UsageError(
            f"The critical {name} is below the limit that makes a run wait: it would never wait."
        )
    return Limit(pause, stop)


def _wal_budget(text: str) -> float | None:
    if not text:
        return None
    amount = quantity("--wal-budget", text, (Unit.BYTES,)).amount
    if amount <= 0:
        raise UsageError("--wal-budget must be more than nothing; leave it out for no limit.")
    return amount


def _query(text: str, path: str) -> str:
    if text and path:
        raise UsageError("--go-when and --go-when-file say the same: give one of them.")
    if not path:
        return text
    if not (query := document_text("--go-when-file", Path(path)).strip()):
        raise UsageError(f"--go-when-file {path} is empty: it must hold one query.")
    return query
