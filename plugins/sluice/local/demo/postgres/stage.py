"""What the PostgreSQL demo plays on: the sample estate `certify`, made afresh, and its application."""

from __future__ import annotations

from sluice.local.certify import seed
from sluice.local.demo.migrating import Migrating
from sluice.local.demo.sample.stage import Sampled
from sluice.stores.postgres import rows
from sluice.stores.statements import statement


class Certify(Sampled, Migrating):
    """Both tables of the sample go the whole way: keys change in the second only, an identity never does."""

    story = "postgres"
    migrations = ours = ("user_sessions", "audit_log")

    def seed(self) -> None:
        """Make both tables, whole."""
        seed(self.mover, rows=self.options.size, report=self.say)

    def copied(self, name: str) -> str:
        """Say how far a migration's copy is, out of its marks."""
        status = {row["migration"]: row for row in rows(self.mover, statement("marks.show_status"))}[name]
        done = f"{status['chunks_done']}/{status['chunks']} chunks"
        eta = "unknown" if status["eta"] is None else str(status["eta"]).split(".")[0]
        return f"{done}, {status['rows_per_second'] or 0:,} rows/s, ETA {eta}"
