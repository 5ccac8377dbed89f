"""The reader's thresholds stand in one table, each with its unit, and each is used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import backfill.ocr

READER = Path(backfill.ocr.__file__).parent
TABLE = READER / "limits.py"
# What limits input and work, or belongs to the job: bytes, seconds, batches, modes, minutes of a
# day, what a person or the diff is told.
ELSEWHERE = {
    "FOLDER_MODE", "MAX_BYTES", "MAX_PIXELS", "TIMEOUT_SECONDS",
    "BATCH_IMAGES", "BATCH_BYTES", "REMEMBERED", "HOUR_MINUTES",
    "DAY_MINUTES", "SAME_CARD", "SUMMARY_THRESHOLD_DEFAULT", "SUSPICIOUS_PART",
}  # fmt: skip


def _numbers_of(path: Path) -> dict[str, ast.expr]:
    """Return a module's constants that are a number, or numbers."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            if parts and all(re.fullmatch(r"[-\d.*/ +_]+", ast.unparse(part)) for part in parts):
                found[node.targets[0].id] = node.value
    return found


def test_no_module_but_the_table_holds_a_threshold() -> None:
    others = {
        f"{path.stem}.{name}"
        for path in READER.rglob("*.py")
        if path != TABLE
        for name in _numbers_of(path)
        if name not in ELSEWHERE
    }

    assert not others


def test_every_threshold_has_a_unit_and_is_used() -> None:
    source = TABLE.read_text(encoding="utf-8")
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    units = {ast.unparse(n.targets[0]) for n in nodes if "NewType" in ast.unparse(n.value)}
    table = {
        ast.unparse(node.targets[0]): ast.unparse(node.value)
        for node in nodes
        if ast.unparse(node.targets[0]) not in units
    }
    uses = "".join(
        path.read_text(encoding="utf-8") for path in READER.rglob("*.py") if path != TABLE
    )

    kinds = {name: value.strip("(").split("(")[0] for name, value in table.items()}
    assert len(table) == len(nodes) - len(units)
    assert not [name for name, kind in kinds.items() if kind not in units]
    assert not [name for name in table if not re.search(rf"\blimits\.{name}\b", uses)]
