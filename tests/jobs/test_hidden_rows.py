"""Rows that a role may not see: the gate does not say that nothing is pending."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo
from tests.engine.workshop import Bench, load_noons
from tests.jobs.command_line import Said, run_here

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

ALL = "GRANT SELECT ON events, household TO {role}"
#: What hides rows from a role, and whether the gate still sees some that are pending.
HIDING = {
    "all rows": ("ALTER TABLE events ENABLE ROW LEVEL SECURITY", ALL),
    "rows of others": (
        "ALTER TABLE events ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON events USING (household_id = 'hh_' || current_user)",
        ALL,
    ),
    "a table of one's own, forced": (
        "ALTER TABLE events ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE events FORCE ROW LEVEL SECURITY",
        "ALTER TABLE events OWNER TO {role}",
        "GRANT SELECT ON household TO {role}",
    ),
    "people": (
        "UPDATE events SET start_at_utc = 1, end_at_utc = 2",
        "ALTER TABLE household ENABLE ROW LEVEL SECURITY",
        ALL,
    ),
}


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    return bench_from("noons", load_noons)


@pytest.fixture
def role(bench: Bench) -> Iterator[str]:
    name = f"looker_{secrets.token_hex(4)}"
    bench.sql(f"CREATE ROLE {name} LOGIN")
    yield name
    bench.sql(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
    bench.sql(f"DROP OWNED BY {name}")
    bench.sql(f"DROP ROLE {name}")


def _ask(bench: Bench, role: str, *arguments: str) -> Said:
    return run_here(make_conninfo(bench.dsn, user=role), bench.runs, *arguments)


@pytest.mark.parametrize("statements", HIDING.values(), ids=HIDING.keys())
def test_the_gate_stays_shut_where_rows_may_be_hidden(
    bench: Bench, role: str, statements: tuple[str, ...]
) -> None:
    for statement in statements:
        bench.sql(statement.format(role=role))

    gate = _ask(bench, role, "check")
    status = _ask(bench, role, "status")

    assert (gate.code, gate.summary["total_pending"]) == (3, 0)
    assert "Row-level security is active on public." in gate.err
    assert "BYPASSRLS" in gate.err
    assert status.code == 0
    assert "Row-level security is active on public." in status.out


@pytest.mark.parametrize("reads_as", ["whoever asks", "another owner", "the owner of all"])
def test_rows_hidden_behind_a_view_that_is_looked_up_are_told(
    bench: Bench, role: str, tmp_path: Path, reads_as: str
) -> None:
    if bench.connection.info.server_version < 150000 and reads_as == "whoever asks":
        return  # no view of theirs reads so
    how = "WITH (security_invoker)" if reads_as == "whoever asks" else ""
    bench.sql("CREATE TABLE vet (id int PRIMARY KEY, home text)")
    bench.sql("ALTER TABLE vet ENABLE ROW LEVEL SECURITY")
    bench.sql(f"CREATE VIEW vets {how} AS SELECT * FROM vet")
    bench.sql("CREATE VIEW all_vets AS SELECT * FROM vets" if not how else "SELECT 1")
    view = "vets" if how else "all_vets"
    bench.sql("CREATE TABLE visit (id int PRIMARY KEY, vet int, wall timestamp, utc timestamptz)")
    bench.sql(f"GRANT SELECT ON visit, vet, vets, {view} TO {role}")
    if reads_as == "another owner":
        bench.sql(f"GRANT CREATE ON SCHEMA public TO {role}")
        bench.sql(f"ALTER VIEW vets OWNER TO {role}")
    spec = tmp_path / "visits.toml"
    spec.write_text(
        'table = "visit"\nkey = "id"\nzone = "of_vet.home"\n'
        'pairs = [{ wall = "wall", target = "utc" }]\n'
        f'[[lookup]]\nname = "of_vet"\ntable = "{view}"\nkey = "id"\nby = "vet"\n'
    )

    gate = _ask(bench, role, "check", "--table", str(spec))

    is_told = f"Row-level security is active on public.{view}" in gate.err
    assert is_told is (reads_as != "the owner of all"), gate.err
    assert gate.code == (3 if is_told else 0)


def test_what_is_seen_to_be_pending_counts_with_the_same_warning(bench: Bench, role: str) -> None:
    bench.sql(ALL.format(role=role))
    bench.sql("ALTER TABLE events ENABLE ROW LEVEL SECURITY")
    bench.sql("CREATE POLICY few ON events USING (id <= 'e03')")

    gate = _ask(bench, role, "check")

    assert (gate.code, gate.summary["total_pending"]) == (8, 3)
    assert "Row-level security is active on public.events" in gate.err


@pytest.mark.parametrize("right", ["BYPASSRLS", "owner"])
def test_who_sees_all_is_not_warned(bench: Bench, role: str, right: str) -> None:
    bench.sql("UPDATE events SET start_at_utc = 1, end_at_utc = 2")
    bench.sql("ALTER TABLE events ENABLE ROW LEVEL SECURITY")
    bench.sql(ALL.format(role=role))
    change = "ALTER TABLE events OWNER TO {}" if right == "owner" else "ALTER ROLE {} BYPASSRLS"
    bench.sql(change.format(role))

    gate = _ask(bench, role, "check")

    assert (gate.code, gate.err) == (0, "")


@pytest.mark.parametrize("lacking", ["tz ON household", "start_at ON events", "every"])
def test_a_right_that_is_missing_is_named_and_no_fault_of_ours(
    bench: Bench, role: str, lacking: str
) -> None:
    if lacking != "every":
        bench.sql(ALL.format(role=role))
        column, table = lacking.split(" ON ")
        rest = [
            name
            for (name,) in bench.sql(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " AND attname <> %s",
                table,
                column,
            )
        ]
        bench.sql(f"REVOKE SELECT ON {table} FROM {role}")
        bench.sql(f"GRANT SELECT ({', '.join(rest)}) ON {table} TO {role}")
    bench.plan()  # as the owner: there is a record that the role may not read

    for command in (["check"], ["status"], ["verify", "latest"], ["apply", "latest"]):
        said = _ask(bench, role, *command)

        assert said.code == 3, (command, said.out)
        assert "Traceback" not in said.err
        assert "backfill grants" in said.err or "GRANT" in said.err
