"""What the verbs of one migration stand on: its stores, its marks, its tables and its stream, each opened when asked for."""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from typing import Any

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.ledger.item_marks import ItemMarks
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Drifted, Phase, Position
from sluice.migration.kinds.dynamodb_source.headroom import Looked, look
from sluice.migration.kinds.dynamodb_source.notes import ItemNotes
from sluice.migration.kinds.dynamodb_source.rounds import Seen
from sluice.migration.kinds.into_postgres.copying import Copying, Source
from sluice.migration.kinds.into_postgres.routing import Route
from sluice.migration.kinds.into_postgres.shape import RowShape, compile_rows
from sluice.migration.kinds.into_postgres.target import Target
from sluice.stores.dynamodb.applying import start_stream
from sluice.stores.dynamodb.client import NoSuchTable
from sluice.stores.dynamodb.streams import Stream, open_stream
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.tables import describe as describe_table
from sluice.stores.postgres import Connect, Connection, Table, translated
from sluice.stores.statements import statement


class Parts:
    """The parts of one migration. Nothing is read before it is asked for."""

    def __init__(
        self, migration: IntoPostgresMigration, connect: Connect, client: Any, streams: Any, prefix: str
    ) -> None:
        self.migration, self.name = migration, migration.name
        self.connect, self.client, self.streams = connect, client, streams
        self.source_name = prefix + migration.source.table
        self.marks = Marks(migration.name)
        self.items = ItemMarks(client, migration.name, f"{prefix}sluice-marks")
        self.notes = ItemNotes(self.items)
        cutover = migration.cutover
        lease, skew = cutover.lease.total_seconds(), cutover.clock_skew.total_seconds()
        self.route = Route(client, self.items, self.marks, lease, skew)

    @cached_property
    def c(self) -> Connection:
        """The target's database, with the marks made ready."""
        connection = self.connect(f"migrate {self.name}")
        with translated(f"making schema sluice for {self.name}"):
            self.marks.prepare(connection)
        return connection

    @cached_property
    def shape(self) -> RowShape:
        """The migration's columns, compiled."""
        return compile_rows(self.migration)

    @cached_property
    def target(self) -> Target:
        """The target's statements."""
        return Target(self.table, self.shape)

    @property
    def table(self) -> Table:
        """The target's name."""
        return Table.parse(self.migration.target.table)

    @cached_property
    def definition(self) -> TableDefinition:
        """The source as it is defined. Raises NoSuchTable."""
        found = describe_table(self.client, self.source_name)
        if found is None:
            raise NoSuchTable(f"There is no table {self.source_name} in store {self.migration.source.store}.")
        return found

    @cached_property
    def source(self) -> Source:
        """The source, to be read."""
        table = self.definition
        return Source(self.client, table.name, tuple(filter(None, (table.partition, table.sort))))

    @cached_property
    def stream(self) -> Stream:
        """The source's changes. Raises StreamGone."""
        return open_stream(self.client, self.streams, self.source_name)

    @property
    def copying(self) -> Copying:
        """What a lane needs to copy."""
        return Copying(self.c, self.marks, self.target, self.source)

    @cached_property
    def seen(self) -> Seen:
        """What its reader remembers of the stream."""
        return Seen()

    def stream_on(self) -> None:
        """Switch the source's stream on where it is off; it may be another one then."""
        start_stream(self.client, self.source_name)
        self.__dict__.pop("stream", None)

    def has_stream(self) -> bool:
        """Whether the source has a stream that tells both images. Read-only."""
        found = describe_table(self.client, self.source_name)
        return found is not None and found.stream

    def position(self) -> Position:
        """Where the marks say it stands. Read-only."""
        row = self.marks.find(self.c)
        if row is None:
            return Position(Phase.PLANNED, 1)
        return Position(Phase(row["phase"]), row["epoch"], row["verified_at"], row["cut_over_at"], row["now"])

    def look(self) -> Looked:
        """Look at a few pages of the source, for a forecast. Read-only."""
        m, measured = self.migration, self._rate()
        lanes, declared = m.backfill.lanes, m.replication.changes_per_second
        return look(self.client, self.streams, self.source_name, lanes, declared, measured)

    def _rate(self) -> float:
        counted = self.marks.chunks(self.c)
        return float(counted["rows"] / counted["seconds"]) if counted["seconds"] else 0.0

    def run(self, verb: str, **values: object) -> int:
        """Run a statement of this kind for this migration; give the number of rows that it touched."""
        return self.c.execute(statement(f"into_postgres.{verb}"), {"name": self.name, **values}).rowcount

    @property
    def fingerprint(self) -> str:
        """What must stay as it is while the migration is under way: the mapping, and the source's key."""
        m = self.migration
        said = (m.source, m.target.key, m.target.columns, m.target.extra, m.target.tenant, m.target.partition, m.skip)
        return blake2b(repr((self.source.key_names, said)).encode(), digest_size=16).hexdigest()

    def check_mapping(self) -> None:
        """Raise Drifted when the YAML or the source's key is not what it was: another mapping makes other rows."""
        if self.marks.row(self.c)["source_fingerprint"] not in (None, self.fingerprint):
            raise Drifted(
                f"The mapping of {self.name}, or the key of {self.source_name}, has changed since capture began."
                f" Put it back, or `./sluice abort {self.name}` and begin again."
            )
