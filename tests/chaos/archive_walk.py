"""Random walks through the life of two months: the archive works, fails, is killed; people write, meddle, hold and bring back.

After each step the oracle counts. It shares no code with the archive: plain SQL, boto3 and pyarrow.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeAlias

import psycopg
from psycopg import errors
from sluice.errors import SluiceError
from sluice.failpoints import EDGES, armed
from sluice.stores.objects import Damaged
from sluice.stores.postgres import LockBusy
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.archive.dropping import NotDropped
from sluice.upkeep.archive.exporting import Differs
from sluice.upkeep.partitions.spans import BEGIN, END, Span

from tests.archived import MONTHS, Stage, kept
from tests.faulty_s3 import Fault, FaultyS3

NAMES = [name for name, _, _ in MONTHS]
OURS = [edge.name for edge in EDGES if edge.name.startswith("month.")]
UP = ("fails", "asks for patience", "loses its answer", "is cut off going up", "is flipped going up")
DOWN = ("fails", "loses its answer", "is cut off coming down", "is flipped coming down")
FAULTY = [
    Fault(does, method, of)
    for method, faults in (("PUT", UP), ("GET", DOWN))
    for does in faults
    for of in (".parquet", "manifest-")
]
Row = tuple[str, str]
"""The moment of a row in UTC, and what it says: no two have the same."""


class Lost(AssertionError):
    """A row that was acknowledged is neither in the database nor in a verified object."""


@dataclass
class Oracle:
    """What was ever acknowledged, and where it is, seen by an administrator."""

    c: psycopg.Connection
    s3: Any
    bucket: str
    acknowledged: set[Row] = field(default_factory=set)

    def holds(self) -> None:
        """Raise Lost unless every row is somewhere."""
        missing = self.acknowledged - self.in_postgres() - self.in_verified_objects()
        if missing:
            raise Lost(f"{len(missing)} of {len(self.acknowledged)} rows are nowhere, such as {min(missing)}")

    def in_postgres(self) -> set[Row]:
        """Every row of the table and of any month beside it; a month that is half detached is read itself."""
        names = ["app.event", *[f"app_partitions.{name}" for name in NAMES]]
        there = [name for name in names if self.ask(f"SELECT to_regclass('{name}')") != [(None,)]]
        told = "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), said FROM "
        return {(at, said) for name in there for at, said in self.ask(told + name)}

    def in_verified_objects(self) -> set[Row]:
        """Every row of a Parquet file whose month was read back, as the ledger says."""
        import pyarrow.parquet as pq

        found: set[Row] = set()
        asked = "SELECT manifest, manifest_version FROM sluice_archive.month WHERE verified_at IS NOT NULL"
        for key, version in self.ask(asked):
            with suppress(Exception):  # what cannot be read holds nothing
                for part in json.loads(self._object(key, version))["parts"]:
                    rows = pq.read_table(io.BytesIO(self._object(part["key"], part["version"]))).to_pylist()
                    found |= {(f"{row['at']:%Y-%m-%d %H:%M:%S.%f}", row["said"]) for row in rows}
        return found

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        return self.c.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]

    def _object(self, key: str, version: str | None) -> bytes:
        asked = {"VersionId": version} if version else {}
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key, **asked)["Body"].read()
        return body


@dataclass
class Walk:
    """One walk. `did` is the way so far, to be told when it fails."""

    stage: Stage
    straight: Archive
    faulted: Archive
    way: FaultyS3
    oracle: Oracle
    seed: int
    kill: Callable[[str, bool], object]
    """Works at the archive in a process of its own, and dies at an edge; the second says whether it brings a month back."""
    did: list[str] = field(default_factory=list)
    written: int = 0

    def __post_init__(self) -> None:
        """The same way each time."""
        self.random = Random(self.seed)

    def take(self, steps: int, verbs: Sequence[Verb] = ()) -> None:
        """Take so many steps, of these verbs or of all; then let one whole run end what was begun."""
        weighted = dict.fromkeys(verbs, 1) or VERBS
        self.oracle.acknowledged |= self.oracle.in_postgres()
        try:
            for _ in range(steps):
                self._step(self.random.choices(tuple(weighted), tuple(weighted.values()))[0])
            self._step(Walk.run_to_the_end)
        except Exception as error:
            error.add_note(f"SLUICE_ARCHIVE_WALKS={self.seed}:1, the way: {'; '.join(self.did)}")
            raise

    def _step(self, verb: Verb) -> None:
        self.did.append(verb.__name__)
        verb(self)
        self.oracle.holds()

    # ---- the archive ----

    def archive(self) -> None:
        self._try(lambda: self._any().archive(_silent))

    def drop(self) -> None:
        self._try(lambda: self._any().drop(_silent))

    def restore(self) -> None:
        month, lasts = datetime(2024, self.random.choice((1, 2)), 3, tzinfo=UTC), self.random.choice((0, 1))
        self._try(lambda: self._any().restore(month, timedelta(days=lasts), _silent))

    def be_broken_off(self) -> None:
        edge = self.random.choice(OURS)
        self.did[-1] += f" at {edge}"
        with armed(f"{edge}=raise@{self.random.choice((1, 2))}"):
            self.random.choice((self.archive, self.drop, self.restore))()

    def be_killed(self) -> None:
        edge = self.random.choice(OURS)
        self.did[-1] += f" at {edge}"
        self.kill(f"{edge}=kill@{self.random.choice((1, 2))}", self.random.random() < 0.3)

    def break_a_detach_off(self) -> None:
        with self.stage.connection() as reader, reader.transaction():
            reader.execute("SELECT count(*) FROM app.event")
            self._try(lambda: self.straight.archive(_silent))

    def hold(self) -> None:
        self._keep(self.random.choice(((), ({"from": "2024-01", "until": "2024-01", "because": "case"},))))

    def run_to_the_end(self) -> None:
        """Without a fault, while a person does what the messages ask for: each month comes to an end, in a few runs."""
        self._keep(holds=())
        for _ in range(8):
            try:
                self.straight.archive(_silent)
                self.straight.drop(_silent)
                break
            except LockBusy:  # what was killed is held until the server notices
                time.sleep(0.1)
            except NotDropped:  # rows came past the table
                self.straight.restore_all(Span(BEGIN, END), timedelta(0), _silent)
            except (Differs, Damaged):
                self._move_away()
        states = {state for (state,) in self.oracle.ask("SELECT state FROM sluice_archive.month")}
        assert states <= {"dropped", "restored"}, f"it does not come to an end: {states}"

    # ---- people ----

    def write(self) -> None:
        """A row for a month, through the table or past it; acknowledged where the database takes it."""
        name, lower, _ = self.random.choice(MONTHS)
        into = self.random.choice(("app.event", f"app_partitions.{name}"))
        self.written += 1
        row = (f"{lower} 00:00:00.{self.written:06}", f"written {self.written}")
        with suppress(errors.CheckViolation, errors.UndefinedTable, psycopg.errors.ObjectNotInPrerequisiteState):
            self.oracle.ask(
                f"INSERT INTO {into} (id, at, said) OVERRIDING SYSTEM VALUE"
                f" VALUES ({10_000 + self.written}, '{row[0]}+00', '{row[1]}') RETURNING 1"
            )
            self.oracle.acknowledged.add(row)
            self.did[-1] += ": taken"

    def attach_by_hand(self) -> None:
        name, lower, upper = self.random.choice(MONTHS)
        with suppress(psycopg.Error):
            self.stage.own(
                f"ALTER TABLE app.event ATTACH PARTITION app_partitions.{name} FOR VALUES FROM ('{lower}+00') TO ('{upper}+00')"
            )

    def meddle(self) -> None:
        """Flip a bit of an object, or take it away. Not of a month that only the vault has: nothing would be left of it."""
        client, bucket = self.oracle.s3, self.oracle.bucket
        if not (keys := self._spare()):
            return
        key = self.random.choice(keys)
        self.did[-1] += f" with {key.rpartition('/')[2]}"
        if self.random.random() < 0.5:
            client.delete_object(Bucket=bucket, Key=key)
        else:
            body = bytearray(client.get_object(Bucket=bucket, Key=key)["Body"].read())
            body[self.random.randrange(len(body))] ^= 1
            client.put_object(Bucket=bucket, Key=key, Body=bytes(body))

    def _move_away(self) -> None:
        """What the message asks a person to do."""
        for key in self._spare():
            self.oracle.s3.delete_object(Bucket=self.oracle.bucket, Key=key)

    def _spare(self) -> list[str]:
        """Every object whose rows the database has still."""
        gone = self.oracle.ask("SELECT manifest FROM sluice_archive.month WHERE state IN ('dropped', 'restored')")
        folders = {manifest.rpartition("/")[0] for (manifest,) in gone if manifest}
        keys = self.stage.vault.list(f"archive/{self.stage.dataset.store}/")
        return [key for key in keys if key.rpartition("/")[0] not in folders]

    # ---- within ----

    def _keep(self, holds: tuple[dict[str, str], ...]) -> None:
        dataset = kept(holds=holds).model_copy(update={"store": self.stage.dataset.store})
        self.straight, self.faulted = replace(self.straight, dataset=dataset), replace(self.faulted, dataset=dataset)

    def _any(self) -> Archive:
        if self.random.random() < 0.5:
            return self.straight
        self.way.plan[:] = [self.random.choice(FAULTY)]
        self.did[-1] += f" while {self.way.plan[0]}"
        return self.faulted

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
            self.did[-1] += ": done"
        except SluiceError as told:
            self.did[-1] += f": {type(told).__name__}"
            if isinstance(told, Differs):
                self._move_away()
        self.way.plan.clear()


Verb: TypeAlias = Callable[[Walk], None]
VERBS: dict[Verb, int] = {
    Walk.archive: 6, Walk.drop: 5, Walk.restore: 3, Walk.be_broken_off: 4, Walk.be_killed: 1, Walk.write: 5,
    Walk.break_a_detach_off: 3, Walk.hold: 1, Walk.attach_by_hand: 1, Walk.meddle: 2,
}  # fmt: skip
"""What may happen, and how often."""


def _silent(told: str) -> None:
    pass
