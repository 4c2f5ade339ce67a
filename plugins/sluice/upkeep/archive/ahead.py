"""Make one thing ahead while the one before it is used: reading, writing and storing of a month go on beside each other."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def ahead(items: Generator[Item]) -> Iterator[Iterator[Item]]:
    """Give what a generator makes; the next is made in a thread meanwhile, and none beyond it.

    What it raises is raised where it would have been given. At the end, however that comes, it is closed and its thread is over.
    """
    with closing(items), ThreadPoolExecutor(1) as pool:
        yield _each(pool, items)


def _each(pool: ThreadPoolExecutor, items: Generator[Item]) -> Iterator[Item]:
    coming = pool.submit(next, items, None)
    while (item := coming.result()) is not None:
        coming = pool.submit(next, items, None)
        yield item
