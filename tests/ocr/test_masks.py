"""Shapes in a mask and the likeness of texts: quick ways that say what the slow ones do."""

from __future__ import annotations

import random
from difflib import SequenceMatcher

import cv2
import numpy as np
import pytest

from backfill.ocr.ink.masks import Mask, count_levels, find_shapes
from backfill.ocr.text.likeness import likeness


def _mask(share: float, seed: int, shape: tuple[int, int] = (61, 47)) -> Mask:
    return (np.random.default_rng(seed).random(shape) < share).astype(np.uint8)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize(
    "mask",
    [
        *(_mask(share, seed) for seed, share in enumerate((0.02, 0.3, 0.5, 0.8, 1.0))),
        _mask(0.4, 9, (1, 40)),
        _mask(0.4, 10, (40, 1)),
        np.zeros((9, 7), dtype=np.uint8),
    ],
)
def test_shapes_are_those_that_opencv_tells(mask: Mask, connectivity: int) -> None:
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)

    found_labels, found = find_shapes(mask, connectivity=connectivity)

    assert sorted(tuple(shape[1:]) for shape in found) == sorted(map(tuple, boxes[1:count]))
    assert ((found_labels > 0) == (labels > 0)).all()
    for label, left, top, width, height, area in found:
        own = np.argwhere(found_labels == label)
        assert len(own) == area
        assert own.min(axis=0).tolist() == [top, left]
        assert own.max(axis=0).tolist() == [top + height - 1, left + width - 1]


def test_each_brightness_is_counted() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (33, 21), dtype=np.uint8)

    assert count_levels(grey).tolist() == np.bincount(grey.ravel(), minlength=256).tolist()


@pytest.mark.parametrize("least", [0.55, 0.75, 0.82, 0.85])
def test_likeness_is_the_slow_ratio_or_nothing(least: float) -> None:
    chance = random.Random(7)

    def any_text() -> str:
        return "".join(chance.choice("abcdeå") for _ in range(chance.randint(0, 11)))

    for _ in range(3000):
        one = any_text()
        other = "".join(c if chance.random() < 0.7 else "x" for c in one) + any_text()[:2]
        ratio = SequenceMatcher(None, one, other).ratio()
        assert likeness(one, other, least) == (ratio if ratio >= least else 0.0), (one, other)
