"""Planner, applier, reader, operator: what each may do, and that it may do nothing else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tests.engine.workshop import Bench, Connection
from tests.jobs.command_line import Said, run_here
from tests.jobs.printed import Typed
from tests.pasted import commands_in

from backfill.errors import PreflightError, StalePlan
from backfill.jobs.registry import kind_of
from backfill.jobs.utc.resolve import resolve_table
from backfill.jobs.utc.table_spec import EVENTS
from backfill.records.ledger import Ledger
from backfill.server.grants import PLANNED_COLUMNS, Roles, grants_for
from backfill.server.rights import rights_on
from backfill.steps.evidence_check import disagreements

REFUSED = psycopg.errors.InsufficientPrivilege
#: What a session of any role may take, as it may on every server.
ADVISORY = (7_214_906_113, 7_214_906_114, 7_214_906_115)


@dataclass(frozen=True)
class Staff:
    """A bench, and roles with what `backfill grants` prints and no more."""

    bench: Bench
    roles: Roles

    def dsn(self, role: str) -> str:
        return make_conninfo(self.bench.dsn, user=role)

    def connect(self, role: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.dsn(role), autocommit=True)

    def command(self, role: str, *arguments: str) -> Said:
        return run_here(self.dsn(role), self.bench.runs, *arguments)

    def plan(self, **given: Any) -> str:
        """Plan as the planner; return the run's id."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", self.dsn(self.roles.planner))
            return self.bench.plan(**given).run_id

    def apply(self, run_id: str, **given: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", self.dsn(self.roles.applier))
            self.bench.apply(run_id, **given)


@pytest.fixture
def staff(bench: Bench) -> Iterator[Staff]:
    mark = secrets.token_hex(4)
    names = [f"{what}_{mark}" for what in ("planner", 'app"lier', "rea'der", "operator")]
    quoted = [sql.Identifier(name).as_string(None) for name in names]
    for name in quoted:
        bench.sql(f"CREATE ROLE {name} LOGIN")
    bench.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    planner, applier, reader, operator = names
    roles = Roles(planner, applier, reader, operator, frozenset({reader, operator}))
    table = resolve_table(cast(Any, bench.connection), EVENTS).table
    script = grants_for("utc", rights_on(table), roles)
    bench.sql(script)
    bench.sql(script)  # a second time changes nothing
    yield Staff(bench, roles)
    for name in quoted:
        bench.sql(f"DROP OWNED BY {name}")
        bench.sql(f"DROP ROLE {name}")


@pytest.mark.pastes("command.doctor:_rights grants")
def test_the_doctor_asks_no_planner_for_the_rights_of_an_applier(
    staff: Staff, tmp_path: Path
) -> None:
    spec = tmp_path / "events.toml"
    spec.write_text(
        'table = "events"\nscope = "household_id"\nzone = "tz"\n'
        '[[pair]]\nwall = "start_at"\ntarget = "start_at_utc"\n'
    )
    roles = staff.roles
    of_planner, of_applier, of_reader = (
        staff.command(role, "doctor", "--table", str(spec))
        for role in (roles.planner, roles.applier, roles.reader)
    )

    assert of_planner.code == of_applier.code == 0
    assert f"{roles.planner} may plan, not apply" in of_planner.out
    assert "rights to apply: none, as a role has that only plans" in of_planner.out
    assert f"{roles.applier} may write to schema backfill" in of_applier.out
    assert (of_reader.code, "may neither plan nor apply" in of_reader.out) == (3, True)
    assert "GRANT" not in of_reader.out
    script = Typed(staff.bench).paste(commands_in(of_reader.out, "grants"))
    assert "GRANT SELECT" in script.out


# -- what each does -----------------------------------------------------------------------------


def test_the_staff_plans_applies_looks_and_reverts(staff: Staff) -> None:
    bench, roles = staff.bench, staff.roles
    before = bench.table()
    run_id = staff.plan()
    assert "in its folder only" not in bench.messages()
    assert disagreements(bench.folder(run_id), Ledger(cast(Any, bench.connection)), kind_of) == []

    staff.apply(run_id)

    assert bench.status(run_id) == "succeeded"
    assert disagreements(bench.folder(run_id), Ledger(cast(Any, bench.connection)), kind_of) == []
    assert staff.command(roles.reader, "status").code == 0
    assert staff.command(roles.reader, "status", run_id).code == 0
    assert staff.command(roles.reader, "check").code == 0
    verified = staff.command(roles.reader, "verify", run_id)
    assert (verified.code, verified.summary["verified"]) == (0, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", staff.dsn(roles.applier))
        bench.revert(run_id)
    assert bench.table() == before


@pytest.mark.parametrize("what", ["pause", "cancel"])
def test_an_operator_stops_a_run_and_can_do_nothing_else(staff: Staff, what: str) -> None:
    run_id = staff.plan()
    bench = staff.bench
    said: list[Said] = []

    def ask(step: str) -> None:
        if step == "after_commit" and not said:
            said.append(staff.command(staff.roles.operator, what, run_id))

    bench.dsn, owner = staff.dsn(staff.roles.applier), bench.dsn
    with pytest.raises(Exception, match=what):
        bench.apply_with(run_id, ask, chunk_rows=3)
    bench.dsn = owner

    assert said[0].code == 0, said[0].err
    assert bench.status(run_id) == {"pause": "paused", "cancel": "cancelled"}[what]
    assert len(bench.checkpoints(run_id)) == 1
    assert staff.command(staff.roles.operator, "cancel", staff.plan()).code == 0


def test_neither_planner_nor_reader_stops_a_run(staff: Staff) -> None:
    run_id = staff.plan()

    for role in (staff.roles.planner, staff.roles.reader):
        for what in ("cancel", "pause"):
            assert staff.command(role, what, run_id).code != 0

    assert staff.bench.status(run_id) == "planned"


# -- what nobody may ----------------------------------------------------------------------------


def test_planner_and_reader_can_change_nothing_of_the_record(staff: Staff) -> None:
    bench, roles = staff.bench, staff.roles
    staff.apply(staff.plan())
    staff.plan(household_id=["hh_demo"])
    before = _everything(bench)
    columns = bench.sql(
        "SELECT c.relname, array_agg(a.attname ORDER BY a.attnum) FROM pg_class AS c"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'backfill'::regnamespace AND c.relkind = 'r' GROUP BY 1"
    )
    assert len(columns) >= 8

    allowed = []
    for role in (roles.planner, roles.reader, roles.operator):
        with staff.connect(role) as session:
            attacks = _attacks(columns, role == roles.planner)
            allowed += [(role, attack) for attack in attacks if _may(session, attack)]

    assert allowed == []
    assert _everything(bench) == before


def _attacks(columns: list[tuple[Any, ...]], is_planner: bool) -> Iterator[str]:
    for table, names in columns:
        name = f"backfill.{table}"
        for column in names:
            yield f"UPDATE {name} SET {column} = {column}"
            if not (is_planner and table == "run" and column in PLANNED_COLUMNS):
                yield f"INSERT INTO {name} ({column}) SELECT {column} FROM {name}"
                yield f"COPY {name} ({column}) FROM STDIN"
        yield f"INSERT INTO {name} SELECT * FROM {name}"
        yield f"DELETE FROM {name}"
        yield f"TRUNCATE {name} CASCADE"
        yield f"SELECT FROM {name} FOR UPDATE"
        yield f"SELECT FROM {name} FOR KEY SHARE"
        yield f"LOCK TABLE {name} IN ROW EXCLUSIVE MODE"
        yield f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"
        fires = f"CREATE TRIGGER mine BEFORE INSERT ON {name} EXECUTE FUNCTION"
        yield f"{fires} suppress_redundant_updates_trigger()"
        yield f"CREATE RULE mine AS ON UPDATE TO {name} DO INSTEAD NOTHING"
        yield f"CREATE POLICY mine ON {name}"
        yield f"CREATE INDEX ON {name} ({names[0]})"
        yield f"ALTER TABLE {name} ADD mine int"
        yield f"ALTER TABLE {name} DISABLE TRIGGER ALL"
        yield f"COMMENT ON TABLE {name} IS 'mine'"
        yield f"REINDEX TABLE {name}"
        yield f"DROP TABLE {name} CASCADE"
    yield "DROP SCHEMA backfill CASCADE"
    yield "ALTER SCHEMA backfill RENAME TO mine"
    yield "CREATE TABLE backfill.mine (n int)"
    yield "CREATE FUNCTION backfill.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    yield "DROP FUNCTION backfill.request_stop(text, text)"
    yield "ALTER FUNCTION backfill.record_plan_sums(text, text) RESET search_path"
    yield "ALTER FUNCTION backfill.record_plan_sums(text, text) OWNER TO CURRENT_USER"
    yield (
        "CREATE OR REPLACE FUNCTION backfill.request_stop(of_run text, what text) RETURNS text"
        " LANGUAGE sql AS 'SELECT 1::text'"
    )
    yield "UPDATE public.events SET start_at_utc = 1"
    yield "DELETE FROM public.events"


def _may(session: Connection, statement: str) -> bool:
    """Whether the statement is not refused for want of a right."""
    session.execute("BEGIN")
    try:
        if statement.startswith("COPY"):
            with session.cursor().copy(statement.encode()):
                pass
        else:
            session.execute(statement.encode())
    except REFUSED:
        return False
    except psycopg.Error:  # a right that another error hides is one all the same
        return True
    finally:
        session.execute("ROLLBACK")
    return True


def _everything(bench: Bench) -> list[Any]:
    return [
        bench.sql(f"SELECT t::text FROM backfill.{table} AS t ORDER BY 1")
        for table in ("run", "checkpoint", "chunk_image", "skip", "part", "range", "applier")
    ]


def test_a_planner_can_not_register_a_run_as_anything_but_planned(staff: Staff) -> None:
    names = (*PLANNED_COLUMNS, "status", "lease_expires_at")
    values = "'x', 'utc', '{}', 'p', 1, '{}', '{}', NULL, '', '', '', 'running', '9999-01-01'"
    listed = ", ".join(names)
    with staff.connect(staff.roles.planner) as connection, pytest.raises(REFUSED):
        connection.execute(f"INSERT INTO backfill.run ({listed}) VALUES ({values})".encode())

    with staff.connect(staff.roles.planner) as connection:
        connection.execute(
            f"INSERT INTO backfill.run ({', '.join(PLANNED_COLUMNS)})"
            f" VALUES ({', '.join(values.split(', ')[:-2])})".encode()
        )

    found = "status, lease_token, lease_expires_at, sums_sha256, created_by, started_at"
    assert staff.bench.sql(f"SELECT {found} FROM backfill.run WHERE run_id = 'x'") == [
        ("planned", 0, None, None, staff.roles.planner, None)
    ]


def test_a_planner_vouches_for_its_own_plan_until_somebody_begins_it(staff: Staff) -> None:
    begun, others, mine = staff.plan(), staff.bench.plan().run_id, staff.plan()
    staff.apply(begun)
    kept = {
        run_id: staff.bench.scalar("SELECT sums_sha256 FROM backfill.run WHERE run_id = %s", run_id)
        for run_id in (begun, others)
    }

    with staff.connect(staff.roles.planner) as connection:
        for run_id in (begun, others, mine, "no such run"):
            row = connection.execute(
                "SELECT backfill.record_plan_sums(%s, repeat('ab', 32))", [run_id]
            ).fetchone()
            assert row == (run_id == mine,), run_id

    for run_id, digest in kept.items():
        assert digest == staff.bench.scalar(
            "SELECT sums_sha256 FROM backfill.run WHERE run_id = %s", run_id
        )


def test_whatever_a_planner_holds_an_applier_goes_on(staff: Staff) -> None:
    run_id = staff.plan()
    with staff.connect(staff.roles.planner) as other:
        for number in ADVISORY:
            other.execute("SELECT pg_advisory_lock(%s)", [number])
        other.execute("BEGIN")
        other.execute(
            "INSERT INTO backfill.run (run_id, job, scope, plan_id, plan_rows, settings, target,"
            " reverts, settings_fingerprint, database_fingerprint, tzdata_version)"
            " VALUES ('blocking', 'utc', '{}', 'p', 1, '{}', '{}', %s, '', '', '')",
            [run_id],
        )
        other.execute("LOCK TABLE backfill.run, backfill.gate IN ACCESS SHARE MODE")
        other.execute("SELECT id, start_at_utc FROM events")

        staff.apply(run_id, lock_timeout_ms=1_000)

        assert staff.command(staff.roles.operator, "cancel", staff.plan()).code == 0
        other.execute("ROLLBACK")
    assert staff.bench.status(run_id) == "succeeded"


def test_a_row_that_is_not_its_plans_is_not_applied(staff: Staff) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "register", lambda *_: None)
        run_id = staff.plan()
    frozen = staff.bench.folder(run_id).read_json("plan.json")
    target = {**frozen["target"], "table": {**frozen["target"]["table"], "deleted": "title"}}
    with staff.connect(staff.roles.planner) as connection:
        connection.execute(
            f"INSERT INTO backfill.run ({', '.join(PLANNED_COLUMNS)})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, NULL, %s, %s, %s)".encode(),
            [
                *(run_id, frozen["job"], json.dumps(frozen["scope"]), frozen["plan_id"]),
                *(frozen["rows"], json.dumps(frozen["settings"]), json.dumps(target)),
                *(frozen["settings_fingerprint"], frozen["database_fingerprint"]),
                frozen["tzdata_version"],
            ],
        )

    with pytest.raises(StalePlan, match=r"backfill\.run \(target\)"):
        staff.apply(run_id)


def test_functions_of_the_record_are_for_named_roles_and_find_names_in_one_place(
    staff: Staff,
) -> None:
    functions = staff.bench.sql(
        "SELECT oid::regprocedure::text, prosecdef, proconfig, proacl::text[] FROM pg_proc"
        " WHERE pronamespace = 'backfill'::regnamespace"
    )

    assert len(functions) == 2
    for name, is_definer, config, granted in functions:
        assert is_definer, name
        assert config == ["search_path=pg_catalog, pg_temp"], name
        assert not [right for right in granted if right.startswith("=")], name


def test_a_role_that_may_only_read_still_gets_its_plan(staff: Staff) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", staff.dsn(staff.roles.reader))
        book = staff.bench.plan()

    assert "in its folder only" in staff.bench.messages()
    assert staff.bench.summary(book)["exit_code"] == 0


# -- the record of earlier versions -------------------------------------------------------------


def make_old(bench: Bench) -> None:
    """Take from the record what the version before roles had not."""
    bench.sql("ALTER TABLE backfill.run ALTER COLUMN status DROP DEFAULT")
    bench.sql("DROP TABLE backfill.gate")
    bench.sql("DROP FUNCTION backfill.request_stop(text, text)")
    bench.sql("DROP FUNCTION backfill.record_plan_sums(text, text)")


def test_an_owner_goes_on_with_the_record_of_an_earlier_version(bench: Bench) -> None:
    first, second = bench.plan().run_id, bench.plan(household_id=["hh_demo"]).run_id
    make_old(bench)
    assert run_here(bench.dsn, bench.runs, "cancel", second).code == 0

    bench.apply(first)

    assert bench.status(second) == "cancelled"
    assert bench.verify(first).findings == []
    assert bench.sql("SELECT name FROM backfill.gate ORDER BY 1") == [("claim",), ("door",)]


def test_others_are_told_who_brings_an_earlier_record_up_to_date(staff: Staff) -> None:
    run_id = staff.plan()
    make_old(staff.bench)

    with pytest.raises(PreflightError, match=r"owner.*backfill grants"):
        staff.apply(run_id)

    assert staff.bench.filled()["e01"] == (None, None)
