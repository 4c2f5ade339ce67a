"""When a report calls its earlier forecasts bad: never for what may be chance."""

from __future__ import annotations

import pytest
from sluice.insight.capacity.page import page
from sluice.insight.capacity.scoring import scored
from sluice.insight.forecast.scoring import Kept

from tests.reported import report


@pytest.mark.parametrize(
    ("held", "count", "good"),
    [
        (2, 4, True),  # of four, chance
        (50, 100, False),
        (100, 100, False),
        (3850, 5000, True),  # 77 % for certain, and near enough
        (3450, 5000, False),
    ],
)
def test_forecasts_are_bad_where_it_is_no_chance_and_they_are_far_from_four_in_five(held: int, count: int, good: bool):
    made = [(7, Kept(8, 10, 12, 11))] * held + [(7, Kept(8, 10, 12, 13))] * (count - held)
    (found,) = scored(made)
    assert (found.count, found.good) == (count, good)
    assert ('<li class="bad">7 days ahead' in page(report(scores=(found,)))) is not good
