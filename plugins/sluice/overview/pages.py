"""The pages there are, in the order in which one reads them, each with what answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.overview.asked import Asked
from sluice.overview.capacity.page import capacity
from sluice.overview.drills.page import drills
from sluice.overview.estate.page import estate
from sluice.overview.migrations.listed import migrations
from sluice.overview.partitions.page import partitions
from sluice.overview.quality import quality


@dataclass(frozen=True)
class Page:
    """One of them."""

    title: str
    told: str
    """What it answers, in a line."""
    answer: Callable[[Asked], Any]
    """A frozen dataclass, which the console draws and the terminal lays out. Raises StoreDown."""


PAGES: Mapping[str, Page] = {
    "estate": Page("Estate", "If a store died now: what would be lost, and what else is wrong with it.", estate),
    "migrations": Page(
        "Migrations", "Where each migration stands, when its copy ends, and what waits for a person.", migrations
    ),
    "partitions": Page(
        "Partitions", "Where each month of each table stands, from ahead to the vault alone.", partitions
    ),
    "drills": Page(
        "Drills", "How long each store took to come back, day by day, and when that will be too long.", drills
    ),
    "capacity": Page("Capacity", "What each store holds, how it grows, and when it will be full.", capacity),
    "quality": Page("Quality", "Which gates were green, day by day, and which were red.", quality),
}
"""By name: the end of its address, and the word after `./sluice status`."""
