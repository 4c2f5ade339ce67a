"""An application for any table: it inserts, changes, deletes and moves rows, and keeps its own list of what was acknowledged.

Each writer owns its keys, so what it was told last about a key is what must be there. What the table does not allow (a
CHECK, a trigger that forbids) is found out before the migration, in transactions that are rolled back, and left alone.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.zoo import rows
from tests.zoo.catalogue import Column, Connection, Thing, work
from tests.zoo.images import Image, Key, as_text, literal, returning, where

OWNED = 40
"""Rows of the table that each writer takes over at the start."""
REST = 0.004
MOST_COLUMNS = 60
MOVABLE = ("smallint", "integer", "bigint", "uuid", "text", "character varying", "numeric")


@dataclass
class Diary:
    """What the writers were told, and what went wrong. Shared by all of them."""

    book: dict[Key, Image | None] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """By a function of the table's own, as it may refuse a rare value at any time."""
    vanished: list[str] = field(default_factory=list)


class Application:
    """The writers of one table."""

    def __init__(self, dsn: str, thing: Thing, settings: dict[str, str], *, writers: int = 2) -> None:
        self.thing, self.dsn, self.settings = thing, dsn, settings
        self.columns = tuple(column.name for column in thing.columns if column.written)
        self.diary = Diary()
        self._rehearsal = Rehearsal(self)
        self.unchecked = False
        self._stop, self._go = threading.Event(), threading.Event()
        self._go.set()
        self._writers = [Writer(self, number) for number in range(writers)]
        self._threads: list[threading.Thread] = []

    @property
    def able(self) -> list[str]:
        """What it can do to this table."""
        return sorted(self._rehearsal.able)

    def connect(self, name: str) -> Connection:
        return work(self.dsn, self.thing.schema, name, self.settings)

    def start(self) -> None:
        """Find out what the table allows, take over some rows and begin to write."""
        with self.connect("rehearsal") as c:
            self._rehearsal.run(c)
            self._take_over(c)
        self._threads = [threading.Thread(target=writer.run, daemon=True) for writer in self._writers]
        for thread in self._threads:
            thread.start()

    def burst(self, count: int, seconds: float = 20) -> None:
        """Wait until so many more writes were acknowledged, or the time is over."""
        wanted, until = self.diary.done.total() + count, time.monotonic() + seconds
        while (
            self.diary.done.total() < wanted and time.monotonic() < until and any(t.is_alive() for t in self._threads)
        ):
            time.sleep(0.01)

    def rest(self) -> None:
        """Let no writer write; returns when the last statement is over."""
        self._go.clear()
        for writer in self._writers:
            writer.idle.wait(70)

    def go_on(self) -> None:
        self._go.set()

    def stop(self) -> None:
        """End all writers."""
        self._stop.set()
        self._go.set()
        for thread in self._threads:
            thread.join(70)

    def forget_errors(self) -> list[str]:
        """Give what went wrong until now, and begin anew: before the migration it is the table's own doing."""
        said, self.diary.errors, self.diary.vanished = self.diary.errors + self.diary.vanished, [], []
        return said

    def drop(self, what: str) -> None:
        """Never do this again."""
        self._rehearsal.able.discard(what)

    def _take_over(self, c: Connection) -> None:
        count = OWNED * len(self._writers)
        found = c.execute(
            f"SELECT {as_text(self.thing.key)} AS key, {as_text(self.columns)} AS image FROM {self.thing.name}"  # type: ignore[arg-type]
            f" ORDER BY md5({as_text(self.thing.key)}::text) LIMIT {count}"
        ).fetchall()
        for number, row in enumerate(found):
            key = tuple(row["key"])
            self.diary.book[key] = tuple(row["image"])
            self._writers[number % len(self._writers)].live.append(key)


class Rehearsal:
    """What the table allows, found out by doing it and rolling it back."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.able: set[str] = set()
        self.inserts: str = ""
        self.recipe: rows.Recipe | None = None
        self.quiet = True

    def run(self, c: Connection) -> None:
        thing = self.app.thing
        found = c.execute(
            f"SELECT {as_text(thing.key)} AS key, {as_text(self.app.columns)} AS image FROM {thing.name} LIMIT 2"  # type: ignore[arg-type]
        ).fetchall()
        keys = [tuple(row["key"]) for row in found]
        self._find_insert(c)
        if keys:
            self.able.add("read")
            for column in self._candidates():
                other = keys[-1]
                if self._works(c, touch(self.app, keys[0], column, other)):
                    self.able.add(f"touch {column.name}")
            image = tuple(found[0]["image"])
            alone = not thing.inbound and not any(link.to_self for link in thing.links)
            if alone and self._works(c, delete(self.app, keys[0]), insert_again(self.app, image)):
                self.able.add("again")
            for column in self._movable():
                if self._works(c, move(self.app, keys[0], column, 900_000_001)):
                    self.able.add(f"move {column.name}")

    def _find_insert(self, c: Connection) -> None:
        # Where a sequence gives the key, a key that is there already is a fault, and must be heard.
        loud = any(self.app.thing.column(name).numbered for name in self.app.thing.key)
        for sparse, quiet in ((False, False), (True, False)) if loud else ((False, True), (True, True), (False, False)):
            try:
                with c.transaction():
                    self.recipe = rows.recipe(c, self.app.thing, sparse=sparse).of_today()
            except (rows.Unfillable, psycopg.Error):
                continue
            self.quiet = quiet
            if self._works(c, insert(self.app, self.recipe, 900_000_002, quiet=quiet)):
                self.able.add("insert")
                return

    def _candidates(self) -> list[Column]:
        thing = self.app.thing
        skip = {*thing.key, *thing.linked, *thing.unique_columns, *thing.excluded}
        able = [c for c in thing.columns if c.written and c.identity != "a" and c.name not in skip]
        return able if len(able) <= MOST_COLUMNS else random.Random(thing.name).sample(able, MOST_COLUMNS)

    def _movable(self) -> list[Column]:
        thing = self.app.thing
        if thing.inbound or any(link.to_self for link in thing.links):
            return []
        columns = [thing.column(name) for name in thing.key if name not in thing.linked]
        return [c for c in columns if c.base in MOVABLE and not c.domain and c.identity != "a" and not c.generated]

    def _works(self, c: Connection, *queries: str) -> bool:
        """Whether each does something to exactly one row, however often. Nothing stays."""
        try:
            for _ in range(2):
                with c.transaction(force_rollback=True):
                    for query in queries:
                        if len(c.execute(query).fetchall()) != 1:  # type: ignore[arg-type]
                            return False
            return True
        except psycopg.Error:
            return False


class Writer:
    """One session of the application, with keys of its own."""

    def __init__(self, app: Application, number: int) -> None:
        self.app, self.number = app, number
        self.live: list[Key] = []
        self.own: set[Key] = set()
        self.gone: list[tuple[Key, Image]] = []
        self.idle = threading.Event()
        self._i = 50_000_000 + number * 10_000_000
        self._dice = random.Random(f"{app.thing.name} {number}")

    def run(self) -> None:
        """Write until told to stop."""
        app = self.app
        with app.connect(f"writer {self.number}") as c:
            while not app._stop.is_set():
                if not app._go.is_set():
                    self.idle.set()
                    app._go.wait()
                    self.idle.clear()
                    continue
                able = app.able
                if not able:
                    break
                what = self._dice.choice(able)
                try:
                    self._do(c, what)
                except psycopg.errors.ProgramLimitExceeded:
                    continue  # this very row is too large for any table
                except psycopg.Error as error:
                    mine = app.diary.refused if _is_the_tables_own(error) else app.diary.errors
                    mine.append(f"{what}: {error.sqlstate} {str(error).splitlines()[0]}")
                    if c.closed:
                        break
                time.sleep(REST)
        self.idle.set()

    def _do(self, c: Connection, what: str) -> None:
        verb, _, name = what.partition(" ")
        if verb == "insert":
            self._insert(c)
        elif verb == "again" and self.gone and self._dice.random() < 0.6:
            self._again(c)
        elif self.live:
            key = self._dice.choice(self.live)
            if verb == "touch" and self._dice.random() < 0.1:
                self._roll_back(c, key, name)
            elif verb == "read":
                self._read(c, key)
            elif verb == "touch":
                other = self._dice.choice(self.live)
                self._change(c, key, "touch", touch(self.app, key, self.app.thing.column(name), other))
            elif verb == "move":
                self._i += 1
                self._change(c, key, "move", move(self.app, key, self.app.thing.column(name), self._i))
            elif verb == "again" and (key in self.own or len(self.live) > 5):
                self._delete(c, key)

    def _read(self, c: Connection, key: Key) -> None:
        """What was acknowledged is what is read, at any moment."""
        thing, columns = self.app.thing, self.app.columns
        row = c.execute(f"SELECT {as_text(columns)} AS image FROM {thing.name} WHERE {where(thing, key)}").fetchone()  # type: ignore[arg-type]
        if row is None:
            return self._vanished(key, "read")
        if tuple(row["image"]) != self.app.diary.book[key] and not self.app.unchecked:
            self.app.diary.vanished.append(f"read: {key} is not as it was acknowledged")
        self.app.diary.done["read"] += 1

    def _insert(self, c: Connection) -> None:
        rehearsed = self.app._rehearsal
        assert rehearsed.recipe is not None
        if len(self.own) > 10 and self._dice.random() < 0.4:
            # Nobody refers to a row that only this writer knows.
            return self._delete(c, self._dice.choice(sorted(self.own)), keep=False)
        self._i += 1
        made = c.execute(insert(self.app, rehearsed.recipe, self._i, quiet=rehearsed.quiet)).fetchall()  # type: ignore[arg-type]
        for row in made:
            self._acknowledge(row, "insert")
            self.own.add(tuple(row["key"]))

    def _delete(self, c: Connection, key: Key, *, keep: bool = True) -> None:
        row = c.execute(delete(self.app, key)).fetchone()  # type: ignore[arg-type]
        if row is None:
            return self._vanished(key, "delete")
        self.app.diary.book[key] = None
        self.app.diary.done["delete"] += 1
        self.live.remove(key)
        self.own.discard(key)
        if keep:
            self.gone.append((key, tuple(row["image"])))

    def _again(self, c: Connection) -> None:
        key, image = self.gone.pop(self._dice.randrange(len(self.gone)))
        try:
            row = c.execute(insert_again(self.app, image)).fetchone()  # type: ignore[arg-type]
        except psycopg.errors.UniqueViolation:
            if self.app.diary.book.get(key) is not None:
                return  # in a small key space somebody inserted it anew meanwhile
            raise
        except psycopg.Error:
            self.gone.append((key, image))
            raise
        assert row is not None
        self._acknowledge(row, "again")

    def _change(self, c: Connection, key: Key, verb: str, query: str) -> None:
        row = c.execute(query).fetchone()  # type: ignore[arg-type]
        if row is None:
            return self._vanished(key, verb)
        new = tuple(row["key"])
        if new != key:
            self.app.diary.book[key] = None
            self.live.remove(key)
            if key in self.own:
                self.own.discard(key)
                self.own.add(new)
            self._acknowledge(row, verb)
        else:
            self.app.diary.book[key] = tuple(row["image"])
            self.app.diary.done[verb] += 1

    def _roll_back(self, c: Connection, key: Key, name: str) -> None:
        with c.transaction(force_rollback=True):
            c.execute(touch(self.app, key, self.app.thing.column(name), self._dice.choice(self.live)))  # type: ignore[arg-type]
            if "again" in self.app.able:
                c.execute(delete(self.app, key))  # type: ignore[arg-type]
        self.app.diary.done["rolled back"] += 1

    def _acknowledge(self, row: dict[str, Any], verb: str) -> None:
        key = tuple(row["key"])
        self.app.diary.book[key] = tuple(row["image"])
        self.app.diary.done[verb] += 1
        self.live.append(key)

    def _vanished(self, key: Key, verb: str) -> None:
        self.app.diary.vanished.append(f"{verb}: {key} was acknowledged and is not there")
        if key in self.live:
            self.live.remove(key)
        self.own.discard(key)


# ---- statements ----


def touch(app: Application, key: Key, column: Column, other: Key) -> str:
    """Set a column to another row's value; of the row itself, a change that changes nothing."""
    thing, name = app.thing, rows.quoted(column.name)
    theirs = f"(SELECT o.{name} FROM {thing.name} o WHERE {where(thing, other)})"
    value = theirs if other != key else name
    return f"UPDATE {thing.name} SET {name} = {value} WHERE {where(thing, key)} {returning(thing, app.columns)}"


def delete(app: Application, key: Key) -> str:
    return f"DELETE FROM {app.thing.name} WHERE {where(app.thing, key)} {returning(app.thing, app.columns)}"


def insert(app: Application, recipe: rows.Recipe, i: int, *, quiet: bool) -> str:
    return recipe.insert(app.thing, i, i, returning=returning(app.thing, app.columns), quiet=quiet)


def insert_again(app: Application, image: Image) -> str:
    """Put back a row from its text."""
    thing = app.thing
    names = ", ".join(rows.quoted(name) for name in app.columns)
    pairs = zip(app.columns, image, strict=True)
    values = ", ".join(literal(text, thing.column(name).type) for name, text in pairs)
    into = f"INSERT INTO {thing.name} ({names}) OVERRIDING SYSTEM VALUE"
    return f"{into} VALUES ({values}) {returning(thing, app.columns)}"


def move(app: Application, key: Key, column: Column, i: int) -> str:
    """Give a row a key that nobody has."""
    thing, name = app.thing, rows.quoted(column.name)
    made = rows.VALUES.get(column.base, "'w' || ({i})")
    if column.base == "character varying" and 0 < column.modifier < 20:
        made = "right(lpad(to_hex({i}), 12, '0'), " + str(column.modifier - 4) + ")"
    value = f"CAST({made.replace('{i}', f'{i}::bigint')} AS {column.type})"
    return f"UPDATE {thing.name} SET {name} = {value} WHERE {where(thing, key)} {returning(thing, app.columns)}"


def _is_the_tables_own(error: psycopg.Error) -> bool:
    """Whether a function of the table's own raised it, with no trigger of ours on the way."""
    context = error.diag.context or ""
    return "PL/pgSQL function" in context and "sluice." not in context
