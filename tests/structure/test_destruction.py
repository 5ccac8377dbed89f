"""What destroys is known by place: nothing of a person's goes but by a command that says so."""

from __future__ import annotations

import re
from pathlib import Path

LIB = Path(__file__).parents[2] / "lib"
DESTROYS = re.compile(
    r"(?<![\w-])(DROP (?:TABLE|SCHEMA|DATABASE|OWNED|ROLE|TRIGGER|COLUMN|INDEX|FUNCTION|VIEW|TYPE)"
    r"|TRUNCATE|DELETE FROM)\b(?! KEY)",
    re.IGNORECASE,
)
#: By path below lib: how many, and why that may be.
ALLOWED = {
    "backfill_lab/demo/customers.py": (1, "the demo's table: `db seed`, once sure of it"),
    "backfill_lab/demo/events.py": (1, "the demo's two tables: `db seed`, once sure of them"),
    "backfill_lab/demo/seed.py": (1, "the record of the demo's runs: `db seed`, if of no other"),
    "backfill_lab/demo/sessions.py": (1, "the demo's schema: `db seed`, once sure of it"),
    "backfill/jobs/ocr/writer.py": (2, "rows that an approved plan names, before-images kept"),
    "backfill/server/update_cost.py": (1, "a sentence: what a person may do about an index"),
}


def test_every_place_that_destroys_is_listed_with_its_reason() -> None:
    found: dict[str, int] = {}
    for path in sorted(LIB.rglob("*")):
        if path.suffix not in (".py", ".sql"):
            continue
        name = path.relative_to(LIB).as_posix()
        count = len(DESTROYS.findall(path.read_text(encoding="utf-8")))
        if count:
            found[name] = count

    assert found == {name: count for name, (count, _why) in ALLOWED.items()}


def test_only_the_seed_calls_what_drops_the_demo() -> None:
    callers = {
        path.relative_to(LIB).as_posix()
        for path in LIB.rglob("*.py")
        if re.search(
            r"(?<!def )\b(drop_events|drop_schema|drop_customers)\(",
            path.read_text(encoding="utf-8"),
        )
    }

    assert callers == {"backfill_lab/demo/seed.py"}
