"""A guessed specification as TOML: a comment behind each guess, FILL IN where there was none."""

from __future__ import annotations

import json

from backfill.jobs.entry import Guessed
from backfill.jobs.utc.guess.forms import Guess, GuessedPair
from backfill.jobs.utc.guess.pairs import is_span, likely_columns
from backfill.jobs.utc.guess.specification import GuessedSpec, guess_spec
from backfill.jobs.utc.table_spec import FILL_IN
from backfill.server.postgres import Connection
from backfill.server.table_look import look_at


def first_specification(connection: Connection, table: str) -> Guessed:
    """Return a specification of a table, guessed of its catalog and a sample. Read-only."""
    guessed = guess_spec(*look_at(connection, table))
    relation = str(guessed.look.relation)
    return Guessed(relation, as_toml(guessed), guessed.guesses, guessed.to_fill_in)


def as_toml(guessed: GuessedSpec) -> str:
    """Return the specification as TOML."""
    look = guessed.look
    key = json.dumps(list(look.key), ensure_ascii=False)
    origin = "the primary key" if look.is_primary else "a unique index of NOT NULL columns"
    why = f"found: {origin}" if look.key else f"{FILL_IN}: no primary key, no unique index"
    lines = [
        f"# Specification of {look.relation} for backfill utc --table, as far as the catalog and",
        "# a sample of the rows tell. Read every line: a guess is no more than that.",
        *(f"# {remark}" for remark in guessed.remarks),
        "",
        f"table = {_text(str(look.relation))}",
        f"key = {key}  # {why}",
    ]
    lines += _entries(guessed)
    # A value's line ends are escaped: those that are left are of names within comments.
    return "\n".join(" ".join(line.splitlines()) for line in lines) + "\n"


def _plain_pairs(guessed: GuessedSpec) -> list[str]:
    if not guessed.pairs:
        return [
            f'pairs = [{{ wall = "", target = "" }}]  # {FILL_IN}: no two columns are named '
            f"alike but for words like local and utc; {likely_columns(guessed.look)}",
        ]
    lines = [
        f"    {{ wall = {_text(pair.walls[0])}, target = {_text(pair.target)} }},"
        f"  # guess: because of {pair.why}"
        for pair in guessed.pairs
    ]
    return ["pairs = [", *lines, "]"]


def _entries(guessed: GuessedSpec) -> list[str]:
    lines = [_line("scope", guessed.scope)] if guessed.scope.value else []
    lines += _chain(guessed)
    if guessed.vocabularies:
        names = json.dumps(list(guessed.vocabularies))
        lines.append(f"zone_names = {names}  # guess: because of the sampled values")
    if guessed.void:
        void = json.dumps(list(guessed.void), ensure_ascii=False)
        lines.append(f"missing = {void}  # guess: because such values of a wall time mean none")
    lines += [_line("deleted", guessed.deleted)] if guessed.deleted else []
    # Of pairs in one line the first is a start: a row without it is left alone as a whole.
    is_plain = all(pair.is_plain for pair in guessed.pairs) and not guessed.void
    is_plain = is_plain and is_span(guessed.pairs)
    lines += _plain_pairs(guessed) if is_plain else []
    for lookup in guessed.lookups:
        lines += [
            "",
            "[[lookup]]",
            f"name = {_text(lookup.name)}",
            f"table = {_text(str(lookup.reference.other))}  # {lookup.why}",
            f"by = {_listed([own for own, _other in lookup.parts])}",
            f"key = {_listed([other for _own, other in lookup.parts])}",
            *(_line(entry, guess) for entry, guess in lookup.bounds),
        ]
    for pair in () if is_plain else guessed.pairs:
        lines += _pair(pair)
    return lines


def _chain(guessed: GuessedSpec) -> list[str]:
    if guessed.needs_zone:
        return [f'zone = ""  # {FILL_IN}: {guessed.zone.why}']
    if not guessed.chain:
        return []
    reasons = [guessed.zone] if guessed.zone.value else []
    reasons += [x.zone for x in guessed.lookups if x.zone and x.way in guessed.chain]
    why = "; ".join(f"{guess.value}: {guess.why}" for guess in reasons)
    chain = json.dumps(guessed.chain, ensure_ascii=False)
    doubt = "; the first that is set counts: is it that one's clock?"
    if len(guessed.chain) == 1:
        doubt = "; a row without one is skipped, unless --default-tz names it"
    return [f"zone = {chain}  # guess: because of {why}{doubt}"]


def _pair(pair: GuessedPair) -> list[str]:
    wall = _listed(list(pair.walls))
    lines = [
        "",
        "[[pair]]",
        f"wall = {wall}  # guess: because of {pair.why}",
        f"target = {_text(pair.target)}",
    ]
    for entry, guess in pair.more:
        value = guess.value if entry == "offset" else _text(guess.value)
        lines.append(f"{entry} = {value}  # guess: because of {guess.why}")
    return [line.replace("because of it ", "because it ") for line in lines]


def _line(entry: str, guess: Guess) -> str:
    says = f"guess: because of {guess.why}" if guess.value else f"{FILL_IN}: {guess.why}"
    return f"{entry} = {_text(guess.value)}  # {says}".replace("because of it ", "because it ")


def _listed(names: list[str]) -> str:
    return json.dumps(names, ensure_ascii=False) if len(names) > 1 else _text(names[0])


def _text(value: str) -> str:
    """Return a TOML basic string; JSON escapes the same way."""
    return json.dumps(value, ensure_ascii=False)
