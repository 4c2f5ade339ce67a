"""Each part of a table that is looked at part by part has its turn, also while the table grows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sluice.upkeep.items.expiry import MOST_PARTS, turn

NIGHTLY = 2000
KEYS = [number / 499 for number in range(499)]
"""Where keys lie, from 0 to 1. How the service cuts a table is not said: into ranges, or by what is left of a division."""
LAYOUTS: dict[str, Callable[[float, int], int]] = {
    "ranges": lambda key, parts: int(key * parts),
    "remainders": lambda key, parts: int(key * 2**32) % parts,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("growth", [1.0, 1.003, 1.02])
def test_every_key_is_read_within_twice_as_many_nights_as_there_are_parts(growth: float, layout: str) -> None:
    place, last = LAYOUTS[layout], dict.fromkeys(KEYS, 0)
    for night in range(1, 400):
        part, parts = turn(int(11 * NIGHTLY * growth**night), NIGHTLY, 739_000 + night)
        last |= {key: night for key in KEYS if place(key, parts) == part}
        longest = night - min(last.values())
        assert longest <= 2 * parts, f"night {night}: a key was not read for {longest} nights, of {parts} parts"


def test_a_night_costs_no_more_than_it_may_and_a_table_is_cut_no_further_than_the_service_cuts() -> None:
    assert turn(0, NIGHTLY, 739_000) == turn(NIGHTLY, NIGHTLY, 739_000) == (0, 1)
    assert [turn(units, NIGHTLY, 0)[1] for units in (2001, 4000, 4001, 24_000)] == [2, 2, 4, 16]
    assert turn(10**12, 1, 0)[1] == MOST_PARTS <= 1_000_000
