"""Least rights, private files, no way out of the runs' folder."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from typing import Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from tests.chaos.selftest.case import case
from tests.chaos.selftest.claims import Disproved, equal, says, silent_about
from tests.chaos.selftest.world import World

from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.jobs.utc.resolve import resolve_table
from backfill.jobs.utc.table_spec import EVENTS
from backfill.server.grants import Roles, grants_for
from backfill.server.rights import rights_on
from backfill.which_folder import run_folders


@contextlib.contextmanager
def _roles(world: World) -> Iterator[tuple[str, str]]:
    """Yield the URLs of planner and applier, who have what `backfill grants` prints and no more."""
    mark = f"{world.draw.getrandbits(40):x}"
    planner, applier = f"planner_{mark}", f'app"lier_{mark}'
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in (planner, applier)]
    for name in quoted:
        world.sql(f"CREATE ROLE {name} LOGIN")
    try:
        # What a role may do that nobody was granted anything: nothing must lean on it.
        world.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        table = resolve_table(world.connection, EVENTS).table
        script = grants_for("utc", rights_on(table), Roles(planner, applier))
        world.connection.execute(cast(Any, script))
        yield (
            world.dsn.replace("postgres@", f"{planner}@"),
            world.dsn.replace("postgres@", f"{applier.replace(chr(34), '%22')}@"),
        )
    finally:
        for name in quoted:
            world.sql(f"DROP OWNED BY {name}")
            world.sql(f"DROP ROLE {name}")


@case("rights.least")
def _least_rights(world: World) -> None:
    """Planner and applier work with exactly the rights that backfill grants prints."""
    before = world.table()
    promised = world.promised()
    with _roles(world) as (planner, applier):
        planned = world.plan(_dsn=planner)
        planned.went_well("of the plan")
        silent_about(planned.messages, "in its folder only")
        run_id = planned.run_id
        equal("the run is in the database", world.status(run_id), "planned")
        refused = world.apply(run_id, _dsn=planner)
        # Nothing has begun: the way on is to apply, and resume would refuse.
        refused.exited(3, "permission denied", f"backfill apply {run_id}", whose="of the planner")
        equal("status after the refusal", world.status(run_id), "planned")
        world.apply(run_id, _dsn=applier).went_well("of the apply")
        world.has_left(run_id, promised)
        equal("evidence check", world.evidence(run_id), [])
        world.revert(run_id, apply=True, _dsn=applier).went_well("of the revert")
        equal("table after the revert", world.table(), before)
        equal("status", world.status(run_id), "reverted")
        _may_not(planner, "UPDATE events SET start_at_utc = 1")
        _may_not(planner, "DELETE FROM backfill.run")
        for statement in (
            "UPDATE events SET tz = 'UTC'",
            "UPDATE events SET updated_at = 1",
            "DELETE FROM events",
            "INSERT INTO events (id, household_id) VALUES ('x', 'y')",
            "UPDATE household SET tz = 'UTC'",
            "UPDATE backfill.checkpoint SET scanned = 0",
            "DELETE FROM backfill.checkpoint",
            "UPDATE backfill.chunk_image SET rows = 0",
            "DELETE FROM backfill.skip",
            "CREATE TABLE public.mine (id int)",
        ):
            _may_not(applier, statement)


def _may_not(dsn: str, statement: str) -> None:
    try:
        with psycopg.connect(dsn) as connection:
            connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return
    raise Disproved(f"the role may {statement}")


@case("rights.owner_applies")
def _owner_applies(world: World) -> None:
    """A plan of a role with few rights can be applied by one with more."""
    with _roles(world) as (planner, _applier):
        planned = world.plan(_dsn=planner)

    world.apply(planned.run_id).went_well()


@case("rights.private_files")
def _private_files(world: World) -> None:
    """Files of a run are 0600, folders 0700."""
    run_id = world.plan(apply=True).run_id
    world.revert(run_id, apply=True)
    world.kill("utc", "backfill.plans.plan:write_changes@after")
    for path in world.runs.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        name = path.relative_to(world.runs)
        equal(f"mode of {name}", oct(mode), oct(0o700 if path.is_dir() else 0o600))


@case("rights.paths")
def _way_out(world: World) -> None:
    """No run id leads out of the folder of runs."""
    world.plan()
    for run_id in (
        "../../etc/passwd",
        "..",
        "/etc",
        "20261122T234000Z-utc-3f9c1a/../../x",
        "20261122T234000Z-utc-3f9c1a\n",
        "20261122T234000Z-../x-3f9c1a",
        "a\0b",
        "",
        "%",
    ):
        try:
            RunFolder.of(world.runs, run_id)
        except UsageError as error:
            says(str(error), "is not a run id")
        else:
            raise Disproved(f"{run_id!r} passed as a run id")
        if "\0" in run_id or not run_id:
            continue
        world.apply(run_id).exited(2, whose=f"of applying {run_id!r}")
    equal("folders", len(run_folders(world.runs)), 1)


@case("rights.password")
def _no_password(world: World) -> None:
    """A refused password is shown and written nowhere."""
    secret = f"s3cret-{world.draw.getrandbits(60):x}"
    role = f"locked_{world.draw.getrandbits(40):x}"
    rules = world.stage.server.data / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    world.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'another'")
    try:
        rules.write_text(f"local all {role} scram-sha-256\n{before}", encoding="utf-8")
        world.sql("SELECT pg_reload_conf()")
        dsn = world.dsn.replace("postgres@", f"{role}:{secret}@")
        world.wait_until(
            "SELECT count(*) > 0 FROM pg_hba_file_rules WHERE user_name = ARRAY[%s]::text[]", role
        )
        for verb in ("utc", "apply", "revert"):
            ended = world.start(verb, _dsn=dsn).end()
            ended.exited(1, "password authentication failed", "backfill doctor")
            silent_about(f"{ended}", secret)
    finally:
        rules.write_text(before, encoding="utf-8")
        world.sql("SELECT pg_reload_conf()")
        world.sql(f"DROP ROLE {role}")
    for path in [*world.runs.rglob("*")] if world.runs.exists() else []:
        if path.is_file():
            silent_about(path.read_text(encoding="utf-8", errors="replace"), secret)
    holds_database = conninfo_to_dict(world.dsn)["dbname"]
    equal("the database is there", world.scalar("SELECT current_database()"), holds_database)
