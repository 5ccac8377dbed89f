"""The page of held screens says what is asked of its twelve pictures, and of no other."""

from __future__ import annotations

import pytest
from tests.bench.held_screens import PAGE, PICTURES, SCREENS, asked, page, shown

from backfill.ocr.day import meaning
from backfill.ocr.doubts import explained
from backfill.ocr.screen import checks
from backfill.ocr.text import dates

#: So that the repository stays small.
MOST_BYTES = 30_000


@pytest.mark.long
@pytest.mark.ocr
def test_the_page_says_what_a_person_is_asked_about_each_picture() -> None:
    held = asked([screen.picture.read_bytes() for screen in SCREENS])

    for screen, reasons in zip(SCREENS, held, strict=True):
        assert shown(reasons, screen.doubt), f"{screen.name} is not held for {screen.doubt}"
    assert PAGE.read_text(encoding="utf-8") == page(held)


def test_the_pictures_are_the_pages_and_small() -> None:
    assert {path.stem for path in PICTURES.iterdir()} == {screen.name for screen in SCREENS}
    assert all(path.stat().st_size <= MOST_BYTES for path in PICTURES.iterdir())


@pytest.mark.parametrize(
    "doubt",
    sorted(
        {
            value
            for module in (checks, meaning, dates)
            for name, value in vars(module).items()
            if name.isupper() and isinstance(value, str) and value.isascii() and "_" in value
        }
        | {checks.CANCELLED, checks.NAMELESS, checks.COVERED}
    ),
)
def test_every_doubt_is_explained_and_stands_in_the_docs(doubt: str) -> None:
    sentence = explained(f"image 1: {doubt}")

    assert sentence.startswith(f"image 1: {doubt} (")
    assert f"`{doubt}`" in (PAGE.parent / "decisions.md").read_text(encoding="utf-8")
