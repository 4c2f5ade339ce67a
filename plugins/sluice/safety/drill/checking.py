"""What a person's own suites say of a copy while it stands: `backup: checks` of the estate's file.

A census proves that a copy is what the store was. Whether that was right, the rules say that somebody has written for the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sluice.proof.gates.suites import Suite, run_suite
from sluice.proof.gates.verdict import Check as Found
from sluice.proof.gates.window import WindowSubject
from sluice.stores.catalogue import find_table
from sluice.stores.postgres import Connect, Table


@dataclass(frozen=True)
class Check:
    """A table, and the suites over it."""

    table: Table
    suites: tuple[Suite, ...]
    newest_by: str | None = None
    """The column by which the newest rows are found; None: any rows are looked at, so many as a suite may."""


@dataclass(frozen=True)
class Checked:
    """What one suite has said of a table of a copy."""

    table: str
    suite: str
    sha256: str
    """Of the suite's text."""
    rows: int
    """How many it looked at."""
    wrong: tuple[str, ...]
    """What is not as it must be, or could not be looked at."""
    warned: tuple[str, ...]
    """What is not as it should be."""


def check_copy(connect: Connect, checks: Sequence[Check], at: datetime) -> tuple[Checked, ...]:
    """Run every suite over its table of a copy, which is as of `at`. Reads only. Raises StoreDown."""
    return tuple(_checked(connect, check, suite, at) for check in checks for suite in check.suites)


def _checked(connect: Connect, check: Check, suite: Suite, at: datetime) -> Checked:
    name = str(check.table)
    with connect("checks") as c:
        shape = find_table(c, check.table)
    if shape is None:
        return Checked(name, suite.name, suite.sha256, 0, (f"{suite.name}: the copy has no table {name}",), ())
    subject = WindowSubject(connect, check.table, check.newest_by, shape.key)
    ran = run_suite(suite, facts={}, window=subject, now=at, parameters={}, samples={})
    wrong = tuple(f"{name}: {_told(one, shape.key)}" for one in ran.checks if one.blocks)
    warned = tuple(f"{name}: {_told(one, shape.key)}" for one in ran.checks if one.state == "warning")
    return Checked(name, suite.name, suite.sha256, ran.compared, wrong, warned)


def _told(found: Found, key: Sequence[str]) -> str:
    """Say it with the keys of some rows, and no other value: a certificate is kept for long."""
    return replace(
        found, sample_rows=tuple({name: row.get(name) for name in key} for row in found.sample_rows)
    ).describe()
