"""Whether something else promotes here: then Sluice does not (ruling 17). Two that promote make two that lead.

A sign is proof; no sign proves nothing (an agent may leave none that a session sees), so the estate's file says it first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from sluice.errors import Terminal
from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement

By = Literal["platform", "sluice"]
"""Who promotes a replica of a store, by the estate's file."""

SIGNS: Mapping[str, str] = {
    "Patroni": r"(session|role) patroni.*|slot patroni.*",
    "repmgr": r"(session|role|extension|library) repmgrd?|slot repmgr_slot_\d+",
    "pg_auto_failover": r"(extension|library) pgautofailover|(session|slot) (pg_?auto_?failover|pgautofailover_standby)_?.*",
    "stolon": r"(session|role) stolon.*|slot stolon_.*",
    "CloudNativePG": r"(session|slot) _?cnpg_.*",
    "Amazon RDS or Aurora": r"role rds_superuser",
    "Cloud SQL": r"role cloudsqlsuperuser",
    "Azure": r"role azure_pg_admin",
    "Neon": r"role neon_superuser|extension neon",
}
"""Who, and what it leaves behind, as `kind name`."""


class NotOurs(Terminal):
    """Something else promotes the replicas of this store."""


def find_rivals(c: Connection) -> tuple[str, ...]:
    """Name whoever promotes by itself, by the signs in this server."""
    return read_signs(f"{row['kind']} {row['name']}" for row in rows(c, statement("replicas.list_signs")))


def read_signs(signs: Iterable[str]) -> tuple[str, ...]:
    """Name whoever has left one of these signs. Pure."""
    told = list(signs)
    return tuple(who for who, sign in SIGNS.items() if any(re.fullmatch(sign, one, re.IGNORECASE) for one in told))


def check_ours(store: str, by: By, rivals: Iterable[str]) -> None:
    """Raise NotOurs unless the estate leaves it to us, and nobody else is there who would."""
    if by != "sluice":
        raise NotOurs(
            f"The estate leaves the failover of {store} to its platform. Nothing was promoted. Where nothing else promotes,"
            f" write `failover: sluice` into its `replicas`."
        )
    if found := " and ".join(rivals):
        raise NotOurs(f"{found} promotes the replicas of {store} by itself: ask it. Nothing was promoted.")
