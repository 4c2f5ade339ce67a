"""A stage in the sample's database: it is dropped and made anew, and its application writes as certify_app."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar, Self

from sluice.local import databases
from sluice.local.certify import WorkloadProcess
from sluice.local.demo.sample.holders import clear_sample
from sluice.local.demo.sample.strangers import check_strangers
from sluice.local.demo.stage import Written
from sluice.stores.postgres import Connection, connect


class Sampled(Written):
    """Its `mover` sees every row."""

    story: ClassVar[str]
    """What `./sluice demo` is told to play it."""
    ours: ClassVar[Sequence[str]] = ()
    """Migrations that go with the sample."""
    looks_since: str | None = None
    """What is older, the application leaves alone."""

    @abstractmethod
    def seed(self) -> None:
        """Make the sample's tables."""

    def __enter__(self) -> Self:
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
            check_strangers(self.mover, self.ours, self.story)
        clear_sample(self.mover)
        self.seed()

    def make_application(self) -> WorkloadProcess:
        """Users of the sample, as the role certify_app."""
        ledger = self.settings.state_dir / "certify-ledger.jsonl"
        address = self.settings.dsn("certify", databases.APPLICATION)
        return WorkloadProcess(address, ledger, rate=self.options.rate, since=self.looks_since)
