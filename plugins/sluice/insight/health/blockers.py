"""Who holds a lock that others wait for: the whole tree, the one at its root first. Read only.

Of a statement its shape is told and never a value: what people read in a chat must not be a customer's row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.stores.postgres import Connection, rows, translated
from sluice.stores.statements import statement

PREPARED = 0
"""What pg_blocking_pids calls every prepared transaction."""
LONGEST = 160
"""Characters of a statement that are told."""
OURS = "sluice:"
"""How the application's name of each of our own sessions begins."""
# Names in quotes, which stay; and what may hold a value: comments, strings of every sort, numbers. One that is cut off ends with
# the text.
_VALUES = re.compile(
    r""""(?:[^"]|""){1,128}"|--[^\n]*|/\*.*?(?:\*/|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)"""
    r"""|[eE]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z)|(?<![\w$"])[0-9][\w.]*""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Session:
    """A session that waits for a lock, or holds one that another waits for; or a prepared transaction."""

    pid: int
    role: str
    application: str
    state: str
    query: str
    blocked_by: tuple[int, ...] = ()
    transaction_seconds: float | None = None
    waited_seconds: float | None = None
    mode: str | None = None
    locktype: str | None = None
    relation: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is one of Sluice's own."""
        return self.application.startswith(OURS)


def find_waits(c: Connection) -> tuple[Session, ...]:
    """Ask a store who waits for whom. Raises StoreDown, Refused."""
    with translated("asking who waits for a lock"):
        found = [
            Session(**{**row, "blocked_by": tuple(row["blocked_by"])})
            for row in rows(c, statement("health.list_waits"))
        ]
        if any(PREPARED in one.blocked_by for one in found):
            prepared = rows(c, statement("health.list_prepared"))
            found.append(_prepared(prepared))
    return tuple(found)


def _prepared(found: Sequence[Mapping[str, Any]]) -> Session:
    """Of prepared transactions nobody says which one blocks whom: they are told together."""
    told = ", ".join(f"{row['gid']!r} of {row['owner']}, {row['age_seconds']:.0f} s old" for row in found)
    age = max((row["age_seconds"] for row in found), default=None)
    return Session(PREPARED, "", "", "prepared", told or "gone by now", transaction_seconds=age)


def tree(sessions: Sequence[Session]) -> list[str]:
    """Draw who waits for whom: each session once, below the first that it waits for, roots with the most below them first.

    Of sessions that wait for each other the one with the oldest transaction stands at the root.
    """
    waiters = _waiters(sessions)
    roots = root_sessions(sessions)
    drawn = set[int]()
    ordered = sorted(roots, key=lambda one: (-len(_below(one.pid, waiters)), one.pid))
    return [line for root in ordered if root.pid not in drawn for line in _drawn(root, waiters, drawn, "", "")]


def root_sessions(sessions: Sequence[Session]) -> list[Session]:
    """Give those who wait for nobody and are waited for; and one of each ring in which everybody waits."""
    known, waiters = {one.pid for one in sessions}, _waiters(sessions)
    blocked = {one.pid for one in sessions if set(one.blocked_by) & known}
    roots = [one for one in sessions if one.pid not in blocked]
    reached = {pid for root in roots for pid in (root.pid, *_below(root.pid, waiters))}
    for one in sorted(sessions, key=lambda each: (-(each.transaction_seconds or 0.0), each.pid)):
        if one.pid not in reached and one.pid in _below(one.pid, waiters):
            roots.append(one)
            reached |= {one.pid, *_below(one.pid, waiters)}
    return roots


def _waiters(sessions: Sequence[Session]) -> dict[int, list[Session]]:
    found: dict[int, list[Session]] = {}
    for one in sorted(sessions, key=lambda each: (-(each.waited_seconds or 0.0), each.pid)):
        for pid in dict.fromkeys(one.blocked_by):  # a parallel worker's lock is its leader's, named more than once
            found.setdefault(pid, []).append(one)
    return found


def _below(pid: int, waiters: Mapping[int, Sequence[Session]]) -> set[int]:
    found, left = set[int](), [pid]
    while left:
        new = [one.pid for one in waiters.get(left.pop(), ()) if one.pid not in found]
        found.update(new)
        left += new
    return found


def _drawn(
    one: Session, waiters: Mapping[int, Sequence[Session]], drawn: set[int], head: str, indent: str
) -> Iterator[str]:
    drawn.add(one.pid)
    yield f"{head}{_told(one)}"
    below = [each for each in waiters.get(one.pid, ()) if each.pid not in drawn]
    drawn |= {each.pid for each in below}
    for number, each in enumerate(below):
        is_last = number == len(below) - 1
        yield from _drawn(
            each, waiters, drawn, indent + ("└─ " if is_last else "├─ "), indent + ("   " if is_last else "│  ")
        )


def _told(one: Session) -> str:
    if one.pid == PREPARED:
        return f"a prepared transaction: {one.query}. COMMIT PREPARED or ROLLBACK PREPARED ends it."
    who = f"pid {one.pid} {one.role} ({one.application or 'no name'})"
    if one.waited_seconds is not None or one.blocked_by:
        for_what = f"{one.mode or 'a lock'} on {one.relation or one.locktype or 'something'}"
        return f"{who} waits {one.waited_seconds or 0:.0f} s for {for_what}: {masked(one.query)}"
    return f"{who} {one.state}, its transaction {one.transaction_seconds or 0:.0f} s old: {masked(one.query)}"


def masked(query: str) -> str:
    """Give a statement's shape on one line: without comments and values, and cut."""
    shape = " ".join(_VALUES.sub(_shape, query).split())
    return shape if len(shape) <= LONGEST else f"{shape[:LONGEST]}…"


def _shape(found: re.Match[str]) -> str:
    if found[0].startswith('"'):
        return found[0]
    return " " if found[0].startswith(("--", "/*")) else "?"
