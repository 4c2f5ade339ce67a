"""Which troubles are one incident. Pure.

What is wrong at a store for one cause is one. What another cause there explains hangs below that one, up to the cause that
nothing explains: a lock explains slow statements, these a full pool. The same cause at more than three stores is one of the
estate; what is the estate's already stays it when fewer are left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from sluice.insight.health.troubles import Trouble
from sluice.ledger.incidents import Key

Place: TypeAlias = tuple[str, str]
"""A store, '' for the estate, and a cause."""
MANY_STORES = 3
"""A cause at more stores than these is no longer the stores' own."""


@dataclass(frozen=True)
class Group:
    """Troubles that are one, the most urgent and oldest first."""

    place: Place
    troubles: tuple[Trouble, ...]

    @property
    def causes(self) -> set[str]:
        """Every cause that hangs below it, itself included."""
        return {one.cause for one in self.troubles}


def grouped(found: Sequence[Trouble], wide: Mapping[str, Set[Key]] | None = None) -> list[Group]:
    """Put together what is one; `wide` is what is the estate's already, for each cause. The most urgent and oldest first."""
    roots = _roots(found)
    placed: dict[Place, list[Trouble]] = {}
    for one in found:
        placed.setdefault((one.series.store, roots[one.series.store, one.cause]), []).append(one)
    for cause in {cause for _, cause in placed}:
        places = [place for place in placed if place[1] == cause and place[0]]
        if len(places) <= MANY_STORES:
            held = (wide or {}).get(cause, frozenset())
            places = [place for place in places if any(one.key in held for one in placed[place])]
        if places:
            together = [one for place in places for one in placed.pop(place)]
            placed.setdefault(("", cause), []).extend(together)
    groups = [Group(place, tuple(sorted(ones, key=_order))) for place, ones in placed.items()]
    return sorted(groups, key=lambda group: (_order(group.troubles[0]), group.place))


def _order(one: Trouble) -> tuple[object, ...]:
    return one.severity, one.since, one.rule, one.series


def _roots(found: Sequence[Trouble]) -> dict[Place, str]:
    """Give for each cause at a store the one that explains it in the end; of those that explain each other, the worst."""
    at: dict[str, dict[str, list[Trouble]]] = {}
    for one in found:
        at.setdefault(one.series.store, {}).setdefault(one.cause, []).append(one)
    return {(store, cause): _root(cause, there) for store, there in at.items() for cause in there}


def _root(cause: str, there: Mapping[str, Sequence[Trouble]]) -> str:
    reached = _above(cause, there)
    ends = [one for one in reached if all(one in _above(other, there) for other in _above(one, there))]
    return min(ends, key=lambda one: (min(_order(each) for each in there[one]), one))


def _above(cause: str, there: Mapping[str, Sequence[Trouble]]) -> set[str]:
    """Give every cause that explains this one, near or far, and itself."""
    found, left = {cause}, [cause]
    while left:
        for one in there[left.pop()]:
            new = [each for each in one.explained_by if each in there and each not in found]
            found.update(new)
            left += new
    return found
