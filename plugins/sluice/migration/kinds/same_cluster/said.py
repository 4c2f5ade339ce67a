"""How a finding is said: it stops the migration, it asks to be accepted, or it only informs."""

from __future__ import annotations

from sluice.migration.engine.contract import Finding


def refuse(code: str, what: str, way_on: str) -> Finding:
    """It stops the migration; `way_on` says what to do."""
    return Finding(code, True, what, way_on)


def accept(code: str, what: str, way_on: str) -> Finding:
    """It stops the migration until the YAML accepts it by its code."""
    return Finding(code, True, what, way_on, acceptable=True)


def inform(code: str, what: str) -> Finding:
    """A person should know it."""
    return Finding(code, False, what, "")
