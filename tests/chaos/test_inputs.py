"""Whatever comes in from outside is taken, or refused with a message; nothing else happens."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backfill.cli import main
from backfill.display.pages import table
from backfill.display.standalone import offline
from backfill.errors import BackfillError, UsageError
from backfill.folder import RunFolder, sha256_of
from backfill.jobs.utc.entry import UTC_PARAMETERS
from backfill.jobs.utc.settings import UtcSettings
from backfill.jobs.utc.spec_file import load_spec
from backfill.parameters import check_parameters
from backfill.plans import plan
from backfill.plans.plan import ChunkReader, read_skips, write_changes, write_skips
from backfill.plans.worksheet import load_answers
from backfill.records.ledger import Ledger
from backfill.server.postgres import connect
from backfill.settings import chunk_rows_from
from backfill.skips import Skip
from backfill.steps.evidence_check import disagreements
from backfill.utc.doubts import WORDS
from backfill.utc.reasons import UtcReason
from backfill.utc.spelling import near_misses
from backfill.utc.zone_names import is_zone

RUN_ID = "20261122T234000Z-utc-3f9c1a"
PLACES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NOWHERE = "postgresql:///nothing?host=/nonexistent"
#: What the operating system can hand over: bytes that are not UTF-8 come as lone surrogates.
ARGUMENT = st.one_of(
    st.text(max_size=30).filter(lambda text: "\0" not in text),
    st.binary(max_size=12).map(lambda b: b.replace(b"\0", b"").decode("utf-8", "surrogateescape")),
    st.integers().map(str),
    st.sampled_from(
        [
            *("latest", "--apply", "--dry-run", "--json", "--quiet", "--strict", "-h", "--", "%s"),
            *("--chunk-size", "auto", "-1", "1e9", "--fold", "--gap", "--household-id", "--run-id"),
            *("--default-tz", "Europe/Paris", "--lease-seconds", "--max-skips", "--encoding"),
            *("--job", "utc", "check", "--decisions", "/dev/null", "--table", "/etc", "../../x"),
        ]
    ),
)
COMMANDS = (
    *("utc", "apply", "resume", "pause", "cancel", "status", "verify", "revert", "check"),
    *("grants", "evidence"),
)
EXIT_CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["table", "key", "scope", "zone", "pairs", "lookup", "deleted", "wall"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
KEY = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20
)


def run_main(arguments: list[str], dsn: str, runs: Path) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    pipe = signal.getsignal(signal.SIGPIPE)
    environment = {"DATABASE_URL": dsn, "BACKFILL_RUNS_DIR": str(runs)}
    with (
        mock.patch.dict(os.environ, environment),
        contextlib.redirect_stdout(_strict(out)),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            signal.signal(signal.SIGPIPE, pipe)
    return code, out.getvalue(), err.getvalue()


def _strict(stream: io.StringIO) -> io.StringIO:
    """Refuse what a UTF-8 stdout would refuse."""
    write = stream.write

    def checked(text: str) -> int:
        text.encode()
        return write(text)

    stream.write = checked  # type: ignore[method-assign]
    return stream


@PLACES
@given(command=st.sampled_from(COMMANDS), arguments=st.lists(ARGUMENT, max_size=5))
def test_no_argument_makes_a_traceback(command: str, arguments: list[str], tmp_path: Path) -> None:
    code, _out, err = run_main([command, *arguments], NOWHERE, tmp_path / "runs")

    assert code in EXIT_CODES
    assert "Traceback" not in err


@pytest.mark.chaos
@settings(PLACES, max_examples=60)
@given(
    command=st.sampled_from(("apply", "resume", "pause", "cancel", "status", "verify", "revert")),
    run_id=ARGUMENT.filter(lambda text: not text.startswith("-")),
)
def test_no_run_id_makes_a_traceback(
    command: str, run_id: str, database: str, tmp_path: Path
) -> None:
    code, _out, err = run_main([command, run_id], database, tmp_path / "runs")

    assert code in {0, 2}
    assert "Traceback" not in err


@PLACES
@given(run_id=st.text(max_size=40) | st.from_regex(r"\d{8}T\d{6}Z-[a-z./]+-[0-9a-f]{6}"))
def test_a_run_id_is_refused_or_names_a_folder_of_runs(run_id: str, tmp_path: Path) -> None:
    try:
        folder = RunFolder.of(tmp_path, run_id)
    except UsageError:
        return

    assert folder.path.resolve().parent == tmp_path.resolve()


@pytest.fixture
def frozen(tmp_path: Path) -> RunFolder:
    """A plan of one change and one skip, in its folder."""
    folder = RunFolder.of(tmp_path, RUN_ID)
    folder.create()
    text = pa.string()
    schema = pa.schema([("position", pa.int64()), ("key", text), ("scope", text), ("kind", text)])
    changes = pa.table({"position": [0], "key": ["a"], "scope": ["s"], "kind": ["added"]}, schema)
    write_changes(folder, iter([changes]), schema)
    write_skips(folder, iter([(1, Skip("b", "s", "tz", UtcReason.MISSING_TIMEZONE, ""))]))
    plan.freeze(
        folder,
        {
            **{"job": "utc", "scope": {}, "settings": {}, "target": {}, "counts": {}},
            **{"settings_fingerprint": "f", "database_fingerprint": "f", "tzdata_version": "v"},
            **{"rows": 2, "changes": 1, "skips": 1},
        },
    )
    return folder


@contextlib.contextmanager
def kept(folder: RunFolder) -> Iterator[None]:
    """Put every file back as it was."""
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    try:
        yield
    finally:
        for path, content in before.items():
            path.write_bytes(content)


def read_all(folder: RunFolder) -> None:
    """Read a plan to its end, as an apply does."""
    found = plan.load(folder)
    reader = ChunkReader(folder, found)
    while reader.remaining:
        chunk = reader.take(1, 10)
        assert chunk.keys


def hash_anew(folder: RunFolder) -> None:
    """Make the plan's hashes right again, as one who forges a plan would."""
    document = folder.read_json(plan.PLAN_FILE)
    document["changes_sha256"] = sha256_of(folder.file(plan.CHANGES_FILE))
    document["skips_sha256"] = sha256_of(folder.file(plan.SKIPS_FILE))
    document["plan_id"] = plan.plan_id_of(document)
    folder.write_json(plan.PLAN_FILE, document)


@PLACES
@given(
    name=st.sampled_from([plan.PLAN_FILE, plan.CHANGES_FILE, plan.SKIPS_FILE]),
    place=st.integers(0, 10_000),
    content=st.binary(max_size=40),
    is_hashed_anew=st.booleans(),
)
def test_bytes_of_a_plan_are_read_or_refused(
    frozen: RunFolder, name: str, place: int, content: bytes, is_hashed_anew: bool
) -> None:
    with kept(frozen):
        path = frozen.file(name)
        before = path.read_bytes()
        place %= len(before)
        path.write_bytes(before[:place] + content + before[place + len(content) :])
        with contextlib.suppress(BackfillError):
            if is_hashed_anew:
                hash_anew(frozen)
            read_all(frozen)


@PLACES
@given(name=st.sampled_from(list(plan.Plan.__dataclass_fields__)), value=JSON)
def test_values_of_a_plan_are_read_or_refused(frozen: RunFolder, name: str, value: Any) -> None:
    with kept(frozen):
        document = frozen.read_json(plan.PLAN_FILE)
        document[name] = value
        frozen.file(plan.PLAN_FILE).write_text(json.dumps(document), encoding="utf-8")
        with contextlib.suppress(BackfillError):
            if name not in ("changes_sha256", "skips_sha256", "plan_id"):
                hash_anew(frozen)
            read_all(frozen)


@PLACES
@given(
    rows=st.lists(st.tuples(KEY, KEY, st.text(st.characters(exclude_categories=["Cs"])))),
    is_long=st.booleans(),
)
def test_skips_come_back_as_they_were_written(
    frozen: RunFolder, rows: list[tuple[str, str, str]], is_long: bool
) -> None:
    with kept(frozen):
        skips = [
            (n, Skip(key, scope, "tz", UtcReason.INVALID_TIMEZONE, detail.replace("\0", "")))
            for n, (key, scope, detail) in enumerate(rows)
        ]
        if is_long:
            long = Skip("k", "s", "tz", UtcReason.INVALID_TIMEZONE, "x" * 300_000)
            skips.append((len(skips), long))
        write_skips(frozen, iter(skips))

        assert read_skips(frozen) == skips


@PLACES
@given(
    content=st.binary(max_size=80) | st.text(max_size=80).map(lambda t: t.encode(errors="ignore"))
)
def test_bytes_of_a_table_specification_are_read_or_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_bytes(content)

    with contextlib.suppress(UsageError):
        load_spec(path)


@PLACES
@given(
    document=st.fixed_dictionaries(
        dict.fromkeys(("table", "key", "scope", "zone", "pairs"), JSON),
        optional={"lookup": JSON, "deleted": JSON, "other": JSON},
    )
)
def test_any_table_specification_is_read_or_refused(document: Any, tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text("x = 1", encoding="utf-8")

    with mock.patch("tomllib.loads", lambda _text: document), contextlib.suppress(UsageError):
        load_spec(path).as_json()


DECISIONS = st.binary(max_size=60) | st.lists(
    st.lists(st.sampled_from(["e1", "start_at", "later", "skip", "x", '"', ""]), max_size=4),
    max_size=4,
).map(lambda rows: "\n".join(["key,column,decision", *map(",".join, rows)]).encode())


@PLACES
@given(content=DECISIONS)
def test_any_decisions_are_read_or_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(content)

    with contextlib.suppress(UsageError):
        json.dumps(UtcSettings(answers=load_answers(path, WORDS)).as_json())


@PLACES
@given(name=st.text(max_size=30) | st.sampled_from(["Europe/../Europe/Paris", "/etc/passwd", "."]))
def test_any_zone_name_is_known_or_refused(name: str) -> None:
    near_misses(name)
    if is_zone(name):
        assert UtcSettings(default_tz=name).default_tz == name
    else:
        with pytest.raises(UsageError):
            UtcSettings(default_tz=name)


@PLACES
@given(name=st.sampled_from([parameter.name for parameter in UTC_PARAMETERS]), value=JSON)
def test_any_parameter_is_taken_or_refused(name: str, value: Any) -> None:
    with contextlib.suppress(UsageError):
        values = check_parameters(UTC_PARAMETERS, {name: value}, ())
        chunk_rows_from(values["chunk_size"])


@PLACES
@given(
    text=st.text(max_size=30)
    | st.lists(st.sampled_from(["http", "HTTPS", ":", "//", "<script>", "&", '"', "'", "h"])).map(
        "".join
    )
)
def test_any_text_in_a_page_stays_text_and_names_no_address(text: str) -> None:
    page = offline(table(text, [text], [[text]], rest=text).markup).lower()

    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


@PLACES
@given(
    name=st.sampled_from(["SHA256SUMS", "manifest.json", "summary.json", "nb.ipynb", "plan.json"]),
    content=st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.sampled_from(
        [
            b"00  ../../../etc/passwd\n",
            b"00  /etc/passwd\n",
            b"00  a\0b\n",
            b'{"subject": [{"name": "/etc/passwd", "digest": {"sha256": "0"}}]}',
            b'{"subject": [{"name": "a\\u0000b", "digest": {"sha256": "0"}}]}',
            b'{"notebook": "nb.ipynb", "exit_code": 0}',
            b'{"cells": [{"cell_type": "code", "source": 5}]}',
        ]
    ),
)
def test_any_folder_is_checked_without_an_error(
    frozen: RunFolder, database: str, name: str, content: bytes
) -> None:
    with kept(frozen), connect(database) as connection:
        frozen.file("nb.ipynb").write_text("{}", encoding="utf-8")
        frozen.file(name).write_bytes(content)

        found = disagreements(frozen, Ledger(connection))
    for added in ("nb.ipynb", "SHA256SUMS", "manifest.json", "summary.json"):
        frozen.file(added).unlink(missing_ok=True)

    assert found
    assert not any("passwd was changed" in text for text in found)
