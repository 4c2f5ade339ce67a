"""Write a page of wishes in the caller's transaction: one statement, and only where the database refuses it, in halves.

A row that it refuses alone (another unique key, a type, no partition) goes to the quarantine with the database's own words. While
the items lead a tombstone takes its place where there is one, so that no older image of it stays or comes back; once the rows
lead, what stands there is the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import errors

from sluice.ledger.marks import Marks
from sluice.migration.kinds.into_postgres.target import Target
from sluice.migration.kinds.into_postgres.values import image_text
from sluice.migration.kinds.into_postgres.wishes import Asked, Mishap, Wish, collision
from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement

REFUSALS = (psycopg.DataError, psycopg.IntegrityError, errors.CardinalityViolation, errors.ProgramLimitExceeded)
"""What one row can be refused for. All else is the store's trouble, and everybody's."""
NO_PARTITION = " Mend its time; or, if that is right, fill its window: backfill_window makes the partition for it."
"""The next action for a row that no partition holds."""


@dataclass
class Written:
    """What became of wishes. `older`: something newer stood there, so the live path had won."""

    written: int = 0
    older: int = 0
    refused: list[Mishap] = field(default_factory=list)


def apply(c: Connection, marks: Marks, target: Target, asked: Asked) -> Written:
    """Write what a page asks for and keep what it could not, all in the caller's transaction."""
    done = Written()
    in_halves(c, list(asked.wished.values()), lambda part: _write(c, target, part, done), done.refused)
    for mishap in done.refused:
        asked.fail(mishap.origin, mishap.token, mishap.reason, mishap.image)
        if asked.items_lead:
            _bury(c, target, mishap, asked)
    _note(c, marks, list(asked.mishaps.values()))
    if asked.good:
        healed = {"origins": list(asked.good), "tokens": list(asked.good.values())}
        c.execute(statement("into_postgres.heal"), {"name": marks.name, **healed})
    return done


def in_halves(
    c: Connection, wishes: Sequence[Wish], act: Callable[[Sequence[Wish]], object], refused: list[Mishap]
) -> None:
    """Act on wishes together, or where the database refuses one, in halves until it is found. Tombstones may be refused."""
    if not wishes:
        return
    try:
        with c.transaction():  # a savepoint
            act(wishes)
        return
    except REFUSALS as why:
        if len(wishes) == 1:
            (one,) = wishes
            if one.values is not None:
                refused.append(Mishap(one.origin, one.token, _reason(why), one.image))
            return
    middle = len(wishes) // 2
    for half in (wishes[:middle], wishes[middle:]):
        in_halves(c, half, act, refused)


def _write(c: Connection, target: Target, wishes: Sequence[Wish], done: Written) -> None:
    staged = target.staged(wishes)
    written = c.execute(target.write, staged).rowcount
    occupied = rows(c, target.occupied, **staged) if written < len(wishes) else []
    for row in occupied:
        wish = wishes[row["place"] - 1]
        done.refused.append(Mishap(wish.origin, wish.token, collision(row["owner"] or "an application"), wish.image))
    done.written += written
    done.older += len(wishes) - written - len(occupied)


def _bury(c: Connection, target: Target, mishap: Mishap, asked: Asked) -> None:
    """Put a tombstone where a refused row wanted to stand: what is there is an older image of it."""
    for wish in asked.wished.values():
        if wish.origin == mishap.origin and wish.values is not None:
            tombstone = Wish(wish.place, None, wish.origin, wish.token)
            in_halves(c, [tombstone], lambda part: c.execute(target.write, target.staged(part)), [])


def _note(c: Connection, marks: Marks, mishaps: Sequence[Mishap]) -> None:
    if not mishaps:
        return
    noted = {
        "origins": [one.origin for one in mishaps],
        "reasons": [one.reason for one in mishaps],
        "images": [image_text(one.image) if one.image is not None else None for one in mishaps],
        "tokens": [one.token for one in mishaps],
    }
    c.execute(statement("into_postgres.note_quarantine"), {"name": marks.name, **noted})


def _reason(why: psycopg.Error) -> str:
    detail = f" {why.diag.message_detail}" if why.diag.message_detail else ""
    if why.diag.sqlstate == errors.CheckViolation.sqlstate and not why.diag.constraint_name:
        detail += NO_PARTITION
    return f"{why.diag.sqlstate or 'refused'}: {why.diag.message_primary or why}.{detail}"[:1000].replace("\0", "")
