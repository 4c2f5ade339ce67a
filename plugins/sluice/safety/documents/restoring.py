"""What the service is asked when it restores a table, with every setting passed on that the call takes. Pure.

`LEFT_OUT` names what is not said, and why; a test holds both against the service's own model, so that a parameter that is new is
met by a person and not by a copy that lacks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice.safety.documents.settings import Entry, Settings

LEFT_OUT = {
    "SourceTableArn": "the table is named; an address is for one of another account or region",
}


@dataclass(frozen=True)
class Source:
    """What a table is restored from: its history at a moment, the latest of it (None), or a backup that was made on demand."""

    moment: datetime | None = None
    backup: str | None = None
    """The service's address of it."""


def restore_request(was: Settings, source: Source, copy: str) -> tuple[str, Entry]:
    """Give the call that restores a table under another name, and all that it is told. Pure."""
    asked = {"TargetTableName": copy, **overrides(was)}
    if source.backup:
        return "restore_table_from_backup", {"BackupArn": source.backup, **asked}
    when: Entry = {"RestoreDateTime": source.moment} if source.moment else {"UseLatestRestorableTime": True}
    return "restore_table_to_point_in_time", {"SourceTableName": was.table, **when, **asked}


def overrides(was: Settings) -> Entry:
    """Give the settings of the original as a restore takes them: said, and not left to what the service would choose. Pure.

    Where the original has none of a thing, an empty list says so for indexes, and `Enabled: false` for a key of one's own.
    """
    billing: dict[str, Any] = was.only("billing") or {}
    asked: Entry = {
        "BillingModeOverride": billing["BillingMode"],
        "GlobalSecondaryIndexOverride": list(was.of("index")),
        "LocalSecondaryIndexOverride": list(was.of("local index")),
        "SSESpecificationOverride": was.only("encryption") or {"Enabled": False},
    }
    may_lack = {
        "ProvisionedThroughputOverride": billing.get("ProvisionedThroughput"),
        "OnDemandThroughputOverride": was.only("limit on demand"),
        # An endpoint that is older than these refuses the very word.
        "VectorIndexOverride": list(was.of("vector index")),
    }
    return asked | {name: told for name, told in may_lack.items() if told}
