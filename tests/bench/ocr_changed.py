"""What a change of the reader does to sessions whose truth is known: those whose outcome differs.

python -m tests.bench.ocr --parts shared strange --outcomes before.jsonl
python -m tests.bench.ocr_changed before.jsonl after.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench.ocr_truth import Tally, Verdict, misses_of

Outcomes = Mapping[str, Mapping[str, str]]


def outcome_of(verdict: Verdict) -> dict[str, str]:
    """Return what became of a session in a few words: whether it is written, right, and why not."""
    status = "written" if verdict.is_written else "held"
    detail = "\n".join(misses_of(Tally([verdict])))
    return {
        "group": verdict.session.group,
        "name": verdict.session.name,
        "outcome": f"{status}, {'right' if verdict.is_right else 'wrong'}",
        "detail": detail,
    }


def keep_outcomes(path: Path, found: Mapping[str, Tally]) -> None:
    """Write one JSON line for each session."""
    lines = [
        json.dumps(outcome_of(verdict), ensure_ascii=False)
        for tally in found.values()
        for verdict in tally.verdicts
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def load_outcomes(path: Path) -> Outcomes:
    """Return the sessions of a file that `keep_outcomes` wrote, by group and name."""
    told = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {f"{one['group']}/{one['name']}": one for one in told}


def changes(before: Outcomes, after: Outcomes) -> Iterator[str]:
    """Yield the tally of each set, then each session whose outcome is another."""
    for group in sorted({one["group"] for one in after.values()}):
        counts = [
            Counter(one["outcome"] for one in found.values() if one["group"] == group)
            for found in (before, after)
        ]
        told = (f"{kind} {counts[0][kind]} → {n}" for kind, n in sorted(counts[1].items()))
        yield f"{group}: {', '.join(told)}"
    for name in sorted(before.keys() & after.keys()):
        was, now = before[name], after[name]
        if was["outcome"] != now["outcome"]:
            yield f"{name}: {was['outcome']} → {now['outcome']}"
            yield from filter(None, (was["detail"], now["detail"]))


def main() -> None:
    """Print what differs between two measurements of the same sessions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    for line in changes(load_outcomes(options.before), load_outcomes(options.after)):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
