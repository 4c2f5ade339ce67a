"""Bring a schema of the ledger up to date: versioned SQL files, in order, each once, checksums held.

The file names are Flyway's: `V1_0_0__what_it_adds.sql`. A file that changed after it was applied is refused, and so is a
schema that a newer version has brought further than this one knows: we would work by old rules.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sluice.errors import Terminal
from sluice.stores.postgres import Connection, one, rows
from sluice.stores.statements import SQL_ROOT, statement


class ReleaseChanged(Terminal):
    """A released file is not what was applied."""


class Outdated(Terminal):
    """A newer version of Sluice has been here: this one does not know the rules by now."""


@dataclass(frozen=True)
class Release:
    """One file of a release set."""

    version: str
    path: Path
    checksum: str


@cache
def releases(release_set: str) -> tuple[Release, ...]:
    """List the files of a set (`marks`, `control`), by version."""
    found = (SQL_ROOT / "schema" / release_set).glob("V*__*.sql")
    return tuple(sorted((_release(path) for path in found), key=lambda r: _order(r.version)))


def bring_up_to_date(
    connection: Connection, release_set: str, quiet: Callable[[Connection], object] = lambda _: None
) -> list[str]:
    """Apply what is missing, in one transaction, and give the versions applied.

    `quiet` is called first where an older release stands already: whoever works by it must have ended.
    Raises ReleaseChanged when an applied file has another checksum now, Outdated when one is not known here.
    """
    if is_current(connection, release_set):
        return []
    with connection.transaction():
        connection.execute(statement("releases.take_lock"))
        connection.execute(statement("releases.create_schema"))
        connection.execute(statement("releases.create_history"))
        missing = _missing(connection, release_set)
        if missing and len(missing) < len(releases(release_set)):
            quiet(connection)
        return [_apply(connection, release_set, release) for release in missing]


def versions(release_set: str) -> list[str]:
    """The versions that are known here, oldest first."""
    return [release.version for release in releases(release_set)]


def check_known(release_set: str, applied: Collection[str]) -> None:
    """Raise Outdated when one of the `applied` versions is not known here."""
    if unknown := sorted(set(applied) - set(versions(release_set)), key=_order):
        raise Outdated(
            f"A newer Sluice has been here: {release_set} {unknown[-1]} in schema sluice, and this one knows"
            f" {versions(release_set)[-1]}. Nothing was changed. Bring this installation, every worker of it, to that"
            " version, then clear the task: docs/howto/upgrade-with-a-migration-in-flight.md."
        )


def is_current(connection: Connection, release_set: str) -> bool:
    """Tell whether nothing is missing of a set. Read-only. Raises ReleaseChanged, Outdated."""
    return bool(one(connection, statement("releases.find_history"))["there"]) and not _missing(connection, release_set)


def _missing(connection: Connection, release_set: str) -> list[Release]:
    listed = rows(connection, statement("releases.list_applied"), release_set=release_set)
    applied = {row["version"]: row["checksum"] for row in listed}
    for release in releases(release_set):
        if applied.get(release.version, release.checksum) != release.checksum:
            raise ReleaseChanged(
                f"{release.path.name} was changed after it was applied here. Restore it and add a new release beside it."
            )
    check_known(release_set, applied)
    return [release for release in releases(release_set) if release.version not in applied]


def _apply(connection: Connection, release_set: str, release: Release) -> str:
    # A file of this project, never a user's text.
    connection.execute(release.path.read_bytes())
    connection.execute(
        statement("releases.record_release"),
        {"release_set": release_set, "version": release.version, "checksum": release.checksum},
    )
    return release.version


def _release(path: Path) -> Release:
    matched = re.fullmatch(r"V(\d+(?:_\d+)*)__\w+\.sql", path.name)
    if matched is None:
        raise ReleaseChanged(f"{path.name} is not named V1_2_3__what_it_adds.sql")
    return Release(matched[1].replace("_", "."), path, hashlib.sha256(path.read_bytes()).hexdigest())


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
