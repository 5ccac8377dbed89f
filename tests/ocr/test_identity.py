"""The stored hashes, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.ocr.identity import customer_fingerprint, location_fingerprint

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ocr-identity.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", VECTORS["exact_sha256"], ids=str)
def test_hash_is_the_one_that_stored_rows_carry(case: dict[str, str]) -> None:
    if case["kind"] == "location":
        computed = location_fingerprint(
            case["street"], case["number"], case["postal_area"], case["city"]
        )
    else:
        computed = customer_fingerprint(case["name"], "", "")

    assert computed == case["sha256"]


@pytest.mark.parametrize("group", VECTORS["location_equal_groups"], ids=str)
def test_writings_of_one_place_have_one_hash(group: list[list[str]]) -> None:
    assert len({location_fingerprint(*address) for address in group}) == 1


@pytest.mark.parametrize("group", VECTORS["location_unequal"], ids=str)
def test_different_places_have_different_hashes(group: list[list[str]]) -> None:
    assert len({location_fingerprint(*address) for address in group}) == len(group)


def test_client_with_initial_and_company_word_is_the_same_client() -> None:
    for one, other in VECTORS["customer_equal"]:
        assert customer_fingerprint(one, "", "") == customer_fingerprint(other, "", "")
    for one, other in VECTORS["customer_unequal"]:
        assert customer_fingerprint(one, "", "") != customer_fingerprint(other, "", "")


def test_anchor_is_name_then_label_then_type() -> None:
    lunch = customer_fingerprint("Lunch", "", "")

    assert customer_fingerprint("", "Lunch", "BREAK") == lunch
    assert customer_fingerprint("", "", "lunch") == lunch
    assert customer_fingerprint("Anna Berg", "Lunch", "BREAK") != lunch


def test_postal_area_stands_before_city() -> None:
    assert location_fingerprint("Storgatan", "4", "Lerum", "Askim") == location_fingerprint(
        "Storgatan", "4", "", "Lerum"
    )


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_gives_a_hash(one: str, two: str, three: str, four: str) -> None:
    assert len(location_fingerprint(one, two, three, four)) == 64
    assert len(customer_fingerprint(one, two, three)) == 64
