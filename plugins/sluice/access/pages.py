"""Pages with cursors, as GraphQL's connections have them, over any question that can be walked through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from sluice.access.cursors import Seal
from sluice.access.store import Store
from sluice.access.walking import Place, Question, walk
from sluice.errors import Terminal
from sluice.stores.dynamodb.values import Item

T = TypeVar("T")
MOST = 1000


class PageRefused(Terminal):
    """The page asked for is none."""


@dataclass(frozen=True)
class Edge(Generic[T]):
    """A node and the cursor behind it."""

    node: T
    cursor: str


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page."""

    edges: tuple[Edge[T], ...]
    has_next_page: bool
    end_cursor: str | None
    """What gives the next page; at the end, what gives that which is added later."""

    @property
    def nodes(self) -> tuple[T, ...]:
        """What is on it."""
        return tuple(edge.node for edge in self.edges)

    @property
    def page_info(self) -> dict[str, bool | str | None]:
        """Give `hasNextPage` and `endCursor`."""
        return {"hasNextPage": self.has_next_page, "endCursor": self.end_cursor}


def page(
    store: Store, seal: Seal, question: Question, first: int, after: str | None, node: Callable[[Item], T]
) -> Page[T]:
    """Give the `first` nodes (1 to 1000) behind the cursor `after`. Raises CursorRefused, PageRefused."""
    if not 1 <= first <= MOST:
        raise PageRefused(f"A page of {first} is none: ask for 1 to {MOST}.")
    place = Place.read(seal.read(question.text, after)) if after else Place()
    # One more than asked for tells whether there is a next page.
    found = list(islice(walk(store, question, place, first + 1), first + 1))
    edges = tuple(Edge(node(item), seal.sign(question.text, behind.told())) for item, behind in found[:first])
    return Page(edges, len(found) > first, edges[-1].cursor if edges else after)
