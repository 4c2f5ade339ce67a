"""What the PostgreSQL demo plays on: the sample estate `certify`, made afresh, and its application."""

from __future__ import annotations

from types import TracebackType

from sluice.local import databases
from sluice.local.certify import WorkloadProcess, seed
from sluice.local.demo.postgres.holders import clear_sample
from sluice.local.demo.postgres.strangers import check_strangers
from sluice.local.demo.stage import Stage
from sluice.stores.postgres import Connection, connect, rows
from sluice.stores.statements import statement


class Certify(Stage):
    """Both tables of the sample go the whole way: keys change in the second only, an identity never does."""

    migrations = ("user_sessions", "audit_log")

    def __enter__(self) -> Certify:
        self.mover: Connection = connect(self.settings.dsn("certify"), purpose="demo")
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.mover.close()

    def begin_afresh(self) -> None:
        """Drop the sample and make it anew. Raises Strangers, SampleHeld."""
        if not self.options.fresh:
            check_strangers(self.mover, self.migrations)
        clear_sample(self.mover)
        seed(self.mover, rows=self.options.size, report=self.say)

    def make_application(self) -> WorkloadProcess:
        """Users of the sample, as the role certify_app."""
        ledger = self.settings.state_dir / "certify-ledger.jsonl"
        return WorkloadProcess(self.settings.dsn("certify", databases.APPLICATION), ledger, rate=self.options.rate)

    def copied(self, name: str) -> str:
        """Say how far a migration's copy is, out of its marks."""
        status = {row["migration"]: row for row in rows(self.mover, statement("marks.show_status"))}[name]
        done = f"{status['chunks_done']}/{status['chunks']} chunks"
        eta = "unknown" if status["eta"] is None else str(status["eta"]).split(".")[0]
        return f"{done}, {status['rows_per_second'] or 0:,} rows/s, ETA {eta}"
