"""A table of one's own, made by SQL, moved, and used from outside on its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sluice.estate import SameClusterMigration
from sluice.migration.engine.contract import Facts, Kind, Phase
from sluice.migration.engine.steps import check_findings
from sluice.migration.engine.way import Step
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import Connection, connect

from tests.conftest import Database
from tests.harness import advance, unhurried

PLAIN: dict[str, Any] = {}
"""Into another plain table: the key stays."""
HASHED = {"partition": {"hash": "id", "parts": 4}}
"""Into partitions that keep the key."""
MONTHS = {"partition": {"range": "at", "every": "month"}}
"""Into partitions that widen the key."""


class Moved:
    """`app.thing` becomes `app.thing_new`."""

    def __init__(self, database: Database, into: dict[str, Any], accept: tuple[str, ...] = ()) -> None:
        self.database = database
        self.open: list[Connection] = []
        said = {
            "migration": "thing",
            "from": {"store": "certify", "table": "app.thing"},
            "into": {"table": "app.thing_new", **into},
            "accept": accept,
        }
        self.migration = unhurried(SameClusterMigration.model_validate(said))

    def kind(self) -> Kind:
        """The kind, with a connection of its own."""

        def opening(purpose: str) -> Connection:
            self.open.append(connect(self.database.dsn(), purpose=purpose))
            return self.open[-1]

        return open_kind(self.migration, opening)

    def to(self, phase: Phase) -> dict[Step, Facts]:
        """Go there, through preflight where it begins."""
        if self.kind().position().phase is Phase.PLANNED and phase is not Phase.PLANNED:
            check_findings("thing", self.kind().preflight(), self.migration.accept)
        return advance(self.kind, phase)

    def codes(self) -> set[str]:
        """What preflight refuses now."""
        return {finding.code for finding in self.kind().preflight() if finding.blocks}

    def said(self) -> str:
        """All that preflight says now."""
        return "\n".join(map(str, self.kind().preflight()))

    def own(self, *statements: str) -> None:
        """Run statements as the owner of the tables."""
        with self.session("admin") as c:
            c.execute("SET ROLE certify_owner")
            for statement in statements:
                c.execute(statement)

    def admin(self, *statements: str) -> None:
        """Run statements as the superuser."""
        with self.session("admin") as c:
            for statement in statements:
                c.execute(statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask as the superuser."""
        with self.session("admin") as c:
            return [tuple(row.values()) for row in c.execute(query).fetchall()]

    def use(self, *statements: str) -> None:
        """Write as the application."""
        with self.session("certify_app") as c:
            for statement in statements:
                c.execute(statement)

    def equal(self) -> bool:
        """Whether both tables hold the same."""
        return self.kind().diff().clean

    def close(self) -> None:
        """Leave no connection behind."""
        for connection in self.open:
            with suppress(Exception):
                connection.close()

    @contextmanager
    def session(self, role: str) -> Iterator[Connection]:
        """A connection of a role."""
        with connect(self.database.dsn(role), purpose="test") as c:
            c.execute("SET row_security = on")
            yield c
