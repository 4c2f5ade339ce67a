"""What a thing is called while both tables are there: an index's name is one of a kind in its schema."""

from __future__ import annotations

from sluice.estate.names import fitted


def new_name(name: str) -> str:
    """What the target's counterpart of `name` is called until the cutover."""
    return fitted(name, "__new")


def old_name(name: str) -> str:
    """What the source's `name` is called after the cutover."""
    return fitted(name, "__old")
