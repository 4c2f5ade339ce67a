"""Loading many things asked for one by one with few requests: DataLoader's semantics for callers that do not await.

`ask` only notes a key; the first `Later.value()` loads everything that was noted by then, in one go. What was loaded is
remembered, so make one loader for each request that you serve, and throw it away with it. The kept libraries
(aiodataloader and its like) batch on an event loop's ticks, which a plain caller does not have.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sluice.errors import SluiceError, Terminal, Transient

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class NotAKey(Terminal):
    """What was asked for is not what the loader loads by."""


class Later(Generic[K, V]):
    """A value that is loaded when it is first looked at."""

    def __init__(self, loader: Loader[K, V], key: K) -> None:
        self._loader, self._key = loader, key

    def value(self) -> V | None:
        """Give it; None if there is nothing under its key. Raises what the loading raised, then tries again next time."""
        return self._loader.load(self._key)


class Loader(Generic[K, V]):
    """Loads by `load_all`, which is given different keys and returns what it found of them, by key.

    An exception among what it returns is raised for that key alone, each time it is looked at.
    """

    def __init__(self, load_all: Callable[[Sequence[K]], Mapping[K, V | Exception]]) -> None:
        self._load_all = load_all
        self._lock = threading.RLock()
        self._wanted: dict[K, None] = {}
        self._known: dict[K, V | Exception | None] = {}

    def ask(self, key: K) -> Later[K, V]:
        """Note that `key` will be wanted."""
        with self._lock:
            if key not in self._known:
                self._wanted[key] = None
        return Later(self, key)

    def load(self, key: K) -> V | None:
        """Give the value of one key, loading it and all that were asked for."""
        return self.load_many([key])[0]

    def load_many(self, keys: Iterable[K]) -> list[V | None]:
        """Give the values in the order of `keys`, None where there is nothing; a key named twice is loaded once.

        Raises what stands for the first of them that is none.
        """
        with self._lock:
            asked = list(keys)
            for key in asked:
                self.ask(key)
            # Also what others asked for and nobody has looked at yet: that is the batch.
            if any(key not in self._known for key in asked):
                self._fetch()
            return [_told(self._known[key]) for key in asked]

    def prime(self, key: K, value: V) -> None:
        """Remember a value that came by another way, unless one is known."""
        with self._lock:
            self._known.setdefault(key, value)
            self._wanted.pop(key, None)

    def forget(self, key: K) -> None:
        """Load it anew when it is next wanted: it was changed."""
        with self._lock:
            self._known.pop(key, None)

    def _fetch(self) -> None:
        keys, self._wanted = list(self._wanted), {}
        try:
            found = self._load_all(keys)
        except Transient:
            # None of them is to blame: they are loaded together when somebody looks again.
            self._wanted = {**dict.fromkeys(key for key in keys if key not in self._known), **self._wanted}
            raise
        self._known.update((key, found.get(key)) for key in keys)


def loader_of(
    by: str | tuple[str, ...],
    check: Callable[[dict[str, Any]], object],
    get_many: Callable[[Sequence[dict[str, Any]]], Sequence[V | None]],
) -> Loader[Any, V]:
    """Make a loader by the value of one attribute, or by the values of several. What `check` refuses is not asked for."""
    names = (by,) if isinstance(by, str) else by

    def load_all(keys: Sequence[Any]) -> Mapping[Any, V | Exception]:
        found: dict[Any, V | Exception] = {}
        good: dict[Any, dict[str, Any]] = {}
        for key in keys:
            values = (key,) if isinstance(by, str) else key
            try:
                known = dict(zip(names, values, strict=True))
                check(known)
                good[key] = known
            except (SluiceError, TypeError, ValueError) as error:
                found[key] = error if isinstance(error, SluiceError) else NotAKey(f"{key!r} is not {', '.join(names)}.")
        loaded = get_many(list(good.values())) if good else []
        return found | {key: one for key, one in zip(good, loaded, strict=True) if one is not None}

    return Loader(load_all)


def _told(found: V | Exception | None) -> V | None:
    if isinstance(found, Exception):
        raise found
    return found
