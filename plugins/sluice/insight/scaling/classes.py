"""The classes of instances in RDS: which is larger, which smaller, and by how much. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.estate.instance_sizes import SIZES, Size, size_of, small_ones
from sluice.insight.scaling.evaluating import Way


def times(before: str, after: str) -> float:
    """Say how many times as much the class `after` has. Raises UnknownClass."""
    return float(small_ones(after) / small_ones(before))


def next_classes(name: str, way: Way, smallest: Size | None, largest: Size | None) -> Iterator[str]:
    """Give the other classes of its family on a way, nearest first, within bounds: AWS does not offer each of them."""
    size, sizes = size_of(name), list(SIZES)
    if size is None:
        return
    ways = sizes if way == "up" else sizes[::-1]
    low, high = SIZES[smallest or sizes[0]], SIZES[largest or sizes[-1]]
    family = name.rpartition(".")[0]
    yield from (f"{family}.{one}" for one in ways[ways.index(size) + 1 :] if low <= SIZES[one] <= high)
