"""When a cutover may happen. Pure: the moment is given, and every time and date is UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sluice.estate.fields import Part, Written

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DateSpan:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @classmethod
    def parse(cls, text: str) -> DateSpan:
        """Read `2026-12-20..2027-01-03`, or one day. Years 2000 to 2099. Raises ValueError."""
        found = re.fullmatch(r"(20\d\d-\d\d-\d\d)(?:\.\.(20\d\d-\d\d-\d\d))?", text, re.ASCII)
        if found is None:
            raise ValueError("allowed: 2026-12-20..2027-01-03")
        first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2] or found[1])
        if last < first:
            raise ValueError("allowed: the earlier day first")
        return cls(first, last)

    def __contains__(self, day: date) -> bool:
        """Say whether the day lies in the span."""
        return self.first <= day <= self.last

    def __str__(self) -> str:
        """Write the span as in a file."""
        return f"{self.first}..{self.last}"


def _read_clock(text: str) -> time:
    if re.fullmatch(r"\d\d:\d\d", text, re.ASCII) is None:
        raise ValueError("allowed: hours and minutes")
    return time.fromisoformat(text)


def _write_clock(clock: time) -> str:
    return f"{clock:%H:%M}"


Clock: TypeAlias = Annotated[
    time,
    Written(_read_clock, 'a time of the day in UTC from "00:00" to "23:59"', r"^[0-2][0-9]:[0-5][0-9]$", _write_clock),
]
Freeze: TypeAlias = Annotated[
    DateSpan,
    Written(
        DateSpan.parse,
        "a day, or the first and last of several: 2026-12-20..2027-01-03",
        r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}(\.\.20[0-9]{2}-[0-9]{2}-[0-9]{2})?$",
    ),
]


class Window(Part):
    """Hours of the week in which somebody is at hand."""

    days: tuple[Day, ...] = Field(min_length=1, max_length=7)
    """Days on which the window opens."""
    opens: Clock = Field(alias="from")
    """When it opens, UTC. Write it in quotes."""
    closes: Clock = Field(alias="to")
    """When it closes, UTC, itself not included. At or before `from`, it closes on the next day."""

    def __str__(self) -> str:
        """Write the window in words: `mon-thu 09:00–16:00 UTC`."""
        return f"{_days_in_words(self.days)} {self.opens:%H:%M}–{self.closes:%H:%M} UTC"

    def holds(self, moment: datetime) -> bool:
        """Say whether the window is open. One that spans midnight belongs to the day on which it opened."""
        opened = [day for day in (moment.date() - ONE_DAY, moment.date()) if self._on(day)]
        return any(self._opening(day) <= moment < self._closing(day) for day in opened)

    def next_opening(self, moment: datetime) -> datetime:
        """Give the first opening after `moment`."""
        days = (moment.date() + n * ONE_DAY for n in range(9))
        return next(self._opening(day) for day in days if self._on(day) and self._opening(day) > moment)

    def _on(self, day: date) -> bool:
        return WEEK[day.weekday()] in self.days

    def _opening(self, day: date) -> datetime:
        return datetime.combine(day, self.opens, UTC)

    def _closing(self, day: date) -> datetime:
        ends = day if self.closes > self.opens else day + ONE_DAY
        return datetime.combine(ends, self.closes, UTC)


def open_at(window: Window | None, freeze: Sequence[DateSpan], moment: datetime) -> tuple[bool, str]:
    """Say whether a cutover may start at `moment`, and why or when. Raises ValueError if it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone; give it in UTC")
    now = moment.astimezone(UTC)
    opens = f"opens {_next_open(window, freeze, now):%a %Y-%m-%d %H:%M} UTC"
    if now.date() != (thaws := _thaw(freeze, now.date())):
        return False, f"frozen until {thaws} 00:00 UTC; {opens}"
    if window is None:
        return True, "no window is set"
    if window.holds(now):
        return True, f"inside window {window}"
    return False, f"outside window {window}; {opens}"


def _next_open(window: Window | None, freeze: Sequence[DateSpan], moment: datetime) -> datetime:
    # A thaw may fall outside the window, and an opening on a frozen day: step on until neither holds.
    while True:
        if moment.date() != (thaws := _thaw(freeze, moment.date())):
            moment = datetime.combine(thaws, time(), UTC)
        elif window is not None and not window.holds(moment):
            moment = window.next_opening(moment)
        else:
            return moment


def _thaw(freeze: Sequence[DateSpan], day: date) -> date:
    """Give `day`, or the first day after it that no span holds: spans may touch or overlap."""
    while holding := [span for span in freeze if day in span]:
        day = max(span.last for span in holding) + ONE_DAY
    return day


def _days_in_words(days: Sequence[Day]) -> str:
    numbers = [number for number, day in enumerate(WEEK) if day in days]
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(WEEK[run[0]] if len(run) == 1 else f"{WEEK[run[0]]}-{WEEK[run[-1]]}" for run in runs)
