"""The sample store's `backup`, switched on in the estate's file while the demo needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import Terminal
from sluice.estate.read import ESTATE_FILE
from sluice.local.settings import ROOT

OFF, ON = "    # backup: {by: physical", "    backup: {by: physical"


class NoLine(Terminal):
    """The estate's file has no line that could be switched on."""


@contextmanager
def backup_switched_on(stays: bool, root: Path = ROOT) -> Iterator[None]:
    """Take the # away before the store's `backup`, and put it back unless it `stays`. Raises NoLine.

    A file in which it is on already is left as it is.
    """
    file = root / ESTATE_FILE
    before = file.read_text()
    if ON in before:
        yield
        return
    if before.count(OFF) != 1:
        raise NoLine(
            f"{ESTATE_FILE} has no line {OFF.strip()!r} below certify, which the demo switches on. Nothing was changed. Give the"
            " store a `backup` yourself: docs/howto/back-up-a-store.md."
        )
    during = before.replace(OFF, ON)
    file.write_text(during)
    try:
        yield
    finally:
        if not stays and file.read_text() == during:
            file.write_text(before)
