"""The classes of instances in RDS: which is one size larger, one smaller, and by how much. Pure.

Within a family a class has twice what the one before it has, up to `xlarge`; then its number says how many times that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from sluice.estate.scaling import Size
from sluice.insight.scaling.evaluating import Way

SIZES: tuple[Size, ...] = get_args(Size)
PARTS: dict[str, int] = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}


def size_of(name: str) -> str:
    """Give the size of a class: `large` of `db.r6g.large`."""
    return name.rpartition(".")[2]


def parts_of(name: str) -> int:
    """Say how much a class has, in parts of its family's `micro`. Raises ValueError for a size that nobody knows."""
    size = size_of(name)
    if size in PARTS:
        return PARTS[size]
    if size not in SIZES:
        raise ValueError(f"{name} is of no size that is known here: {', '.join(SIZES)}")
    return int(size.removesuffix("xlarge")) * PARTS["xlarge"]


def times(before: str, after: str) -> float:
    """Say how many times as much the class `after` has."""
    return parts_of(after) / parts_of(before)


def next_classes(name: str, way: Way, smallest: Size | None, largest: Size | None) -> Iterator[str]:
    """Give the other classes of its family on a way, nearest first, within bounds: AWS does not offer each of them."""
    family, _, size = name.rpartition(".")
    if size not in SIZES:
        return
    at = SIZES.index(size)
    ways = SIZES[at + 1 :] if way == "up" else SIZES[:at][::-1]
    low, high = SIZES.index(smallest) if smallest else 0, SIZES.index(largest) if largest else len(SIZES) - 1
    yield from (f"{family}.{one}" for one in ways if low <= SIZES.index(one) <= high)
