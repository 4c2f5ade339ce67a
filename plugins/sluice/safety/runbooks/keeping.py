"""The runbooks in the vault: on the day they are needed, this project may be what does not run.

docs/runbooks/<moment>/<name>.md
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sluice.stores.objects import Vault

PLACE = "docs/runbooks/"
KEPT = 30
"""How many writings of them stay."""


def keep_runbooks(vault: Vault, pages: Mapping[str, str], at: datetime) -> str:
    """Store them under their moment, and take away the oldest; gives the folder. Raises AlreadyThere, VaultDown, AccessDenied."""
    folder = f"{PLACE}{at.astimezone(UTC):%Y%m%dT%H%M%SZ}/"
    for name, text in pages.items():
        vault.put_once(f"{folder}{name}", text.encode(), "text/markdown; charset=utf-8")
    for old in vault.folders(PLACE)[:-KEPT]:
        for key in vault.list(old):
            vault.remove(key)
    return folder
