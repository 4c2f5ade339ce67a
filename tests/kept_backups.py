"""Backups of a few bytes, with a log of a few more, as a server would leave them in a vault: for tests of what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from sluice.safety.backup import Backup, folder_of, name_at
from sluice.safety.keeping.looking import Seen, look
from sluice.safety.physical.log import LogStore
from sluice.safety.physical.wal import Segment, as_text
from sluice.stores.objects import Vault
from sluice.stores.parts import store_part

SIZE = 1 << 20


@dataclass
class Shelf:
    """One store's backups, and the place in its log. Nothing is a server's: only the layout is."""

    vault: Vault
    store: str
    system: str = "7000000000000000001"
    place: int = SIZE
    said: list[str] = field(default_factory=list)
    random: Random = field(default_factory=lambda: Random(1))

    @property
    def log(self) -> LogStore:
        """Its log."""
        return LogStore(self.vault, self.store, self.system, SIZE)

    def ship(self, files: int = 1) -> None:
        """Write and ship so many files of the log."""
        for _ in range(files):
            self.log.put(Segment.at(self.place, 1, SIZE).name, self.random.randbytes(2000) + bytes(2000))
            self.place += SIZE

    def take(self, at: datetime, after: Backup | None = None, parts: int = 2, shipped: bool = True) -> Backup:
        """Take a backup that is whole `at`, of so many parts; the log that it needs is shipped with it."""
        name = name_at(at - timedelta(minutes=5), "increment" if after else "full")
        folder, begins = folder_of(self.store, name), self.place + 40
        made = [
            store_part(self.vault, f"{folder}/part-{number:05}.zst", self.random.randbytes(3000))
            for number in range(parts)
        ]
        own = store_part(self.vault, f"{folder}/backup_manifest.zst", self.random.randbytes(500))
        if shipped:
            self.ship()
        backup = Backup(
            self.store, name, after.id if after else None, self.system, "18.0", "postgres", "postgres", 1, SIZE,
            as_text(begins), as_text(begins + 100), (at - timedelta(minutes=5)).isoformat(), at.isoformat(),
            {"max_connections": "100"}, tuple(made), own,
        )  # fmt: skip
        backup.keep(self.vault)
        return backup

    @property
    def seen(self) -> Seen:
        """What there is."""
        return look(self.vault, self.store)

    def tell(self, line: str) -> None:
        """Note what was told."""
        self.said.append(line)
