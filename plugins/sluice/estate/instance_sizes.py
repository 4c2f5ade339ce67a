"""The sizes of an instance's class in RDS, and how much each has: in AWS's own measure, where a small one is 1. Pure.

Within a family each size has so many times what a small one has, of processors and of memory, and costs so many times as much. A
reservation counts in this measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

from sluice.errors import Terminal

Size: TypeAlias = Literal[
    "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "3xlarge", "4xlarge", "6xlarge", "8xlarge", "9xlarge",
    "10xlarge", "12xlarge", "16xlarge", "18xlarge", "24xlarge", "32xlarge", "48xlarge",
]  # fmt: skip
"""What ends the name of an instance's class, smallest first."""
_XLARGE = 8
_BELOW = {"nano": "0.25", "micro": "0.5", "small": "1", "medium": "2", "large": "4"}
SIZES: Mapping[Size, Decimal] = {
    size: Decimal(_BELOW.get(size) or _XLARGE * int(size.removesuffix("xlarge") or 1)) for size in get_args(Size)
}
"""Each size in small ones, smallest first."""


class UnknownClass(Terminal):
    """A class of RDS has a size that nobody here knows."""


def size_of(name: str) -> Size | None:
    """Give the size of a class: `large` of `db.r6g.large`; None for one that nobody knows."""
    ending = name.rpartition(".")[2]
    return next((size for size in SIZES if size == ending), None)


def small_ones(name: str) -> Decimal:
    """Say how many small ones a class is. Raises UnknownClass."""
    size = size_of(name)
    if size is None:
        raise UnknownClass(f"{name} has a size that is not known here: choose from {', '.join(SIZES)}")
    return SIZES[size]
