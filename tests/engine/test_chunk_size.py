"""`--chunk-size auto`: towards a time per chunk, up slowly, down at once."""

from __future__ import annotations

import itertools

from backfill.chunks.chunk_size import FIRST_ROWS, MOST_ROWS, ChunkSizer
from backfill.parameters import CHUNK_ROWS_BOUNDS


def feed(sizer: ChunkSizer, seconds_per_row: float, chunks: int) -> list[int]:
    """Write chunks at a steady speed; return the rows of each."""
    sizes = []
    for _ in range(chunks):
        sizes.append(sizer.rows)
        sizer.record(sizer.rows, sizer.rows * seconds_per_row)
    return sizes


def test_a_fixed_size_stays_whatever_a_chunk_takes() -> None:
    sizer = ChunkSizer(500, 0.5)

    assert feed(sizer, 1.0, 3) == [500, 500, 500]


def test_growth_is_a_fifth_a_chunk_until_the_time_is_met() -> None:
    sizes = feed(ChunkSizer(None, 0.5), 1 / 20_000, 20)

    assert sizes[0] == FIRST_ROWS == 5_000
    assert all(after <= before * 1.2 + 1 for before, after in itertools.pairwise(sizes))
    assert sizes[-1] == 10_000


def test_one_slow_chunk_among_many_does_not_shrink_the_next() -> None:
    sizer = ChunkSizer(None, 0.5)
    feed(sizer, 1 / 20_000, 20)

    sizer.record(10_000, 1.0)

    assert sizer.rows == 10_000


def test_several_slow_chunks_shrink_the_next_to_what_fits() -> None:
    sizer = ChunkSizer(None, 0.5)
    feed(sizer, 1 / 20_000, 20)

    for _ in range(3):
        sizer.record(10_000, 1.0)

    assert sizer.rows == 5_000


def test_a_chunk_five_times_over_brings_the_size_down_at_once() -> None:
    sizer = ChunkSizer(None, 0.5)
    feed(sizer, 1 / 20_000, 20)

    sizer.record(10_000, 5.0)

    assert sizer.rows == 1_000
    assert feed(sizer, 1 / 20_000, 2) == [1_000, 1_000]  # two are no reason to trust it again


def test_the_size_stays_within_its_bounds() -> None:
    slow, fast = ChunkSizer(None, 0.5), ChunkSizer(None, 0.5)

    feed(slow, 10.0, 5)
    feed(fast, 1e-9, 60)

    assert (slow.rows, fast.rows) == (CHUNK_ROWS_BOUNDS[0], MOST_ROWS)


def test_a_resume_begins_with_what_earlier_chunks_have_taught() -> None:
    sizer = ChunkSizer(None, 0.5, [(8_000, 0.4)] * 5)

    assert sizer.rows == 10_000
    assert ChunkSizer(None, 0.5, [(8_000, 8.0)]).rows == 500
