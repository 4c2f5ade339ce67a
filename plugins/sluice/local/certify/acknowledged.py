"""What the application was told is done: for each key, the states in which its row may be found.

One state where the answer was heard; two where the connection was lost during COMMIT: then either is right.
This is the client's own list and the only judge of "nothing was lost": it never asks the database.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock

from sluice.local.certify.shape import Effect, Image, Key


class Acknowledged:
    """A thread-safe map from Key to its acceptable states (an image, or None for "no such row")."""

    def __init__(self) -> None:
        self._states: dict[Key, tuple[Image | None, ...]] = {}
        self._lock = Lock()

    def committed(self, effects: Iterable[Effect]) -> None:
        """The database said yes: each key is as it was made."""
        self._put({e.key: (e.after,) for e in effects})

    def rolled_back(self, effects: Iterable[Effect]) -> None:
        """It certainly did not happen: each key is as it was before."""
        self._put({e.key: (e.before,) for e in effects})

    def unknown(self, effects: Iterable[Effect]) -> None:
        """The answer to COMMIT was lost: each key is as it was, or as it was made."""
        self._put({e.key: (e.before, e.after) for e in effects})

    def add(self, other: Acknowledged) -> None:
        """Take over what somebody else was told of other keys."""
        self._put(dict(other.items()))

    def __contains__(self, key: Key) -> bool:
        return key in self._states

    def __len__(self) -> int:
        return len(self._states)

    def items(self) -> Iterator[tuple[Key, tuple[Image | None, ...]]]:
        """Every key with its states, as of now."""
        with self._lock:
            return iter(list(self._states.items()))

    def of(self, table: str) -> Iterator[tuple[str, tuple[Image | None, ...]]]:
        """The ids of one table with their states."""
        return ((key.id, states) for key, states in self.items() if key.table == table)

    def dump(self, path: Path) -> None:
        """Write one JSON line a key; the file appears whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(path.suffix + ".draft")
        with draft.open("w") as lines:
            lines.writelines(json.dumps([*key, *states]) + "\n" for key, states in self.items())
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Acknowledged:
        """Read what `dump` wrote."""
        read = cls()
        with path.open() as lines:
            for table, id_, *states in map(json.loads, lines):
                read._states[Key(table, id_)] = tuple(states)
        return read

    def _put(self, states: dict[Key, tuple[Image | None, ...]]) -> None:
        with self._lock:
            self._states.update(states)
