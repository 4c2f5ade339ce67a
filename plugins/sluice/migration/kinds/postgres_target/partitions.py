"""Partitions of a target: how many there may be, how they are named by time, and whether one follows upon the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from sluice.migration.engine.contract import NotYet
from sluice.stores.postgres import Row

MOST_PARTITIONS = 1000
"""More would slow every plan down, and fill the lock table."""
SUFFIXES = {"month": '"y"YYYY"m"MM', "week": '"y"IYYY"w"IW', "day": '"y"YYYY"m"MM"d"DD'}


class TooManyPartitions(NotYet):
    """The table's values ask for more partitions than a table should have."""


def count_gaps(parts: Sequence[Row]) -> int:
    """Count places where one partition's upper bound is not the next one's lower bound."""
    bounds = sorted(bounds_of(part["bounds"]) for part in parts)
    return sum(1 for (_, upper), (lower, _) in pairwise(bounds) if upper != lower)


def bounds_of(text: str) -> tuple[str, str]:
    """Read the bounds of a range: FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')."""
    _, lower, _, upper, _ = text.split("'")
    return lower, upper
