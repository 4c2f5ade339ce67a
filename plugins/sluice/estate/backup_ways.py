"""The ways in which a store can be backed up, and what is true of each: one table, so that no feature forgets one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

By: TypeAlias = Literal["physical", "logical", "pgbackrest", "rds", "neon", "documents", "service"]


@dataclass(frozen=True)
class Way:
    """One of them."""

    fields: frozenset[str]
    """The fields of `backup` that it has, of those that not every way has."""
    needs: frozenset[str] = frozenset()
    """Without which of these it is nothing."""
    engine: str = "postgres"
    on_disk: bool = True
    """Whether a copy comes up on a worker's disk."""
    in_vault: bool = True
    """Whether what it takes lies in the vault."""
    ships: bool = False
    """Whether its log is brought into the vault as it is written."""
    has_increments: bool = False
    """Whether a backup may be of what has changed alone."""
    at_service: bool = False
    """Whether a service keeps its backups, and deletes them when it is told."""
    prunes: bool = False
    """Whether it is ours to say how long a backup stays."""
    has_names: bool = False
    """Whether one backup alone is brought back by its name, poisoned, and copied elsewhere."""
    has_points: bool = False
    """Whether it keeps a log in which a point can be named."""
    targets: tuple[str, ...] = ("latest", "time")
    """What a person may ask for when it is brought back; a second copy `elsewhere` is named by where it is."""
    has_places: bool = True
    """Whether its counts have a place in a log; where not, what a copy holds lies between two of them."""
    is_begun: bool = False
    """Whether a copy takes so long that one task begins it and the next one finds it: no worker waits."""
    least_rpo: timedelta = timedelta(0)
    """What it can promise at best."""
    why: str = ""
    """Why no less."""


WAYS: Mapping[By, Way] = {
    "physical": Way(
        frozenset({"full_every", "window", "keep", "elsewhere", "checks"}), ships=True, prunes=True, has_names=True,
        has_increments=True, has_points=True, targets=("latest", "time", "position", "point", "backup"),
    ),
    "logical": Way(
        frozenset({"jobs", "keep", "checks"}), prunes=True,
        least_rpo=timedelta(days=1), why="1d or more with a backup by logical: between two dumps nothing is kept",
    ),
    "pgbackrest": Way(
        frozenset({"full_every", "stanza", "config", "repo", "takes", "checks"}), frozenset({"stanza"}), in_vault=False,
        has_increments=True, has_points=True, targets=("latest", "time", "position", "point"),
    ),
    "rds": Way(
        frozenset({"service", "instance", "region", "drill_class", "copies", "keep", "amcheck", "checks"}),
        frozenset({"service", "instance", "region"}), on_disk=False, in_vault=False, at_service=True, prunes=True,
        has_places=False, is_begun=True, targets=("latest", "time", "point"), least_rpo=timedelta(minutes=10),
        why="10m or more with a backup by rds: it brings its log away every five minutes",
    ),
    "neon": Way(
        frozenset({"jobs", "service", "project", "branch", "keep", "amcheck", "checks"}), frozenset({"service", "project"}),
        on_disk=False, prunes=True, has_places=False, targets=("latest", "time", "position"),
    ),
    "documents": Way(
        frozenset({"tables", "every", "beside", "window", "keep"}), frozenset({"tables"}), engine="dynamodb", on_disk=False,
        ships=True, prunes=True,
    ),
    "service": Way(
        frozenset({"tables", "every", "beside", "days", "exports", "keep"}), frozenset({"tables"}), engine="dynamodb",
        on_disk=False, at_service=True, ships=True, prunes=True, targets=("latest", "time", "point"),
        least_rpo=timedelta(minutes=10), why="10m or more with a backup by service: its history is some five minutes behind",
    ),
}  # fmt: skip
