"""Random walks through the life of two months: the archive works, fails, is killed; people write, meddle, bring back,
and change the table's file.

After each step the oracle counts.
"""

from __future__ import annotations

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
from sluice.upkeep.archive.ledger import Month
from sluice.upkeep.partitions.spans import Span

from tests.archived import MONTHS, Stage, kept
from tests.chaos.archive_oracle import PROVEN, TABLES, Oracle, Row, Taken
from tests.chaos.archivist import Process
from tests.faulty_s3 import Fault, FaultyS3

UP = ("fails", "asks for patience", "loses its answer", "is cut off going up", "is flipped going up")
DOWN = ("fails", "loses its answer", "is cut off coming down", "is flipped coming down")
FAULTY = [
    Fault(does, method, of)
    for method, faults in (("PUT", UP), ("GET", DOWN))
    for does in faults
    for of in (".parquet", "manifest-")
]
CASES = tuple(
    {"from": first, "until": last, "because": "case"}
    for first, last in (("2024-01", "2024-01"), ("2023-05", "2024-02"))
)
FILES: dict[str, tuple[Any, ...]] = {
    "holds": ((), (), (CASES[0],), (CASES[1],)),
    "late": ("refuse", "side", "reopen"),
    "keep": ("12 months", "12 months", "12 months", "9999 months"),
    "cooling": ("0s", "0s", "0s", "90d"),
}
"""What a person may write into the table's file between two steps."""
STANDING = """SELECT state FROM sluice_archive.month
    WHERE NOT (state = 'cooling' AND verified_at + cooling > clock_timestamp())"""
"""Where the months stand, but for those that cool still: how long was written down when they were read back."""
GOES: dict[str, Any] = {"holds": (), "keep": "12 months", "cooling": "0s"}
"""A file by which all that is old goes at once."""


@dataclass
class Walk:
    """One walk. `did` is the way so far, to be told when it fails."""

    stage: Stage
    straight: Archive
    faulted: Archive
    way: FaultyS3
    oracle: Oracle
    seed: int
    process: Process
    """Works at the archive by itself, and dies at an edge."""
    did: list[str] = field(default_factory=list)
    written: int = 0
    by_hand: set[Row] = field(default_factory=set)
    """What a person has taken away in this step."""
    file: dict[str, Any] = field(default_factory=lambda: {**GOES, "late": "refuse"})

    def __post_init__(self) -> None:
        """The same way each time."""
        self.random = Random(self.seed)

    def take(self, steps: int, verbs: Sequence[Verb] = ()) -> None:
        """Take so many steps, of these verbs or of all; then let whole nights end what was begun."""
        weighted = dict.fromkeys(verbs, 1) or VERBS
        self.oracle.acknowledged |= set(self.oracle.in_postgres())
        try:
            if not verbs:
                self._write(late=self.random.choice(FILES["late"]), holds=self.random.choice(FILES["holds"]))
                self.did.append(f"the file says {self.file}")
                self._step(Walk.archive)
            for _ in range(steps):
                self._step(self.random.choices(tuple(weighted), tuple(weighted.values()))[0])
            self._write(**GOES)
            self._step(Walk.end)
        except Exception as error:
            error.add_note(f"SLUICE_ARCHIVE_WALKS={self.seed}:1, the way: {'; '.join(self.did)}")
            raise

    def _step(self, verb: Verb) -> None:
        self.did.append(verb.__name__)
        self.by_hand = set()
        stays, back = {row for row in self.oracle.in_postgres() if self._keeps(row)}, self.oracle.brought_back()
        verb(self)
        self.oracle.holds()
        self._check_stays(stays, set(self.oracle.in_postgres()), "the file keeps them in the database")
        self._check_stays(back, set(self.oracle.rows_of("app.event")), "they were brought back for longer")

    def _keeps(self, row: Row) -> bool:
        """Whether, by the file of this step, a row is not to leave the database."""
        if self.file["keep"] != GOES["keep"] or self.file["cooling"] != GOES["cooling"]:
            return True
        return any(hold["from"] <= row[0][:7] <= hold["until"] for hold in self.file["holds"])

    def _check_stays(self, before: set[Row], after: set[Row], why: str) -> None:
        if taken := before - after - self.by_hand:
            raise Taken(f"{len(taken)} rows have gone, such as {min(taken)}, and {why}: {self.file}")

    # ---- the archive ----

    def archive(self) -> None:
        """What the first tasks of a night do: each month by itself, so that one which is red stops no other."""
        archive, due = self._any(), list[Month]()
        self._try(lambda: due.extend(archive.list_due(_silent)))
        for month in due:
            self._try(lambda month=month: archive.advance(month.partition, _silent))  # type: ignore[misc]

    def drop(self) -> None:
        self._try(lambda: self._any().drop(_silent))

    def drop_what_was_asked(self) -> None:
        """What the last task of a night does once somebody has said yes: it lists nothing, and the file may be another."""
        for (name,) in self.oracle.ask("SELECT partition_schema || '.' || partition_name FROM sluice_archive.month"):
            self._try(lambda name=name: self.straight.drop_month(self.straight.find(name).partition, _silent))  # type: ignore[misc]

    def restore(self) -> None:
        first, last = self.random.choice(((1, 1), (2, 2), (1, 2)))
        asked = Span(datetime(2024, first, 3, tzinfo=UTC), datetime(2024, last, 4, tzinfo=UTC))
        lasts = timedelta(days=self.random.choice((0, 1)))
        self._try(lambda: self._any().restore_all(asked, lasts, _silent))

    def be_broken_off(self) -> None:
        does = self.random.choice((Walk.archive, Walk.drop, Walk.restore))
        edge = self.random.choice([edge for edge, verb in PASSED.items() if verb is does])
        self.did[-1] += f" at {edge}"
        with armed(f"{edge}=raise@{self.random.choice((1, 1, 2))}"):
            does(self)

    def be_killed(self) -> None:
        edge = self.random.choice(tuple(PASSED))
        self.did[-1] += f" at {edge}"
        self.process.run(f"{edge}=kill@{self.random.choice((1, 2))}", self.random.random() < 0.3, tries=1)

    def break_a_detach_off(self) -> None:
        with self.stage.connection() as reader, reader.transaction():
            reader.execute("SELECT count(*) FROM app.event")
            self._try(lambda: self.straight.archive(_silent))

    def end(self) -> None:
        """Nights without a fault, while a person does what the messages ask for: each month comes to an end, in a few of them."""
        for _ in range(8):
            with suppress(LockBusy):  # what was killed is held until the server notices
                due = [month for month in self.straight.list_due(_silent) if not self._is_lost(month)]
                for month in due:
                    self._go_on(month)
                if not due:
                    break
        states = {state for (state,) in self.oracle.ask(STANDING)}
        assert states <= {"dropped", "restored"}, f"it does not come to an end: {states}"

    def _go_on(self, month: Month) -> None:
        try:
            month = self.straight.advance(month.partition, _silent)
            if self.straight.may_drop(month):
                self.straight.drop_month(month.partition, _silent)
        except NotDropped:  # rows came past the table
            self.straight.restore_all(month.span, timedelta(0), _silent)
        except (Differs, Damaged):
            self._move_away()
        except LockBusy:
            time.sleep(0.1)
            raise

    def _is_lost(self, month: Month) -> bool:
        """Whether somebody has dropped it by hand: it is told each night, and stops no other."""
        return month.state != "dropped" and not self.oracle.ask(f"SELECT FROM pg_class WHERE oid = {month.oid}")

    # ---- people ----

    def write(self) -> None:
        """A row for a month, through the table or past it; acknowledged where the database takes it."""
        _, lower, _ = self.random.choice(MONTHS)
        stem = f"app_partitions.event_y{lower[:4]}m{lower[5:7]}"
        past = sorted(name for name, _ in self.oracle.ask(TABLES) if name.startswith(stem))
        into = self.random.choice(("app.event", self.random.choice(past or ["app.event"])))
        self.written += 1
        row = (f"{lower} 00:00:00.{self.written:06}", f"written {self.written}")
        with suppress(errors.CheckViolation, errors.UndefinedTable, errors.ObjectNotInPrerequisiteState):
            self.oracle.ask(
                f"INSERT INTO {into} (id, at, said) OVERRIDING SYSTEM VALUE"
                f" VALUES ({10_000 + self.written}, '{row[0]}+00', '{row[1]}') RETURNING 1"
            )
            self.oracle.acknowledged.add(row)
            self.did[-1] += f": taken by {into}"

    def change_the_file(self) -> None:
        field_ = self.random.choice(("holds", "holds", "late", "late", "keep", "cooling"))
        self._write(**{field_: self.random.choice(FILES[field_])})
        self.did[-1] += f": {field_} {self.file[field_]}"

    def attach_by_hand(self) -> None:
        name, lower, upper = self.random.choice(MONTHS)
        with suppress(psycopg.Error):
            self.stage.own(
                f"ALTER TABLE app.event ATTACH PARTITION app_partitions.{name} FOR VALUES FROM ('{lower}+00') TO ('{upper}+00')"
            )

    def drop_by_hand(self) -> None:
        """Drop a month that is brought back: who asked for it is done with it. What came to it since is lost by that hand."""
        self.restore()
        back = [name for (name,) in self.oracle.ask(PROVEN) if not any(map(self._keeps, self.oracle.rows_of(name)))]
        if back:
            self.by_hand = set(self.oracle.rows_of(back[0]))
            self.stage.own(f"DROP TABLE {back[0]}")
            self.oracle.acknowledged -= self.by_hand - set(self.oracle.in_vault_alone())
            self.did[-1] += f", dropped {back[0]}"

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
        in_use = self.oracle.folders_in_use()
        keys = self.stage.vault.list(f"archive/{self.stage.dataset.store}/")
        return [key for key in keys if key.rpartition("/")[0] not in in_use]

    # ---- within ----

    def _write(self, **changed: Any) -> None:
        """Change the table's file, for all who read it from now on."""
        self.file |= changed
        dataset = kept(**self.file).model_copy(update={"store": self.stage.dataset.store})
        self.straight, self.faulted = replace(self.straight, dataset=dataset), replace(self.faulted, dataset=dataset)
        self.process.told = replace(self.process.told, dataset=dataset)

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
BY_FILE: dict[str, Verb] = {"dropping.py": Walk.drop, "restoring.py": Walk.restore}
OURS = [edge for edge in EDGES if edge.name.startswith("month.")]
PASSED = {edge.name: BY_FILE.get(edge.where.split()[0].rpartition("/")[2], Walk.archive) for edge in OURS}
"""The edges of the archive, and which verb passes them."""
VERBS: dict[Verb, int] = {
    Walk.archive: 6, Walk.drop: 4, Walk.drop_what_was_asked: 2, Walk.restore: 4, Walk.be_broken_off: 4, Walk.be_killed: 1,
    Walk.write: 7, Walk.break_a_detach_off: 2, Walk.change_the_file: 4, Walk.attach_by_hand: 1, Walk.drop_by_hand: 1,
    Walk.meddle: 2,
}  # fmt: skip
"""What may happen, and how often."""


def _silent(told: str) -> None:
    pass
