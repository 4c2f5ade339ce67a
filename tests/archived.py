"""A table with months to archive, its vault, and the three roles that work at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sluice.estate.dataset import Dataset
from sluice.local import databases
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect
from sluice.upkeep.archive import ledger, roles
from sluice.upkeep.archive.archiving import Archive

from tests.conftest import Database

TABLE = """CREATE TABLE app.event (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, tenant int, said text,
    PRIMARY KEY (id, at)) PARTITION BY RANGE (at)"""
MONTH = "CREATE TABLE app_partitions.{name} PARTITION OF app.event FOR VALUES FROM ('{lower}+00') TO ('{upper}+00')"
ROW = (
    "INSERT INTO app.event (at, tenant, said) SELECT '{lower}'::timestamp + i * '1 hour'::interval, i % 3, 'said ' || i"
)
MONTHS = (("event_y2024m01", "2024-01-01", "2024-02-01"), ("event_y2024m02", "2024-02-01", "2024-03-01"))
SECURED = "ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
ROLES = (databases.EXPORTER, databases.DROPPER)


def kept(cut: dict[str, Any] | None = None, **retention: Any) -> Dataset:
    """The dataset's file: months older than a year go, at once."""
    told = {"keep": "12 months", "then": "drop", "cooling": "0s", "tenant": "tenant", **retention}
    cut = cut or {"range": "at", "every": "month"}
    named = {"dataset": "event", "store": "certify", "table": "app.event", "partition": cut, "retention": told}
    return Dataset.model_validate(named)


@dataclass
class Stage:
    """Everything of one test. What is archived here lies below a prefix of its own: the store's name."""

    database: Database
    vault: Vault
    dataset: Dataset = field(default_factory=kept)
    open: ExitStack = field(default_factory=ExitStack)

    def connection(self, role: str = "") -> Connection:
        """A session of the keeper, or of one of ROLES."""
        dsn = self.database.dsn(role or databases.MOVER)
        return self.open.enter_context(connect(dsn, purpose="archive", lock_timeout="300ms"))

    def archive(self, dataset: Dataset | None = None) -> Archive:
        """The archive, worked at by a role each."""
        exporter, dropper = map(self.connection, ROLES)
        return Archive(dataset or self.dataset, self.vault, self.connection(), exporter, dropper)

    def own(self, *statements: str) -> None:
        """Do something as who owns the table."""
        with connect(self.database.dsn("admin"), purpose="owner") as c:
            c.execute("SET ROLE certify_owner")
            for made in statements:
                c.execute(made)  # type: ignore[arg-type]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask as an administrator."""
        with connect(self.database.dsn("admin"), purpose="reader") as c:
            return [tuple(row.values()) for row in c.execute(query).fetchall()]  # type: ignore[arg-type]

    def states(self) -> list[str]:
        """Where each month stands, the oldest first."""
        return [one for (one,) in self.ask("SELECT state FROM sluice_archive.month ORDER BY lower_bound")]

    def only(self) -> ledger.Month:
        """The one month that the ledger knows."""
        (month,) = ledger.months_of(self.connection(), self.table)
        return month

    @property
    def table(self) -> Any:
        """The table."""
        from sluice.stores.postgres import Table

        return Table("app", "event")


@contextmanager
def staged(database: Database, vault: Any, *statements: str) -> Iterator[Stage]:
    """Make roles, table and ledger; all is closed at the end."""
    stage = Stage(database, Vault(vault.client(), vault.bucket))
    stage.dataset = kept().model_copy(update={"store": f"certify_{uuid4().hex[:8]}"})
    stage.own("CREATE SCHEMA IF NOT EXISTS app_partitions", *statements)
    keeper = stage.connection()
    ledger.prepare(keeper)
    roles.let_export(keeper, ROLES[0])
    roles.let_drop(keeper, ROLES[1])
    with stage.open:
        yield stage


def months(rows: int = 50) -> list[str]:
    """The table, row-level security forced, with two old months of rows each, and one to come."""
    made = [TABLE]
    for name, lower, upper in (*MONTHS, ("event_y2099m01", "2099-01-01", "2099-02-01")):
        made += [MONTH.format(name=name, lower=lower, upper=upper), SECURED.format(f"app_partitions.{name}")]
    made += [ROW.format(lower=lower) + f" FROM generate_series(1, {rows}) i" for _, lower, _ in MONTHS]
    return [*made, SECURED.format("app.event")]
