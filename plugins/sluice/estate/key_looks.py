"""What the key of a record looks like, `USER#…`, and whether two such looks can be one key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Look:
    """A record's table, and of each part of its key the literals in order; None stands for any text that is not empty."""

    table: str
    key: tuple[tuple[str | None, ...], ...]

    def __str__(self) -> str:
        return " and ".join("".join(piece or "…" for piece in part) for part in self.key)

    def may_be(self, other: Look) -> bool:
        """Tell whether some key has both looks."""
        return self.table == other.table and all(map(_can_meet, self.key, other.key))


def _can_meet(one: Sequence[str | None], other: Sequence[str | None]) -> bool:
    steps, others = _letters(one), _letters(other)

    @cache
    def meet(at: int, there: int) -> bool:
        if at == len(steps) or there == len(others):
            return at == len(steps) and there == len(others)
        mine, theirs = steps[at], others[there]
        if mine is not None and theirs is not None:
            return mine == theirs and meet(at + 1, there + 1)
        # A letter is taken from both: where any text stands, it goes on or has come to its end with it.
        after = [at + 1] if mine is not None else [at, at + 1]
        others_after = [there + 1] if theirs is not None else [there, there + 1]
        return any(meet(a, b) for a in after for b in others_after if (a, b) != (at, there))

    return meet(0, 0)


def _letters(look: Sequence[str | None]) -> list[str | None]:
    return [letter for piece in look for letter in (piece if piece is not None else [None])]
