"""Durations as people write them: a whole number and one unit, such as 50ms, 5s, 30m, 2h or 7d."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {  # largest first: the order in which a duration is written back
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
PATTERN = r"^[0-9]{1,9}(ms|s|m|h|d)$"


def parse_duration(text: str) -> timedelta:
    """Read `50ms`, `5s`, `30m`, `2h` or `7d`. Raises ValueError for anything else, `1h30m` included."""
    found = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|d)", text)
    if found is None:
        raise ValueError("allowed: a whole number and ms, s, m, h or d")
    return int(found[1]) * UNITS[found[2]]


def format_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that leaves no rest. What is finer than 1 ms is cut off."""
    for name, unit in UNITS.items():
        if duration and not duration % unit:
            return f"{duration // unit}{name}"
    return f"{duration // UNITS['ms']}ms"
