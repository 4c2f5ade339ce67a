"""In which regions a store's data may lie: its group of regions, and those that its owner allows besides.

A group is a list of regions, not the beginning of their names: eu-west-2 is London and eu-central-2 is Zurich, and neither is in
the European Union.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from sluice.estate.fields import Part, Region

Group: TypeAlias = Literal["us", "eu", "apac", "global"]
GROUPS: Mapping[str, frozenset[str] | None] = {
    "us": frozenset({"us-east-1", "us-east-2", "us-west-1", "us-west-2"}),
    "eu": frozenset({"eu-west-1", "eu-west-3", "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2"}),
    "apac": frozenset({
        "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
        "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7", "ap-east-1", "ap-east-2",
    }),
    "global": None,
}  # fmt: skip
"""The regions of each group. `global` is bound to none."""


class Residency(Part):
    """Where a store's data may lie. What is taken of it into the vault, and copies elsewhere, are refused outside."""

    group: Group
    """A group of regions: `us`, `eu` (of the European Union alone), `apac`, or `global`, which is bound to none."""
    also: tuple[Region, ...] = Field(default=(), max_length=20)
    """Regions outside the group that are allowed all the same, such as eu-west-2."""


def may_hold(group: str, region: str, allowed: Collection[str] = ()) -> bool:
    """Whether data of a store of that group may lie in `region`; `allowed`: regions besides. Pure."""
    regions = GROUPS[group]
    return regions is None or region in regions or region in allowed
