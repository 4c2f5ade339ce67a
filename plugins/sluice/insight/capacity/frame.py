"""What of a measure a chart shows, and on what scale: days from left to right, values from the floor up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sluice.insight.capacity.measure import Ceiling, Curve, Outlook

WIDE, HIGH = 1000, 300
"""The drawing's own units."""
NEAR = 1.7
"""A limit further away than so many times what is drawn is only told: drawn, it would press all else to the floor."""
GOOD_STEPS = (1, 2, 2.5, 5, 10)
ENDS_AFTER = 21
"""Days that are drawn behind the last thing that is to be seen."""
LONGEST_AHEAD = 240


@dataclass(frozen=True)
class Frame:
    """A chart's scale: days as ordinals from left to right, values from the floor up."""

    first: int
    last: int
    low: float
    high: float

    def x(self, day: float) -> float:
        """Where a day is drawn."""
        return WIDE * (day - self.first) / max(1, self.last - self.first)

    def y(self, value: float) -> float:
        """Where a value is drawn; SVG counts down."""
        return HIGH - HIGH * (value - self.low) / ((self.high - self.low) or 1)

    @property
    def data(self) -> str:
        """The scale, for whoever reads the drawing back."""
        return f'data-first="{self.first}" data-last="{self.last}" data-low="{self.low!r}" data-high="{self.high!r}"'


def frame_of(outlook: Outlook) -> Frame:
    """Give the scale that a measure is drawn on."""
    seen = shown_curve(outlook)
    values = [*outlook.values, *(seen.p90 if seen else ())]
    values += [limit.value for limit in outlook.limits if is_near(outlook, limit)]
    last = seen.days[-1] if seen else outlook.days[-1] + timedelta(days=1)
    return Frame(outlook.days[0].toordinal(), last.toordinal(), 0.0, 1.06 * max(*values, 1e-9))


def shown_curve(outlook: Outlook) -> Curve | None:
    """Give the part of a forecast that is drawn: 90 days, and more where a limit is reached later and can be shown."""
    if outlook.curve is None:
        return None
    last = outlook.days[-1]
    ends = [at.latest or at.likely for at in outlook.arrivals if is_near(outlook, at.limit)]
    wanted = max([90, *((end - last).days + ENDS_AFTER for end in ends if end)])
    count = min(wanted, LONGEST_AHEAD, len(outlook.curve.days))
    return Curve(*(part[:count] for part in vars(outlook.curve).values()))


def is_near(outlook: Outlook, limit: Ceiling) -> bool:
    """Tell whether a limit is drawn."""
    ninety = outlook.in_90_days or (0.0,)
    return limit.value <= NEAR * max(*outlook.values, ninety[-1], 1e-9)


def ticks(high: float) -> list[float]:
    """Give three to five round numbers from zero on."""
    rough = high / 4
    size = 10.0 ** (len(str(int(rough))) - 1) if rough >= 1 else 10.0 ** -_places(rough)
    step = next(size * good for good in GOOD_STEPS if size * good >= rough)
    return [step * number for number in range(int(high / step) + 1)]


def _places(value: float) -> int:
    places = 0
    while value < 1 and places < 12:
        value, places = value * 10, places + 1
    return places
