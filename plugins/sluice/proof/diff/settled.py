"""Compare two tables that share no snapshot: a difference counts only when it stays.

Between two reads of two stores the world goes on. So what differs is read again, on both sides: a row that became equal was in
flight, a row that still changes is asked again, and one that differs in `READS` readings while neither side changes is a
difference. A row that never stood still is told as unsettled, never as equal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Key = tuple[str, ...]
READS = 3
"""Readings in which a difference must stay, both sides unchanged."""
PATIENCE = 20
"""Readings after which a row that never stood still is unsettled."""
RANGE_ROWS = 50_000
ASKED_AT_ONCE = 500


class Side(Protocol):
    """One table of one store: `sluice.proof.diff.portable.PortableSide`, or any other that makes the same hashes."""

    def bound(self, after: Key | None, count: int) -> Key | None:
        """The key that ends a range of so many rows behind `after`; None when fewer are left."""

    def summary(self, after: Key | None, until: Key | None) -> tuple[int, int]:
        """Rows in (after, until], and the sum of their hashes."""

    def hashes(self, after: Key | None, until: Key | None) -> dict[Key, int]:
        """Every row of a range: its key and its hash."""

    def read(self, keys: Sequence[Key]) -> dict[Key, int]:
        """The rows of some keys, as they are now."""


@dataclass(frozen=True)
class Settled:
    """What stayed different, what was only in flight (`races`), and what never stood still."""

    rows: int
    left_rows: int
    right_rows: int
    missing: tuple[Key, ...]
    extra: tuple[Key, ...]
    different: tuple[Key, ...]
    races: int
    unsettled: tuple[Key, ...]

    @property
    def clean(self) -> bool:
        """Whether anything was compared, and all of it stood still and was equal."""
        return self.rows > 0 and not (self.missing or self.extra or self.different or self.unsettled)


def compare(left: Side, right: Side, *, pause: Callable[[], None] = lambda: time.sleep(0.2)) -> Settled:
    """Compare all rows, a range of keys at a time; memory holds one range. Read-only, and no lock."""
    seen = left_seen = right_seen = races = 0
    verdicts: dict[Key, str] = {}
    for after, until in _ranges(left):
        here, there = left.summary(after, until), right.summary(after, until)
        seen, left_seen, right_seen = seen + max(here[0], there[0]), left_seen + here[0], right_seen + there[0]
        if here == there:
            continue
        suspects = _unequal(left.hashes(after, until), right.hashes(after, until))
        stayed = settle(left, right, suspects, pause=pause)
        races += len(suspects) - len(stayed)
        verdicts |= stayed

    def those(word: str) -> tuple[Key, ...]:
        return tuple(sorted(key for key, said in verdicts.items() if said == word))

    return Settled(
        seen, left_seen, right_seen, those("missing"), those("extra"), those("different"), races, those("unsettled")
    )


def settle(left: Side, right: Side, suspects: Sequence[Key], *, pause: Callable[[], None]) -> dict[Key, str]:
    """Read suspects again until each is equal (left out), or stays `missing`, `extra` or `different`, or is `unsettled`."""
    seen: dict[Key, tuple[object, int]] = dict.fromkeys(suspects, (None, 0))  # what both said last, how often in a row
    verdicts: dict[Key, str] = {}
    for _ in range(PATIENCE):
        if not seen:
            return verdicts
        pause()
        for batch in _batches(list(seen)):
            here, there = left.read(batch), right.read(batch)
            for key in batch:
                said = (here.get(key), there.get(key))
                if said[0] == said[1]:
                    del seen[key]
                    continue
                seen[key] = (said, seen[key][1] + 1 if seen[key][0] == said else 1)
                if seen[key][1] == READS:
                    del seen[key]
                    verdicts[key] = _word(*said)
    return verdicts | dict.fromkeys(seen, "unsettled")


def _word(here: int | None, there: int | None) -> str:
    return "missing" if there is None else "extra" if here is None else "different"


def _ranges(left: Side) -> Iterator[tuple[Key | None, Key | None]]:
    """Walk the left key; the last range is open, so that later keys are seen too."""
    after: Key | None = None
    while True:
        until = left.bound(after, RANGE_ROWS)
        yield after, until
        if until is None:
            return
        after = until


def _unequal(here: Mapping[Key, int], there: Mapping[Key, int]) -> list[Key]:
    return [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]


def _batches(keys: list[Key]) -> Iterator[list[Key]]:
    for start in range(0, len(keys), ASKED_AT_ONCE):
        yield keys[start : start + ASKED_AT_ONCE]
