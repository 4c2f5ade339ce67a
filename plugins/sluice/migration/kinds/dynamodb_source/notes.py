"""What a step notes beside the data, so that whoever takes it again finds it: texts by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sluice.ledger.item_marks import ItemMarks
from sluice.stores.dynamodb.writes import write_one


class Notes(Protocol):
    """Where the notes of a migration are kept."""

    @property
    def table(self) -> str:
        """The table that they lie in."""

    def read(self) -> Mapping[str, str]:
        """Give all of them."""

    def keep(self, **texts: str) -> None:
        """Keep some, each in the place of what was noted under its name."""


@dataclass(frozen=True)
class StateNotes:
    """Notes beside the state of a migration whose marks are items."""

    marks: ItemMarks

    @property
    def table(self) -> str:
        """The table that they lie in."""
        return self.marks.table

    def read(self) -> Mapping[str, str]:
        """Give all of them."""
        return self.marks.state().facts

    def keep(self, **texts: str) -> None:
        """Keep some."""
        while not self.marks.note(self.marks.state(), **texts):
            pass  # somebody else wrote beside us


@dataclass(frozen=True)
class ItemNotes:
    """Notes as items of their own, where the state lies elsewhere."""

    marks: ItemMarks

    @property
    def table(self) -> str:
        """The table that they lie in."""
        return self.marks.table

    def read(self) -> Mapping[str, str]:
        """Give all of them."""
        return self.marks.notes()

    def keep(self, **texts: str) -> None:
        """Keep some."""
        for name, text in texts.items():
            write_one(self.marks.client, self.marks.noted(name, text))
