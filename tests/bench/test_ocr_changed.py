"""Two measurements of the same sessions, one beside the other."""

from __future__ import annotations

from tests.bench.ocr_changed import changes


def told(name: str, outcome: str) -> dict[str, str]:
    return {"group": "others", "name": name, "outcome": outcome, "detail": f"  {name}"}


def test_sessions_whose_outcome_differs_are_named_and_no_others() -> None:
    before = {"a": told("a", "held, right"), "b": told("b", "written, right")}
    after = {"a": told("a", "written, right"), "b": told("b", "written, right")}

    found = list(changes(before, after))

    assert found == [
        "others: written, right 1 → 2",
        "a: held, right → written, right",
        "  a",
        "  a",
    ]
