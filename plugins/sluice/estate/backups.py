"""How a store is backed up and proven, as a person writes it: `backup:` below a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field

from sluice.estate.calendar import Clock
from sluice.estate.document import Document
from sluice.estate.fields import Connection, Part, lasting, matching
from sluice.estate.mistakes import Mistake
from sluice.estate.showing import shown

By: TypeAlias = Literal["physical"]
ENGINES: Mapping[str, str] = dict.fromkeys(get_args(By), "postgres")
"""Which engine each way is for."""
Folder: TypeAlias = Annotated[str, matching(r"/[^\u0000]{1,200}", "a folder of the workers' disk, from / on")]


class Backups(Part):
    """How a store is backed up, and how that is proven."""

    by: By
    """`physical`: the whole server by PostgreSQL's own programs, and its log as it is written: back to any moment."""
    connection: Connection
    """The Airflow connection of a role that backs up: with REPLICATION, and BYPASSRLS and pg_read_all_data to count every row."""
    at: Clock = time(2, 0)
    """When a backup is taken, every day, UTC. Write it in quotes."""
    full_every: Annotated[timedelta, lasting("1d", "35d")] = timedelta(days=7)
    """How old a whole backup may be that an increment rests on (PostgreSQL 17 on, with summarize_wal; older: all are whole)."""
    window: Annotated[timedelta, lasting("1d", "3650d")] = timedelta(days=35)
    """For how long a past the store can be brought back to any moment."""
    drill_at: Clock = time(4, 0)
    """When the store is brought back for a trial, every day, UTC: as it is now, and as of a drawn moment. Write it in quotes."""
    slower_at_most: int = Field(default=3, ge=2, le=100)
    """By what factor a read of the copy may take longer than in the living store, on a machine of the same speed."""
    scratch: Folder = "/var/tmp/sluice"
    """A folder on the workers' disk, with room for the store twice, where it is brought back. Made where it is missing."""


def check_backups(document: Document) -> Iterator[Mistake]:
    """Find what single fields of a store's `backup` cannot see."""
    stores = document.get("stores")
    for name, store in stores.items() if isinstance(stores, dict) else ():
        backup = store.get("backup") if isinstance(store, dict) else None
        by = str(backup.get("by")) if isinstance(backup, dict) else ""
        if by in ENGINES and store.get("engine") != ENGINES[by]:
            allowed = [way for way, engine in ENGINES.items() if engine == store.get("engine")]
            yield document.mistake(
                ("stores", name, "backup", "by"), shown(by), " or ".join(allowed) or "no `backup` for this engine yet"
            )
