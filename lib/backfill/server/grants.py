"""The least rights of each role, as SQL for the database's owner to run.

The planner reads and registers its plan; the applier also writes the target columns and the
record; the reader looks and verifies; the operator pauses and cancels. All use the tool's own
tables, which the owner makes with the same script: no role needs CREATE on anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

from psycopg import sql

from backfill.server.rights import Right
from backfill.server.roles import APPLIER, OPERATOR, PLANNER, READER

LEDGER_TABLES = ("run", "checkpoint", "chunk_image", "skip", "part", "range", "applier", "gate")
#: In which an applier adds rows.
WRITTEN_TABLES = ("run", "checkpoint", "chunk_image", "skip", "part", "range", "applier")
#: What a planner says of its plan; everything else in the row is for others to say.
PLANNED_COLUMNS = (
    *("run_id", "job", "scope", "plan_id", "plan_rows", "settings", "target", "reverts"),
    *("settings_fingerprint", "database_fingerprint", "tzdata_version"),
)


@dataclass(frozen=True, slots=True)
class Roles:
    """Who does what, by name. Those in `if_there` get their rights only where they exist."""

    planner: str = PLANNER
    applier: str = APPLIER
    reader: str = READER
    operator: str = OPERATOR
    if_there: frozenset[str] = field(default_factory=lambda: frozenset({READER, OPERATOR}))

    @property
    def lookers(self) -> tuple[str, ...]:
        """Those who read the table of the job."""
        return tuple(dict.fromkeys((self.planner, self.applier, self.reader)))

    @property
    def everyone(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.lookers, self.operator)))


def grants_for(job: str, rights: Sequence[Right], roles: Roles) -> str:
    """Return the script for a job: who looks may read, who applies may also write."""
    script = _Script(job, roles)
    for schema in dict.fromkeys(right.relation.schema for right in rights):
        script.usage(schema, roles.lookers)
    for right in rights:
        holders = roles.lookers if right.what == "SELECT" else [roles.applier]
        script.grant(right.what, right.columns, right.relation.identifier, holders)
    return script.text()


@dataclass
class _Script:
    """The owner's script: the ledger, its rights, and what is added for the job."""

    job: str
    roles: Roles
    lines: list[str] = field(default_factory=list)
    optional: dict[str, list[str]] = field(default_factory=dict)  # by role that need not exist

    def __post_init__(self) -> None:
        roles = self.roles
        # What an earlier version's script granted, and this one does not, goes.
        revoked = "REVOKE ALL ON ALL TABLES IN SCHEMA backfill FROM {};"
        self._add(revoked, roles.everyone)
        self.usage("backfill", roles.everyone)
        self._on(LEDGER_TABLES, "SELECT", [], roles.everyone)
        self._on(["run"], "INSERT", PLANNED_COLUMNS, [roles.planner])
        self._on(["run", "range", "applier", "gate"], "UPDATE", [], [roles.applier])
        self._on(WRITTEN_TABLES, "INSERT", [], [roles.applier])
        self._add(
            "GRANT EXECUTE ON FUNCTION backfill.record_plan_sums(text, text) TO {};",
            [roles.planner],
        )
        self._add(
            "GRANT EXECUTE ON FUNCTION backfill.request_stop(text, text) TO {};",
            [roles.applier, roles.operator],
        )

    def usage(self, schema: str, roles: Sequence[str]) -> None:
        self._add("GRANT USAGE ON SCHEMA {schema} TO {};", roles, schema=sql.Identifier(schema))

    def grant(
        self, rights: str, columns: Sequence[str], relation: sql.Composable, roles: Sequence[str]
    ) -> None:
        listed = sql.SQL(" ({})").format(_names(dict.fromkeys(columns))) if columns else sql.SQL("")
        self._add(
            "GRANT {rights}{listed} ON {relation} TO {};",
            roles,
            rights=sql.SQL(rights),
            listed=listed,
            relation=relation,
        )

    def text(self) -> str:
        ledger = resources.files("backfill.records").joinpath("ledger.sql")
        return (
            f"-- Rights for the {self.job} job. Run as the database's owner; the roles of planner "
            "and applier must exist.\n"
            + ledger.read_text(encoding="utf-8")
            + "\n"
            + "\n".join((*self.lines, *(_if_there(*each) for each in self.optional.items())))
        )

    def _on(
        self, names: Sequence[str], rights: str, columns: Sequence[str], roles: Sequence[str]
    ) -> None:
        tables = sql.SQL(", ").join(sql.Identifier("backfill", name) for name in names)
        self.grant(rights, columns, tables, roles)

    def _add(self, statement: str, roles: Sequence[str], **values: sql.Composable) -> None:
        """Add a statement for roles that must exist, and one for each that may."""
        sure = [role for role in dict.fromkeys(roles) if role not in self.roles.if_there]
        if sure:
            self.lines.append(sql.SQL(statement).format(_names(sure), **values).as_string(None))
        for role in dict.fromkeys(roles):
            if role in self.roles.if_there:
                line = sql.SQL(statement).format(_names([role]), **values).as_string(None)
                self.optional.setdefault(role, []).append(line)


def _if_there(role: str, statements: Sequence[str]) -> str:
    """Return a statement that does nothing where there is no such role."""
    body = sql.SQL(
        "BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {}) THEN\n{}\nEND IF; END"
    ).format(sql.Literal(role), sql.SQL("\n".join(statements)))
    return sql.SQL("DO {};").format(sql.Literal(body.as_string(None))).as_string(None)


def _names(names: Sequence[str] | dict[str, None]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
