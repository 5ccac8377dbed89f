"""When a run goes, waits or stops: pure decisions, with readings and a clock that tests make."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pytest

from backfill.errors import UsageError
from backfill.parameters import REVERT_PARAMETERS, check_parameters
from backfill.politeness.quantity import Quantity, Unit, quantity, window_from
from backfill.politeness.signals import Signal
from backfill.politeness.throttle import (
    DEFAULT_LIMITS,
    Hold,
    Limit,
    SignalReading,
    Throttle,
    WalBudget,
    judge,
    throttle_from,
)


def throttle(**given: Any) -> Throttle:
    """Return the throttle of parameters as a notebook gives them."""
    return throttle_from(check_parameters(REVERT_PARAMETERS, given, ()))


def lag(value: float, at: float = 100.0) -> dict[Signal, SignalReading]:
    return {Signal.REPLAY_LAG: SignalReading(value, "far", at)}


def test_a_signal_without_a_flag_of_its_own_is_limited_by_its_name() -> None:
    values = check_parameters(REVERT_PARAMETERS, {"wait_while": ["wal-rate:1kB"]}, ())
    del values["max_wal_rate"]

    assert throttle_from(values).limits[Signal.WAL_RATE] == Limit(pause=1024)


# -- judging ------------------------------------------------------------------------------------


def test_a_reading_at_its_limit_goes_and_one_above_waits_with_its_reason() -> None:
    limits = {Signal.REPLAY_LAG: Limit(pause=10)}

    assert judge(limits, lag(10), {}, 101) is None
    assert judge(limits, lag(12.5), {}, 101) == Hold(
        Signal.REPLAY_LAG, "standby far is 12.5 s behind (limit 10 s)"
    )


def test_a_critical_reading_stops_even_when_another_signal_only_waits() -> None:
    limits = {Signal.VACUUM: Limit(pause=0), Signal.REPLAY_LAG: Limit(pause=10, stop=60)}
    readings = {Signal.VACUUM: SignalReading(1, "events", 100), **lag(61)}

    assert judge(limits, readings, {}, 101) == Hold(
        Signal.REPLAY_LAG, "standby far is 1.017 min behind (limit 1 min)", is_critical=True
    )


def test_a_signal_that_is_not_known_for_fifteen_seconds_never_goes() -> None:
    limits = {Signal.REPLAY_LAG: Limit(pause=10)}
    failures = {Signal.REPLAY_LAG: "permission denied"}

    assert judge(limits, lag(0, at=100), failures, 115) is None
    assert judge(limits, lag(0, at=100), failures, 115.1) == Hold(
        Signal.REPLAY_LAG, "replay lag can not be read: permission denied"
    )
    assert judge(limits, {}, {}, 0) == Hold(Signal.REPLAY_LAG, "replay lag is not known yet")


def test_an_old_critical_reading_waits_and_does_not_stop() -> None:
    limits = {Signal.REPLAY_LAG: Limit(stop=60)}

    hold = judge(limits, lag(500, at=0), {}, 16)

    assert hold is not None
    assert not hold.is_critical


def test_a_standby_that_catches_up_is_behind_by_an_unknown_time() -> None:
    hold = judge({Signal.REPLAY_LAG: Limit(pause=10)}, lag(math.inf), {}, 100)

    assert hold is not None
    assert hold.reason == "standby far is an unknown time behind (limit 10 s)"


def test_a_wal_budget_turns_bytes_into_waiting() -> None:
    budget = WalBudget(1_000)

    budget.spend(500, began=10.0)
    budget.spend(500, began=10.2)

    assert budget.judge(10.9) == Hold(
        Signal.WAL_BUDGET, "the WAL budget of 1000 B a second is spent for 0.1 s"
    )
    assert budget.judge(11.0) is None


def test_time_that_passed_idle_is_no_credit_for_a_wal_budget() -> None:
    budget = WalBudget(1_000)

    budget.spend(100, began=10.0)
    budget.spend(2_000, began=50.0)

    assert budget.judge(51.9) is not None
    assert budget.judge(52.0) is None


# -- options ------------------------------------------------------------------------------------


def test_without_options_only_lock_waiters_are_watched() -> None:
    assert throttle() == Throttle()
    assert dict(DEFAULT_LIMITS) == {Signal.LOCK_WAITERS: Limit(pause=0)}
    assert throttle(max_lock_waiters=-1).limits == {}


def test_every_option_sets_the_limit_of_its_signal() -> None:
    found = throttle(
        max_lock_waiters=2,
        max_replay_lag="10s,64MB",
        standby=["far"],
        max_transaction_age="5min",
        max_wal_rate="16MB",
        max_connections="75%",
        yield_to_vacuum=True,
        go_when="SELECT true",
        window="22:00-05:00 Europe/Stockholm",
        wal_budget="512kB",
        critical=["connections:95%", "lock-waiters:50"],
    )

    assert found.limits == {
        Signal.LOCK_WAITERS: Limit(2, 50),
        Signal.REPLAY_LAG: Limit(10),
        Signal.REPLAY_BYTES: Limit(64 * 1024**2),
        Signal.TRANSACTION_AGE: Limit(300),
        Signal.WAL_RATE: Limit(16 * 1024**2),
        Signal.CONNECTIONS_SHARE: Limit(75, 95),
        Signal.VACUUM: Limit(0),
        Signal.GO_WHEN: Limit(0),
        Signal.WINDOW: Limit(0),
    }
    assert (found.standbys, found.go_when) == (("far",), "SELECT true")
    assert found.wal_budget == 512 * 1024
    assert throttle(max_connections=80).limits[Signal.CONNECTIONS] == Limit(80)


def test_one_option_names_any_signal() -> None:
    named = throttle(wait_while=["lock-waiters:3", "replay-lag:20s,1GB", "connections:40"])

    assert named == throttle(
        max_lock_waiters=3, max_replay_lag="20s,1GB", max_connections="40", wait_while=[]
    )


def test_a_query_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "go.sql"
    file.write_text("SELECT true\n")

    assert throttle(go_when_file=str(file)).go_when == "SELECT true"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"max_replay_lag": "soon"}, "--max-replay-lag must be a number with ms, s, min, h, B"),
        ({"max_replay_lag": "10s,20s"}, "two amounts of one kind"),
        ({"max_wal_rate": "10s"}, "--max-wal-rate must be a number with B, kB, MB, GB"),
        ({"max_transaction_age": "-5s"}, "--max-transaction-age must be a number"),
        ({"max_connections": "75%", "critical": ["connections:70%"]}, "it would never wait"),
        ({"wait_while": ["load:3"]}, "--wait-while 'load:3' is not NAME:AMOUNT"),
        ({"wait_while": ["wal-rate:5min"]}, "--wait-while wal-rate must be a number with B"),
        ({"critical": ["load:3"]}, "NAME is one of lock-waiters, replay-lag"),
        ({"critical": ["connections"]}, "is not NAME:AMOUNT"),
        ({"standby": ["far"]}, "say how much with --max-replay-lag"),
        ({"wal_budget": "0"}, "more than nothing"),
        ({"go_when": "SELECT true", "go_when_file": "x"}, "give one of them"),
        ({"go_when_file": "/nowhere/go.sql"}, "No such file"),
        ({"window": "always"}, "not two times and a zone"),
        ({"window": "22:00-05:00 Stockholm"}, "Near: Europe/Stockholm"),
        ({"window": "22:00-25:00 Europe/Stockholm"}, "25:00 is no time of a day"),
        ({"window": "22:00-22:00 Europe/Stockholm"}, "opens and closes at once"),
    ],
)
def test_an_option_that_can_not_be_meant_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=r".") as refused:
        throttle(**given)

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "meant", "spelt"),
    [
        ("90", Quantity(90, Unit.SECONDS), "1.5 min"),
        ("500ms", Quantity(0.5, Unit.SECONDS), "0.5 s"),
        ("2 h", Quantity(7_200, Unit.SECONDS), "2 h"),
        ("1.5GB", Quantity(1.5 * 1024**3, Unit.BYTES), "1.5 GB"),
        ("100B", Quantity(100, Unit.BYTES), "100 B"),
    ],
)
def test_amounts_are_read_and_spelt_with_their_units(
    text: str, meant: Quantity, spelt: str
) -> None:
    found = quantity("it", text, (Unit.SECONDS, Unit.BYTES))

    assert (found, str(found)) == (meant, spelt)


# -- the window ---------------------------------------------------------------------------------


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        ("2026-01-15 20:59", False),  # 21:59 in Stockholm
        ("2026-01-15 21:00", True),
        ("2026-01-15 23:30", True),  # over midnight
        ("2026-01-16 03:59", True),
        ("2026-01-16 04:00", False),
        ("2026-07-15 20:00", True),  # summer: one hour earlier in UTC
        ("2026-07-16 03:00", False),
    ],
)
def test_a_window_over_midnight_follows_the_wall_clock_of_its_zone(utc: str, is_open: bool) -> None:
    window = window_from("22:00-05:00 Europe/Stockholm")

    assert window.is_open(instant(utc)) is is_open


def test_an_hour_that_happens_twice_is_open_twice_and_one_left_out_is_not_waited_for() -> None:
    window = window_from("02:00-03:00 Europe/Stockholm")

    assert [window.is_open(instant(f"2026-10-25 {t}")) for t in ("00:30", "01:30", "02:30")] == [
        True,
        True,
        False,
    ]
    assert not any(window.is_open(instant(f"2026-03-29 {hour:02}:30")) for hour in range(24))


def test_a_window_until_the_end_of_the_day_may_say_24() -> None:
    window = window_from("20:00-24:00 UTC")

    assert window.is_open(instant("2026-01-15 23:59"))
    assert not window.is_open(instant("2026-01-16 00:00"))
