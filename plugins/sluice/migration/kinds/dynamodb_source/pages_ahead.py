"""Read a shard's next page while the one before is brought home: reader and writer need not wait for each other.

What is read ahead is held in memory only. Where another worker has read on meanwhile, or the reading failed, it is dropped and
the page read anew.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from sluice.errors import SluiceError
from sluice.migration.kinds.dynamodb_source.rounds import FEW, PAGE
from sluice.stores.dynamodb.streams import Stream, StreamPage

MOST_HELD = 4
"""Pages that are read ahead at once, of 1 MB at most: a stream may have a thousand busy shards."""


class PagesAhead:
    """Gives pages of a stream, as long as it is open. One thread asks."""

    def __init__(self, stream: Stream) -> None:
        """Read nothing yet."""
        self._stream = stream
        self._pool = ThreadPoolExecutor(1, "pages-ahead")
        self._coming: dict[str, tuple[str | None, Future[StreamPage]]] = {}

    def __enter__(self) -> Self:
        """Open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is under way, and drop it."""
        self._pool.shutdown(cancel_futures=True)

    def read(self, shard: str, after: str | None) -> StreamPage:
        """Give a page of a shard after a sequence number, and have the next one read where there is likely to be one.

        An empty page is never one that was read before it was asked for. Raises what `Stream.read` raises.
        """
        page = self._came(shard, after) or self._stream.read(shard, after, PAGE)
        if len(page.changes) > FEW and not page.ended and len(self._coming) < MOST_HELD:
            self._coming[shard] = page.position, self._pool.submit(self._stream.read, shard, page.position, PAGE)
        return page

    def _came(self, shard: str, after: str | None) -> StreamPage | None:
        position, coming = self._coming.pop(shard, (None, None))
        if coming is None:
            return None
        try:
            page = coming.result()  # also where it is of no use: one thread reads a shard at a time
        except SluiceError:
            return None
        return page if page.changes and position == after else None
