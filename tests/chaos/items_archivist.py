"""Works at the archive of records in DynamoDB in a process of its own, and dies where it is told to."""

from __future__ import annotations

from dataclasses import dataclass

from sluice import failpoints
from sluice.estate import Items
from sluice.stores.dynamodb.client import dynamodb_client
from sluice.stores.objects import Vault, vault_client
from sluice.upkeep.items.archiving import ItemArchive

from tests.archived_items import MONTHS, to_the_end


@dataclass(frozen=True)
class Told:
    """What such a process has to know."""

    documents: tuple[str | None, str | None, str | None, str]
    vault: tuple[str, str, str]
    bucket: str
    items: Items
    prefix: str


def work(told: Told, armed: str, restores: bool) -> None:
    """Archive and delete all there is, or bring a month back; die at the failpoint that is armed."""
    failpoints.arm(armed)
    vault = Vault(vault_client(*told.vault, "us-east-1"), told.bucket)
    archive = ItemArchive(told.items, dynamodb_client(*told.documents), vault, told.prefix)
    if restores:
        archive.bring_back(MONTHS[0], print)
    else:
        to_the_end(archive)
