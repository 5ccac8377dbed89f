"""The throttle that a run's parameters mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backfill.errors import UsageError
from backfill.politeness.quantity import Unit, quantity
from backfill.politeness.throttle import SIGNALS, Limit, Signal, Throttle
from backfill.politeness.window import window_from
from backfill.regular_file import read_document

#: The signals with a number for a limit, by the name that flags give them.
_NUMBERED = {
    name: tuple(signal for signal, about in SIGNALS.items() if about.name == name)
    for name in dict.fromkeys(about.name for about in SIGNALS.values() if about.name)
}
_UNWATCHED = ("", -1)


def throttle_from(values: Mapping[str, Any]) -> Throttle:
    """Return the throttle of checked parameters; raise `UsageError` for what can not be meant.

    Reads the file that `go_when_file` names.
    """
    query = _query(values["go_when"], values["go_when_file"])
    window = window_from(values["window"]) if values["window"] else None
    standbys = tuple(values["standby"])
    pauses = _pauses(values)
    pauses |= {signal: 0.0 for signal, is_on in _switches(values, query) if is_on}
    stops = _named("--critical", values["critical"])
    limits = {
        signal: _limit(signal, pauses.get(signal), stops.get(signal))
        for signal in Signal
        if signal in pauses or signal in stops
    }
    if standbys and not limits.keys() & {Signal.REPLAY_LAG, Signal.REPLAY_BYTES}:
        raise UsageError("--standby names whose lag counts: say how much with --max-replay-lag.")
    return Throttle(limits, standbys, window, query, _wal_budget(values["wal_budget"]))


def _switches(values: Mapping[str, Any], query: str) -> list[tuple[Signal, bool]]:
    return [
        (Signal.VACUUM, bool(values["yield_to_vacuum"])),
        (Signal.GO_WHEN, bool(query)),
        (Signal.WINDOW, bool(values["window"])),
    ]


def _pauses(values: Mapping[str, Any]) -> dict[Signal, float]:
    found: dict[Signal, float] = {}
    for name, signals in _NUMBERED.items():
        given = values[f"max_{name.replace('-', '_')}"]
        if given not in _UNWATCHED:
            found |= _amounts(f"--max-{name}", str(given), signals)
    return found | _named("--wait-while", values["wait_while"])


def _named(flag: str, given: Sequence[str]) -> dict[Signal, float]:
    """Return limits that were given as NAME:AMOUNT."""
    found: dict[Signal, float] = {}
    for text in given:
        name, colon, amount = text.partition(":")
        if not colon or name not in _NUMBERED:
            raise UsageError(
                f"{flag} {text!r} is not NAME:AMOUNT, like connections:95%; NAME is one of "
                f"{', '.join(_NUMBERED)}."
            )
        found |= _amounts(f"{flag} {name}", amount, _NUMBERED[name])
    return found


def _amounts(flag: str, text: str, signals: tuple[Signal, ...]) -> dict[Signal, float]:
    """Return limits by signal: the unit says which is meant, and commas part several."""
    by_unit = {SIGNALS[signal].unit: signal for signal in signals}
    found: dict[Signal, float] = {}
    for part in text.split(","):
        meant = quantity(flag, part, tuple(by_unit))
        signal = by_unit[meant.unit]
        if signal in found:
            raise UsageError(f"{flag} {text!r} gives two amounts of one kind.")
        found[signal] = meant.amount
    return found


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
    try:
        found = read_document(Path(path)).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"--go-when-file {path}: {reason}.") from None
    if not found:
        raise UsageError(f"--go-when-file {path} is empty: it must hold one query.")
    return found
