"""Set a bucket as the estate's file says: plan, apply, verify. A second time there is nothing to do."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from sluice.errors import Transient
from sluice.estate.dataset import Dataset
from sluice.estate.items import Items
from sluice.estate.models import Vault as Wanted
from sluice.estate.retention import Retention
from sluice.stores.bucket import Rule, Settings, allow_locks, keep_versions, read_settings, set_rules
from sluice.stores.objects import Vault
from sluice.stores.postgres import Table
from sluice.stores.rules import Kept, ended_early, forgotten_early, put_to_sleep
from sluice.upkeep.vault.planning import AllowLocks, KeepVersions, Plan, plan

Facts: TypeAlias = Mapping[str, int | str]
Tell: TypeAlias = Callable[[str], None]
ARCHIVE = "archive/"
UNKNOWN = Kept(ARCHIVE, None)
"""What a file says of the vault that cannot be read: nobody knows, so nothing that is archived goes meanwhile."""
SHOWN = 10
"""How many of each are named."""


class NotAsAsked(Transient):
    """S3 says other than what it was told."""


def kept_by(datasets: Iterable[Dataset]) -> list[Kept]:
    """Give how long the months of each table stay in the vault, by its file. Pure."""
    return [Kept(_folder(one), _days(one.retention)) for one in datasets if one.retention is not None]


def kept_items(items: Iterable[Items]) -> list[Kept]:
    """Give how long the months of records stay in the vault, by the tables that they are of: for good. Pure."""
    archived = [one for one in items if one.file.archive is not None]
    return [
        Kept(folder, None) for folder in sorted({f"{ARCHIVE}{one.design.store}/{one.table.name}/" for one in archived})
    ]


def _folder(dataset: Dataset) -> str:
    """Name the folder of a table's months; that of its whole store where what is archived are parts with names of their own."""
    if len(dataset.partition.cuts) > 1:
        return f"{ARCHIVE}{dataset.store}/"
    return f"{ARCHIVE}{dataset.store}/{urllib.parse.quote(str(Table.parse(dataset.table)), safe='.')}/"


def _days(retention: Retention) -> int | None:
    """For how many days; None for good, also while some of its months are held: nothing that is held may go."""
    return retention.in_vault.days if retention.in_vault and not retention.holds else None


def plan_vault(vault: Vault, wanted: Wanted, kept: Sequence[Kept]) -> Plan:
    """Say what would be done. Raises VaultDown, AccessDenied, VaultRefused. Read only."""
    return plan(read_settings(vault), wanted, kept)


def apply_vault(vault: Vault, wanted: Wanted, kept: Sequence[Kept], tell: Tell) -> int:
    """Do it; give how many things that were. Safe to repeat. Raises VaultDown, AccessDenied, VaultRefused."""
    there = read_settings(vault)
    to_do = plan(there, wanted, kept).actions
    for action in to_do:
        match action:
            case KeepVersions():
                keep_versions(vault)
            case AllowLocks():
                allow_locks(vault)
            case _:
                set_rules(vault, action.rules, there.least_size)
        tell(str(action))
    return len(to_do)


def verify_vault(vault: Vault, wanted: Wanted, kept: Sequence[Kept]) -> Facts:
    """Ask S3 anew how the bucket is set. Raises NotAsAsked where something is left to do. Read only."""
    there = read_settings(vault)
    found = plan(there, wanted, kept)
    if found.actions:
        raise NotAsAsked(
            f"s3://{vault.bucket}: after all was done there is more to do: {found}. It is tried again by itself; if it stays,"
            " somebody else sets the same bucket, or this store of objects does not know such settings."
        )
    return facts_of(there, wanted, kept, found, _nobodys(vault, there.rules, kept))


def _nobodys(vault: Vault, rules: Sequence[Rule], kept: Sequence[Kept]) -> list[Kept]:
    """Find tables with months in the vault of which no file speaks any more; not asked where no rule takes months away."""
    if not any(Kept(ARCHIVE, None).is_ended_early_by(rule) for rule in rules):
        return []
    tables = [table for store in vault.folders(ARCHIVE) for table in vault.folders(store)]
    return [Kept(table, None) for table in tables if not any(table.startswith(one.folder) for one in kept)]


def facts_of(there: Settings, wanted: Wanted, kept: Sequence[Kept], found: Plan, nobodys: Sequence[Kept] = ()) -> Facts:
    """Give what the gate judges. Pure."""
    return {
        "versioned": int(there.keeps_versions or not wanted.versioning),
        "locks_lacking": int(wanted.lock is not None and not there.knows_locks),
        "rules": len(there.rules),
        "tables": len(kept),
        **_counted("left_to_do", map(str, found.actions)),
        **_counted("refused", found.refused),
        **_counted("ended_early", ended_early(there.rules, kept)),
        **_counted("ended_unasked", ended_early(there.rules, nobodys)),
        **_counted("forgotten_early", forgotten_early(there.rules, kept)),
        **_counted("put_to_sleep", put_to_sleep(there.rules, ARCHIVE)),
    }


def _counted(name: str, found: Iterable[str]) -> Facts:
    listed = list(found)
    return {name: len(listed), f"{name}_told": "; ".join(listed[:SHOWN])}
