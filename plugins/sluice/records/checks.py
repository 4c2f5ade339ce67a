"""What a mapping loses, told of before anything runs. What cannot be right at all is the estate's to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sluice.estate.single_table import AttributeChange, SingleTableMigration
from sluice.estate.templates import placeholders, renamed


class Concern(NamedTuple):
    """One thing that a person should know, and may accept by its code."""

    code: str
    what: str
    way_on: str


def concerns(migration: SingleTableMigration) -> Iterator[Concern]:
    """Give what the way back would lose, from the files alone; which items it is about, `survey` tells."""
    if not any(rule.whole for rule in migration.target.records):
        yield Concern(
            "no_way_back",
            f"No record of {migration.becomes} holds everything (`whole: true`).",
            "Writes after the cutover could not be brought back: mark one record whole.",
        )
    if migration.transform and not migration.transform_back:
        yield Concern(
            "no_way_back",
            f"{migration.transform} has no way back.",
            "Writes after the cutover could not be brought back: name a `transform_back`.",
        )
    for name, change in migration.attributes.items():
        if change.back is None and (what := _loses(name, change)):
            yield Concern("loses_attribute", what, f"Say with `attributes.{name}.back` what it was.")


def lost_attributes(migration: SingleTableMigration) -> frozenset[str]:
    """Name the source's attributes that have no way back."""
    return frozenset(
        name for name, change in migration.attributes.items() if change.back is None and _loses(name, change)
    )


def _loses(name: str, change: AttributeChange) -> str:
    if change.drop:
        return f"{name} is dropped and does not come back."
    if change.value is None or renamed(change.value) is not None:
        return ""
    if any(one.path[0] == name for one in placeholders(change.value)):
        return f"{name} is made anew from itself, and what it was does not come back."
    return ""
