"""Earlier forecasts against what came: the pairs of what was said of a day and what was measured on it. Pure.

What our archive has dropped since counts as if it were there: forecasts are of what grows. What stands still is none: it would
make every score a good one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from sluice.insight.capacity.compared import TrackRecord
from sluice.insight.capacity.drops import dropped_since
from sluice.insight.capacity.growth import Growth
from sluice.insight.forecast.scoring import Kept, score
from sluice.ledger.forecasts import Made
from sluice.ledger.samples import Series

HELD = (0.70, 0.95)
"""Between these a forecast's 80 % interval is one, however many say so; of a few what they say is chance."""
SCORED = timedelta(days=182)
"""How long ago a forecast may have been made."""


def pairs(made: Iterable[Made], grown: Mapping[Series, Growth]) -> Iterator[tuple[int, Kept]]:
    """Match forecasts with days that have come, by how many days ahead: each as a share of what came.

    A day that was not measured has none.
    """
    for one in made:
        if (growth := grown.get(one.series)) is None:
            continue
        came = dict(zip(growth.line.days, growth.line.values, strict=True))
        for ahead, p10, p50, p90 in zip(one.ahead, one.p10, one.p50, one.p90, strict=True):
            day = one.until.toordinal() + ahead - 1
            if day not in came:
                continue
            added = dropped_since(growth.drops, one.until - timedelta(days=1))
            added -= dropped_since(growth.drops, date.fromordinal(day))
            value = came[day] + added
            if not p10 == p90 == one.base == value:
                scale = value or 1.0
                yield ahead, Kept(p10 / scale, p50 / scale, p90 / scale, value / scale)


def scored(found: Iterable[tuple[int, Kept]]) -> tuple[TrackRecord, ...]:
    """Score them, by how many days ahead was said."""
    made = defaultdict[int, list[Kept]](list)
    for ahead, kept in found:
        made[ahead].append(kept)
    told = ((ahead, score(made[ahead])) for ahead in sorted(made))
    return tuple(
        TrackRecord(
            ahead, one.points, one.share, one.low, one.high, one.pinball, one.sound or HELD[0] <= one.share <= HELD[1]
        )
        for ahead, one in told
    )
