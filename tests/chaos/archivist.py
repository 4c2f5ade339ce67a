"""Works at the archive of a table in a process of its own, and dies where it is told to."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice import failpoints
from sluice.estate.dataset import Dataset
from sluice.stores.objects import Vault, vault_client
from sluice.stores.postgres import connect
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.archive.copies import copies_in, drop_copies
from sluice.upkeep.archive.copying import copy_months
from sluice.upkeep.partitions.spans import span_at

from tests.archived import ROLES, Stage

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
    archive = opened(told, armed)
    if restores:
        archive.restore(RESTORED, timedelta(days=1), print)
    else:
        archive.archive(print)
        archive.drop(print)


def copy(told: Told, armed: str, drops: bool) -> None:
    """Copy a month for no time at all, or drop the copies whose time is over; die at the failpoint that is armed."""
    archive = opened(told, armed)
    c, month = archive.keeper, span_at(RESTORED, "month")
    if drops:
        drop_copies(c, archive.dropper, archive.vault, [copy for copy in copies_in(c) if copy.over])
    else:
        copy_months(c, archive.vault, told.dataset, month, timedelta(0), print, told.dataset.store)


def opened(told: Told, armed: str) -> Archive:
    """Arm a failpoint, and open the archive."""
    failpoints.arm(armed)
    sessions: list[Any] = [connect(dsn, purpose="archivist") for dsn in (told.keeper, told.exporter, told.dropper)]
    return Archive(told.dataset, Vault(vault_client(*told.vault, "us-east-1"), told.bucket), *sessions)


class Process:
    """Starts workers. They are forked from one that has read everything, and has no threads."""

    def __init__(self, stage: Stage, vault: Any) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(
            ["pytest", "tests.chaos.archivist", "boto3", "pyarrow.parquet", "pyarrow.compute"]
        )
        database = stage.database
        exporter, dropper = map(database.dsn, ROLES)
        seen = (vault.endpoint, vault.store.key, vault.store.secret)
        self.told = Told(database.dsn(), exporter, dropper, seen, stage.vault.bucket, stage.dataset)

    def run(
        self, armed: str = "", restores: bool = False, does: Callable[..., None] = work, tries: int = 20
    ) -> int | None:
        """Work (or `does` this) until the end, or until killed; gives how it ended. Waits for what the one before held."""
        for _ in range(tries):
            process = self.context.Process(target=does, args=(self.told, armed, restores))
            process.start()
            process.join(60)
            if process.exitcode in (0, -signal.SIGKILL):
                return process.exitcode
            time.sleep(0.1)
        return process.exitcode
