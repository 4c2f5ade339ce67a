"""Dumps as their keeping sees them: each stands alone, and needs no log."""

from __future__ import annotations

from sluice.safety.censuses import thin_out
from sluice.safety.driver import Tell
from sluice.safety.keeping.looking import Sort
from sluice.safety.keeping.tiers import One
from sluice.safety.logical.dump import Dump, dumps_of, read_dump
from sluice.stores.objects import Vault


def one_of(dump: Dump) -> One:
    """Give a dump as its keeping sees it. Pure."""
    return One(dump.id, dump.moment)


DUMPS = Sort("dumps", read_dump, one_of)


def thin_out_counts(vault: Vault, store: str, tell: Tell) -> None:
    """Take away the counts of dumps that are gone. Safe to repeat. Raises Unreadable, VaultDown."""
    if found := dumps_of(vault, store):
        thin_out(vault, store, found[-1].moment, [dump.moment for dump in found], tell)
