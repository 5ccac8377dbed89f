"""The one way to print a command that a person may paste: quoted, with the options that it needs.

What was given to this command of where runs and database are holds for the next one as well. It
travels by environment, so that a notebook's kernel prints the same as the command that began it.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

#: JSON object: options that every command shares, as they were given, never with a password.
GIVEN_ENV = "BACKFILL_GIVEN"
RUNS_DIR = "--runs-dir"
DATABASE_URL = "--database-url"
DSN_ENV_OPTION = "--dsn-env"
#: The variable by which a command finds its database unless it is told.
USUAL_VARIABLE = "DATABASE_URL"
#: How a command says which database: never with a secret.
_OF_DATABASE = (DATABASE_URL, DSN_ENV_OPTION)
_FOLDER = "folder"
_ABOUT = "about"
_TABLE = "--table"
#: Commands of this machine: no database is named to them.
_OF_MACHINE = {"db", "demo", "selftest", "completion"}
#: Commands about rows that no run holds: they are told which, as the command before them was.
_ABOUT_ROWS = {"check", "grants"}
_ABOUT_A_TABLE = {("status",), ("status", "--json"), ("doctor",), ("utc",)}
#: Commands that read and write no folder of a run.
_WITHOUT_FOLDERS = {
    *("pause", "cancel", "status", "check", "verify", "init-table", "grants", *_OF_MACHINE)
}


def remember_given(options: Mapping[str, str]) -> None:
    """Have every command that is printed from here on carry these options, where it takes them."""
    os.environ[GIVEN_ENV] = json.dumps({**options, _FOLDER: str(Path.cwd())})


def remember_about(words: Sequence[str]) -> None:
    """Have `check` and `grants`, and what looks at a table, be printed about these rows.

    `words` are options of theirs: `--job`, and what says which rows and rules are meant.
    """
    os.environ[GIVEN_ENV] = json.dumps({**_given(), _ABOUT: shlex.join(words)})


def remember_option(flag: str, value: str) -> None:
    """Have every command that is printed from here on carry an option, where it takes it."""
    os.environ[GIVEN_ENV] = json.dumps({**_given(), flag: value})


def remember_variable(name: str) -> None:
    """Have every command that is printed from here on find its database by this variable."""
    given = {key: value for key, value in _given().items() if key != DSN_ENV_OPTION}
    if name != USUAL_VARIABLE:
        given.pop(DATABASE_URL, None)
        given[DSN_ENV_OPTION] = name
    os.environ[GIVEN_ENV] = json.dumps(given)


def next_command(*words: str, runs: Path | None = None) -> str:
    """Return `backfill WORDS` with the options it needs, quoted for a shell.

    `runs` is the folder of the runs where it is not the usual one.
    """
    verb = words[0] if words else ""
    given = _given()
    if runs is not None:
        given[RUNS_DIR] = str(runs)
    options = _about(words, shlex.split(given.get(_ABOUT, "")))
    if verb not in _WITHOUT_FOLDERS and given.get(RUNS_DIR):
        options += option(RUNS_DIR, given[RUNS_DIR])
    for flag in _OF_DATABASE:
        if verb not in _OF_MACHINE and given.get(flag):
            options += option(flag, given[flag])
    return shlex.join(["backfill", *words, *options])


def _about(words: Sequence[str], about: list[str]) -> list[str]:
    if len(words) == 1 and words[0] in _ABOUT_ROWS:
        return about
    if tuple(words) in _ABOUT_A_TABLE and _TABLE in about and "--job" not in about:
        place = about.index(_TABLE)
        return about[place : place + 2]
    return []


def usual_folder() -> Path:
    """Return the folder in which the command was typed: a notebook's kernel works in another."""
    return Path(_given().get(_FOLDER) or Path.cwd())


def option(flag: str, value: str) -> list[str]:
    """Return an option as words; a value that looks like an option stays its value."""
    return [f"{flag}={value}"] if value.startswith("-") else [flag, value]


def shell(words: Sequence[str], into: str) -> str:
    """Return another program's command that writes a file, quoted for a shell."""
    return f"{shlex.join(words)} > {shlex.quote(into)}"


def _given() -> dict[str, str]:
    try:
        document = json.loads(os.environ.get(GIVEN_ENV, "{}"))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in document.items()} if isinstance(document, dict) else {}
