"""Works at the archive of a table in a process of its own, and dies where it is told to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice import failpoints
from sluice.estate.dataset import Dataset
from sluice.stores.objects import Vault, vault_client
from sluice.stores.postgres import connect
from sluice.upkeep.archive.archiving import Archive

RESTORED = datetime(2024, 1, 15, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """What such a process has to know."""

    keeper: str
    exporter: str
    dropper: str
    vault: tuple[str, str, str]
    bucket: str
    dataset: Dataset


def work(told: Told, armed: str, restores: bool) -> None:
    """Archive and drop all there is, or bring a month back; die at the failpoint that is armed."""
    failpoints.arm(armed)
    sessions: list[Any] = [connect(dsn, purpose="archivist") for dsn in (told.keeper, told.exporter, told.dropper)]
    archive = Archive(told.dataset, Vault(vault_client(*told.vault, "us-east-1"), told.bucket), *sessions)
    if restores:
        archive.restore(RESTORED, timedelta(days=1), print)
    else:
        archive.archive(print)
        archive.drop(print)
