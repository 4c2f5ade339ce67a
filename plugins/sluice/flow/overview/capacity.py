"""Looks at the last capacity report: what it says, out of the vault, so that a page need not ask there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluice.flow.connections import open_vault
from sluice.flow.insight.ledger import opened_ledger

if TYPE_CHECKING:
    from sluice.ledger.forecasts import Forecasts
    from sluice.stores.objects import Vault

LAST = "last"
"""There is one such thing: the last report."""


def reports() -> Sequence[str]:
    """Name it."""
    return [LAST]


def look_at_report(_: str) -> Mapping[str, Any]:
    """Give the last report, shortened; nothing where none was made yet. Raises NoConnection, StoreDown, and as `last_report`."""
    with opened_ledger("overview capacity") as ledger:
        return last_report(ledger.forecasts, open_vault())


def last_report(kept: Forecasts, vault: Vault) -> dict[str, Any]:
    """Give it by an open ledger and vault. Raises StoreDown, VaultDown, AccessDenied, NoSuchKey where it is there no more."""
    from datetime import date

    from sluice.overview.capacity.shortened import shortened

    last = kept.report_before(date.max)
    if last is None:
        return {}
    return shortened(json.loads(vault.get(last.key)), last.key.removesuffix(".json") + ".html")
