"""The look at what the vault holds of drills: each certificate is read once, and kept in few words in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.estate import read_stores
from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.project import ROOT
from sluice.flow.safety.stores import backed_up, driver_of

if TYPE_CHECKING:
    from sluice.ledger.seen import SeenThings
    from sluice.stores.objects import Vault

YEAR = timedelta(days=366)


def stores() -> list[str]:
    """Name the stores that are drilled. Raises EstateErrors."""
    return list(backed_up())


def look(store: str) -> Mapping[str, Any]:
    """Give the certificates of a year, oldest first, and how large each backup is. Raises NoConnection, StoreDown, VaultDown."""
    from sluice.ledger.seen import Kind
    from sluice.overview.drills.condensed import condensed, condensed_failover
    from sluice.safety.drill.certificate import folder_of, read_certificate
    from sluice.safety.replicas import certificate as failover

    with opened_seen() as seen:
        before = seen.one_of(Kind.CERTIFICATES, store)
    known = before.found if before else {}
    vault, unread = open_vault(), list[str]()

    def read(kind: str, folder: str, read_one: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
        return newly_read(vault.list(folder), known.get(kind, ()), read_one, unread.append)

    drills = read("drills", folder_of(store), lambda key: condensed(read_certificate(vault, key)))
    failovers = read(
        "failovers", failover.folder_of(store), lambda key: condensed_failover(failover.read_failover(vault, key))
    )
    return {"drills": drills, "failovers": failovers, "stored": _stored(store, vault), "unread": unread[:3]}


def newly_read(
    keys: Collection[str],
    known: Collection[Mapping[str, Any]],
    read: Callable[[str], dict[str, Any]],
    tell: Callable[[str], object],
) -> list[dict[str, Any]]:
    """Give those of a year, oldest first: what is known is read no more; what cannot be read is told."""
    from sluice.safety.backup import Unreadable

    had, since = {one["name"]: dict(one) for one in known}, datetime.now(UTC) - YEAR
    found = []
    for key in keys:
        name = key.rpartition("/")[2].removesuffix(".json")
        if _is_old(name, since):
            continue
        try:
            found.append(had.get(name) or read(key))
        except Unreadable as why:
            tell(str(why))
    return sorted(found, key=lambda one: str(one["asked_at"]))


@contextmanager
def opened_seen() -> Iterator[SeenThings]:
    """Open what was seen before; closed afterwards. Raises NoConnection, StoreDown."""
    from sluice.ledger.seen import SeenThings
    from sluice.stores.postgres import connect

    with connect(dsn_of(read_stores(ROOT).ledger.connection), purpose="look for the overview") as c:
        yield SeenThings(c)


def _is_old(name: str, since: datetime) -> bool:
    from sluice.safety.driver import NotScratch, made_at

    try:
        return made_at(name) < since
    except NotScratch:  # whoever named it: it is read, and says itself when it was
        return False


def _stored(store: str, vault: Vault) -> dict[str, int]:
    """Give the bytes of each backup; of a service that does not answer, none is known, and its drills are shown all the same."""
    with suppress(SluiceError):
        return {one.id: one.bytes for one in driver_of(store, vault).backups()}
    return {}
