"""A writer's transaction meets a chunk: every way that the two can interleave, held still by locks and never by luck."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import errors

from tests.chaos.stage import Person, Stage

ACTIONS = {
    "delete": ("DELETE FROM app.user_sessions WHERE id = %(id)s",),
    "update": ("UPDATE app.user_sessions SET note = 'changed' WHERE id = %(id)s",),
    "delete and insert again": (
        "DELETE FROM app.user_sessions WHERE id = %(id)s",
        "INSERT INTO app.user_sessions (id, tenant_id, user_id, started_at) OVERRIDING SYSTEM VALUE"
        " VALUES (%(id)s, 'tenant-001', gen_random_uuid(), now())",
    ),
    "change the partition key": (
        "UPDATE app.user_sessions SET started_at = started_at + interval '1 month' WHERE id = %(id)s",
    ),
    "change it there and back": (
        "UPDATE app.user_sessions SET started_at = started_at + interval '1 month' WHERE id = %(id)s",
        "UPDATE app.user_sessions SET started_at = started_at - interval '1 month', note = 'back' WHERE id = %(id)s",
    ),
}


@dataclass
class Scene:
    """One writer, what it does to which row, and whether it means it. `first` and `last` are the chunk's outer rows."""

    stage: Stage
    writer: Person
    action: str
    commits: bool
    first: int
    row: int
    last: int

    @classmethod
    def set(cls, stage: Stage, action: str, *, commits: bool = True) -> Scene:
        """Lay out the chunks and choose a row in the middle of the first."""
        stage.lay_out()
        ids = stage.rows_of_first_chunk()
        return cls(stage, stage.person(), action, commits, ids[0], ids[len(ids) // 2], ids[-1])

    def act(self) -> None:
        """The writer's statements."""
        for query in ACTIONS[self.action]:
            assert self.writer.execute(query, {"id": self.row}).rowcount == 1

    def end(self) -> None:
        """The writer's last word."""
        self.writer.commit() if self.commits else self.writer.rollback()

    @contextmanager
    def chunk_held_at(self, row: int) -> Iterator[Person]:
        """Hold a chunk at a row by a lock of somebody who changes nothing; a rollback lets it go on."""
        somebody = self.stage.person()
        somebody.execute("SELECT FROM app.user_sessions WHERE id = %s FOR UPDATE", [row])
        with self.stage.chunk_held():
            yield somebody
            somebody.rollback()


def the_chunk_waits_for_the_writer(scene: Scene) -> None:
    scene.act()
    with scene.stage.chunk_held():
        scene.end()


def the_writer_waits_for_the_chunk(scene: Scene) -> None:
    with scene.chunk_held_at(scene.last) as somebody, scene.stage.background(scene.writer.info.backend_pid, scene.act):
        somebody.rollback()
    scene.end()


def the_writer_overtakes_the_chunk(scene: Scene) -> None:
    # The chunk's snapshot is older than the writer's commit, and it has not come to that row yet.
    with scene.chunk_held_at(scene.first):
        scene.act()
        scene.end()


def the_writer_has_an_older_snapshot(scene: Scene) -> None:
    # It cannot see the copy. Whoever works in this isolation repeats a transaction that could not be serialised.
    scene.writer.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    scene.writer.execute("SELECT count(*) FROM app.user_sessions")
    scene.stage.open().copy_chunk(0, scene.stage.fence())
    try:
        scene.act()
    except errors.SerializationFailure:
        scene.writer.rollback()
        scene.act()
    scene.end()


MOMENTS: tuple[Callable[[Scene], None], ...] = (
    the_chunk_waits_for_the_writer,
    the_writer_waits_for_the_chunk,
    the_writer_overtakes_the_chunk,
    the_writer_has_an_older_snapshot,
)
