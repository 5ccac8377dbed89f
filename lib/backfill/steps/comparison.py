"""Two runs compared: rows that came, went and changed, and what explains each.

Works on two folders alone, without a database. DuckDB joins the plans' files row by row, so that
runs of millions of rows fit into its memory limit.

1. Each job lays its run out as a table of texts: `what` and `key` name a row, the rest are values.
2. A full outer join by `what` and `key` tells what came (only in the second), went, changed.
3. Of the causes that the job names, the first whose condition holds explains a row; a difference
   of settings or versions that no condition names is given for the rest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.archive.run_facts import RunFacts
from backfill.display.eye import shown
from backfill.display.inline import inlined
from backfill.display.pages import Shown, note, table
from backfill.errors import StorageError, UsageError, first_line
from backfill.folder import FILE_MODE
from backfill.next_command import next_command
from backfill.plans.plan import CHANGES_FILE, PLAN_FILE
from backfill.plans.staging import literal, quoted, threads
from backfill.regular_file import check_target, whole
from backfill.steps.kind import JobKind
from backfill.steps.task import Cause
from backfill.temporary import TemporaryFolder

if TYPE_CHECKING:
    import duckdb

SHOWN_DIFFERENCES = 500
SHOWN_GROUPS = 100
SUFFIXES = (".csv", ".parquet")
_MEMORY = "512MB"
_UNEXPLAINED = "nothing in settings or versions explains it"
SOURCE_MARK = "source."
_HEADER = ("what", "key", "scope", "difference", "fields", "before", "after", "because")


@dataclass(frozen=True, slots=True)
class Different:
    """A setting or version that is not the same in both runs."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before} → {self.after}"


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs. `rows` are at most 500; `write` writes them all."""

    before: RunFacts
    after: RunFacts
    counts: Mapping[str, Mapping[str, int]]  # by `what`: came, went, changed, same
    different: tuple[Different, ...]
    groups: tuple[tuple[str, str, str, int], ...]  # what, difference, because, rows
    rows: tuple[tuple[str, ...], ...]
    total: int

    def as_json(self) -> dict[str, Any]:
        """Return what `backfill compare --json` prints."""
        return {
            "run_a": self.before.run_id,
            "run_b": self.after.run_id,
            "job": self.after.job,
            "same": not self.total,
            "counts": self.counts,
            "settings": [
                {"name": d.name, "run_a": d.before, "run_b": d.after} for d in self.different
            ],
            "because": [
                {"what": what, "difference": difference, "because": because, "rows": rows}
                for what, difference, because, rows in self.groups
            ],
            "total": self.total,
            "shown": len(self.rows),
            "differences": [dict(zip(_HEADER, row, strict=True)) for row in self.rows],
        }

    def as_shown(self) -> Shown:
        """Return the comparison as tables, or why it can not be shown."""
        return shown("The comparison", self.shown)

    def shown(self) -> Shown:
        a, b = self.before.run_id, self.after.run_id
        shown = table(
            f"From run {a} to run {b}, by what they are about",
            ["what", "came", "went", "changed", "same"],
            [
                (what, *(part[name] for name in ("came", "went", "changed", "same")))
                for what, part in self.counts.items()
            ],
        )
        shown += self._different()
        if not self.total:
            return shown + note("No row differs.")
        shown += table(
            f"What explains the differences ({self.total:,} rows)",
            ["what", "difference", "because", "rows"],
            self.groups,
            most=SHOWN_GROUPS,
        )
        return shown + table(
            f"Differences ({len(self.rows):,} of {self.total:,})",
            _HEADER,
            self.rows,
            rest="All of them: " + next_command("compare", a, b, "--output", "differences.csv"),
        )

    def _different(self) -> Shown:
        if not self.different:
            return note("Settings, versions and scope of both runs are the same.")
        return table(
            f"Settings and versions that differ ({len(self.different):,})",
            ["name", self.before.run_id, self.after.run_id],
            [(d.name, d.before, d.after) for d in self.different],
        )

    def _repr_html_(self) -> str:
        return inlined(self.as_shown().markup)

    def __repr__(self) -> str:
        return self.as_shown().text

    @property
    def differences(self) -> Any:
        """The shown differences as a dataframe: what, key, scope, difference, fields, …"""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(_HEADER))


def compare_runs(
    before: RunFacts, after: RunFacts, kind: JobKind, output: Path | None = None
) -> Comparison:
    """Return what differs from one run to the other; write every difference to `output`, if named.

    Read-only but for that file. Raises `UsageError` for runs that can not be compared,
    `StorageError` for files that can not be read or written.
    """
    import duckdb

    _check(before, after, output)
    different = differences_of_settings(kind, before, after)
    try:
        with (
            TemporaryFolder("compare") as spill,
            contextlib.closing(duckdb.connect()) as connection,
        ):
            connection.execute(f"SET memory_limit = {literal(_MEMORY)}")
            connection.execute(f"SET threads = {threads()}")
            connection.execute(f"SET temp_directory = {literal(spill)}")
            connection.execute("SET TimeZone = 'UTC'")
            kind.lay_out(connection, before.folder, "a")
            kind.lay_out(connection, after.folder, "b")
            _join(connection, list(kind.causes(before, after)), different)
            if output is not None:
                _write(connection, output)
            return _compared(connection, before, after, different)
    except (duckdb.Error, OSError, ValueError, KeyError) as error:  # ArrowInvalid is a ValueError
        raise StorageError(
            f"Runs {before.run_id} and {after.run_id} could not be compared: "
            f"{first_line(error)}. Are their folders whole? "
            f"{next_command('evidence', 'check', str(before.folder.path))}"
        ) from None


def _check(before: RunFacts, after: RunFacts, output: Path | None) -> None:
    for facts in (before, after):
        if not facts.plan or not facts.folder.file(CHANGES_FILE).exists():
            raise UsageError(
                f"Run {facts.run_id} has no plan in {facts.folder.path} ({PLAN_FILE}, "
                f"{CHANGES_FILE}): there is nothing to compare. See: {next_command('runs')}"
            )
    if before.job != after.job:
        raise UsageError(
            f"Run {before.run_id} is a {before.job} job, run {after.run_id} a {after.job} job: "
            f"only runs of one job can be compared. See: {next_command('runs')}"
        )
    if output is not None and output.suffix not in SUFFIXES:
        raise UsageError(f"--output {output}: name a file that ends in {' or '.join(SUFFIXES)}.")
    if output is not None:
        check_target("--output", output)


# -- settings and versions ----------------------------------------------------------------------


def differences_of_settings(
    kind: JobKind, before: RunFacts, after: RunFacts
) -> tuple[Different, ...]:
    """Return the settings, versions and decisions that are not the same, settings first."""
    different = []
    for a, b in zip(_named(kind, before), _named(kind, after), strict=True):
        for name in dict.fromkeys([*a, *b]):
            if a.get(name) != b.get(name):
                different.append(Different(name, _text(a.get(name)), _text(b.get(name))))
    return tuple(different)


def _named(kind: JobKind, facts: RunFacts) -> tuple[Mapping[str, Any], ...]:
    settings = dict(facts.planned("settings"))
    decisions = settings.pop("decisions", None) or []
    is_dated = kind.uses_calendar(facts.planned("target"))
    return (
        settings,
        {"decisions": decisions},
        kind.computed_by(facts),
        {"tzdata": facts.plan.get("tzdata_version")} if is_dated else {},
        {k: v for k, v in (facts.run.get("versions") or {}).items() if k != "tzdata"},
        {"database": facts.plan.get("database_fingerprint"), "reverts": facts.plan.get("reverts")},
    )


def _text(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text if len(text) <= 200 else f"{text[:199]}…"


# -- rows ---------------------------------------------------------------------------------------


def _join(
    connection: duckdb.DuckDBPyConnection, causes: Sequence[Cause], different: Sequence[Different]
) -> None:
    names = _columns(connection)
    is_same = " AND ".join(f"NOT ({_differs(name)})" for name in names)
    state = (
        f"CASE WHEN a.key IS NULL THEN 'came' WHEN b.key IS NULL THEN 'went'"
        f" WHEN {is_same or 'true'} THEN 'same' ELSE 'changed' END"
    )
    otherwise = "; ".join(str(d) for d in different[:3]) or _UNEXPLAINED
    because = " ".join(f"WHEN {c.condition} THEN {literal(c.text)}" for c in causes)
    connection.execute(
        "CREATE TABLE joined AS SELECT coalesce(a.what, b.what) AS what,"
        " coalesce(a.key, b.key) AS key, coalesce(a.scope, b.scope) AS scope,"
        f" {state} AS difference, CASE WHEN {state} = 'changed' THEN {_fields(names)} ELSE '' END"
        f" AS fields, {_values('a', 'b', names)} AS before, {_values('b', 'a', names)} AS after,"
        f" CASE {because} WHEN {state} = 'same' THEN '' ELSE {literal(otherwise)} END AS because"
        " FROM a FULL OUTER JOIN b ON a.what = b.what AND a.key = b.key"
    )
    connection.execute("CREATE VIEW differences AS FROM joined WHERE difference <> 'same'")


def _columns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the value columns, after giving both tables all of them."""
    columns: dict[str, list[str]] = {}
    for name in ("a", "b"):
        columns[name] = [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
    for name, other in (("a", "b"), ("b", "a")):
        for column in columns[other]:
            if column not in columns[name]:
                connection.execute(f"ALTER TABLE {name} ADD COLUMN {quoted(column)} VARCHAR")
    every = dict.fromkeys([*columns["a"], *columns["b"]])
    return [column for column in every if column not in ("what", "key", "scope")]


def _differs(name: str) -> str:
    return f"a.{quoted(name)} IS DISTINCT FROM b.{quoted(name)}"


def _fields(names: Sequence[str]) -> str:
    parts = ", ".join(f"CASE WHEN {_differs(name)} THEN {literal(name)} END" for name in names)
    return f"concat_ws(', ', {parts})" if parts else "''"


def _values(alias: str, other: str, names: Sequence[str]) -> str:
    """Return the SQL for the values of one side that are not those of the other.

    Of a row that the other side lacks, what it was computed from is left out.
    """
    parts = ", ".join(
        f"CASE WHEN {_differs(name)} AND {alias}.{quoted(name)} <> ''"
        + (f" AND {other}.key IS NOT NULL" if name.startswith(SOURCE_MARK) else "")
        + f" THEN {literal(name)} || ': ' || {alias}.{quoted(name)} END"
        for name in names
    )
    return f"concat_ws('; ', {parts})" if parts else "''"


def _compared(
    connection: duckdb.DuckDBPyConnection,
    before: RunFacts,
    after: RunFacts,
    different: tuple[Different, ...],
) -> Comparison:
    counts: dict[str, dict[str, int]] = {}
    for what, difference, rows in connection.execute(
        "SELECT what, difference, count(*) FROM joined GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        empty = dict.fromkeys(("came", "went", "changed", "same"), 0)
        counts.setdefault(what, empty)[difference] = rows
    groups = connection.execute(
        "SELECT what, difference, because, count(*) FROM differences GROUP BY ALL"
        " ORDER BY 4 DESC, 1, 2, 3"
    ).fetchall()
    rows = connection.execute(
        f"SELECT {', '.join(map(quoted, _HEADER))} FROM differences"
        " ORDER BY CASE difference WHEN 'changed' THEN 1 WHEN 'went' THEN 2 ELSE 3 END, what, key"
        f" LIMIT {SHOWN_DIFFERENCES}"
    ).fetchall()
    total = sum(row[3] for row in groups)
    return Comparison(before, after, counts, different, tuple(groups), tuple(rows), total)


def _write(connection: duckdb.DuckDBPyConnection, output: Path) -> None:
    kind = "PARQUET" if output.suffix == ".parquet" else "CSV, HEADER"
    with whole(output, FILE_MODE) as partial:
        connection.execute(
            f"COPY (SELECT {', '.join(map(quoted, _HEADER))} FROM differences"
            f" ORDER BY what, key) TO {literal(partial)} (FORMAT {kind})"
        )
