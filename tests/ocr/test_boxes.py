"""Rules and edges within a card, and between cards: which is which is told by the whole screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.ocr.cards import words_at

from backfill.ocr.screen.anchors import Divider
from backfill.ocr.screen.layout import Layout, read_layout
from backfill.ocr.words import Word

# Three cards: client, job, street with town, times; the second has no address.
_CARDS = (
    ("Ada Ek", "Storstädning", "Ringgatan 4, Lerum", "07:00 - 08:00"),
    ("Personalmöte", "", "", "08:15 - 09:00"),
    ("Bo Alm", "Kontor", "Ekgatan 12, Onsala", "09:30 - 11:00"),
)


def _screen(
    order: str, *, blank: int = 40, strip: int = 0, cards: int = 3
) -> tuple[list[Word], tuple[Divider, ...]]:
    """Return the words of the cards, and their rules.

    `order` names the lines of a card: n, j, a, t; | is a rule within it.
    """
    words: list[Word] = []
    rules: list[Divider] = []
    y = 100.0
    for name, job, address, times in _CARDS[-cards:]:
        for line in order:
            if line == "|":
                rules.append(Divider(0, 400, y + 12))
                y += 30
            elif text := {"n": name, "j": job, "a": address, "t": times}[line]:
                words += words_at(text, 40, y)
                y += 28
        rules += [Divider(0, 400, y + blank / 2)]
        if strip:
            rules += [Divider(0, 400, y + blank / 2 + strip)]
        y += blank + strip
    return words, tuple(rules)


def _told(layout: Layout) -> list[tuple[str, str, str]]:
    return [(e.start, e.title.replace(" •", ""), e.address) for e in layout.entries]


@pytest.mark.parametrize(
    ("order", "blank", "strip"),
    [("t|nja", 60, 30), ("t|nja", 90, 0), ("nja|t", 60, 30), ("nj|ta", 90, 0), ("nt|ja", 60, 30)],
)
def test_a_rule_within_every_card_parts_none(order: str, blank: int, strip: int) -> None:
    words, rules = _screen(order, blank=blank, strip=strip)

    layout = read_layout(words, rules)

    assert _told(layout) == [
        ("07:00", "Ada Ek Storstädning", "Ringgatan 4, Lerum"),
        ("08:15", "Personalmöte", ""),
        ("09:30", "Bo Alm Kontor", "Ekgatan 12, Onsala"),
    ]
    assert not layout.strays


@pytest.mark.parametrize("cards", [2, 3])
def test_a_heading_between_the_rules_of_two_cards_is_no_part_of_them(cards: int) -> None:
    words, rules = _screen("tnja", blank=60, cards=cards)
    at = next(word.top for word in words if word.text == "09:30") - 10
    words = [replace(word, top=word.top + 70 * (word.top > at)) for word in words]
    rules = tuple(replace(rule, y=rule.y + 70 * (rule.y > at)) for rule in rules)

    heading = words_at("Kvällspass", 40, at + 30)
    layout = read_layout([*words, *heading], (*rules, Divider(0, 400, at + 60)))

    assert [word.text for word in layout.strays] == ["Kvällspass"]
    titles = ["Ada Ek Storstädning", "Personalmöte", "Bo Alm Kontor"]
    assert [title for _start, title, _address in _told(layout)] == titles[-cards:]


@pytest.mark.parametrize("order", ["t|nja", "t|n|j|a", "nja|t"])
def test_the_only_card_has_its_text_beyond_a_rule_where_none_is_beside_its_times(
    order: str,
) -> None:
    words, rules = _screen(order, blank=120)
    end = rules[order.count("|")].y

    layout = read_layout([word for word in words if word.top < end], rules)

    assert _told(layout) == [("07:00", "Ada Ek Storstädning", "Ringgatan 4, Lerum")]
