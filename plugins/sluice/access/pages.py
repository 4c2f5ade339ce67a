"""Pages with cursors, as GraphQL's connections have them, over any question that can be walked through.

A cursor carries the span of time of its first page. So `between(since, now(), after=cursor)` goes on with the first page's now:
a bound that moves would be another question on each page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from sluice.access.cursors import Seal
from sluice.access.spans import Span
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
    """One page. To go through it gives its nodes."""

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

    def __iter__(self) -> Iterator[T]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.edges)


@dataclass(frozen=True)
class Asked:
    """What pages are asked for: `text` makes it this question and no other, `find` gives it for a span of time."""

    text: str
    span: Span
    find: Callable[[Span], Question]


def page(store: Store, seal: Seal, asked: Asked, first: int, after: str | None, node: Callable[[Item], T]) -> Page[T]:
    """Give the `first` nodes (1 to 1000) behind the cursor `after`. Raises CursorRefused, PageRefused."""
    if not isinstance(first, int) or not 1 <= first <= MOST:
        raise PageRefused(f"A page of {first!r} is none: ask for 1 to {MOST}.")
    # Whether there are bounds is part of the question; which, the cursor knows.
    text = f"{asked.text} {asked.span.since is not None} {asked.span.until is not None}"
    span, place = asked.span, Place()
    if after is not None:
        bounds, told = seal.read(text, after)
        span, place = Span.read(bounds), Place.read(told)
    # One more than asked for tells whether there is a next page.
    found = list(islice(walk(store, asked.find(span), place, first + 1), first + 1))
    edges = tuple(Edge(node(item), seal.sign(text, [span.told(), at.told()])) for item, at in found[:first])
    return Page(edges, len(found) > first, edges[-1].cursor if edges else after)
