"""What synchronous replication promises: how many servers have each acknowledged commit, so how many together have them all.

A setting that waits for k of n named standbys puts each acknowledged commit on k of them. Any n - k + 1 of the n then hold
every one, together; and as a log only grows, the one of them that has received most holds them all. The same count fences: once
n - k + 1 of them listen no more, no commit can be acknowledged any more, whether the old server lives or not.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass

_METHOD = re.compile(r"(?:(?P<how>any|first)\s+)?(?P<needed>\d+)\s*\((?P<names>.*)\)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Promise:
    """For whom a commit waits."""

    needed: int
    """How many of them must have it."""
    names: frozenset[str]

    @property
    def anybody(self) -> bool:
        """Whether any server that asks for the log may acknowledge, a stranger too: that proves nothing."""
        return "*" in self.names

    @property
    def quorum(self) -> int:
        """How many of them hold, together, every acknowledged commit."""
        return len(self.names) - self.needed + 1

    def kept_by(self, asked: Set[str]) -> bool:
        """Whether these servers hold, together, every acknowledged commit."""
        return bool(self.names) and not self.anybody and len(self.names & asked) >= self.quorum

    def __str__(self) -> str:
        return f"{self.needed} of {', '.join(sorted(self.names))}" if self.names else "nobody"


NOBODY = Promise(0, frozenset())
"""Where commits wait for nobody."""


def read_promise(standby_names: str) -> Promise:
    """Read `synchronous_standby_names`: `a, b` · `2 (a, b, c)` · `FIRST 1 (a, b)` · `ANY 1 (a, b)`; empty where none waits."""
    text = standby_names.strip()
    found = _METHOD.fullmatch(text)
    names = frozenset(filter(None, map(_plain, (found["names"] if found else text).split(","))))
    return Promise(int(found["needed"]) if found else min(1, len(names)), names)


def _plain(name: str) -> str:
    """PostgreSQL compares them without regard to case."""
    name = name.strip().lower()
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
