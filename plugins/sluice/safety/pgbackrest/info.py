"""What is in the repository, by `pgbackrest info --output=json`, which it keeps stable from version to version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.errors import Terminal
from sluice.safety.driver import Taken
from sluice.safety.pgbackrest.program import Program, RepositoryBusy

NO_BACKUP, UNREAD = 2, 99
"""Of a repository's status: nothing in it yet, and an error of its own."""
SECOND = timedelta(seconds=1)


class NoStanza(Terminal):
    """The repository has no such stanza, or nothing that can be used of it."""


@dataclass(frozen=True)
class Kept:
    """One backup in pgBackRest's repository."""

    store: str
    id: str
    """Its label."""
    kind: str
    """full, diff or incr."""
    after: str | None
    rests_on: tuple[str, ...]
    """All backups that a restore of it reads, itself among them."""
    archive: str
    """The folder of the log that it goes with: version and number of the server, such as 15-1."""
    server: str
    """PostgreSQL's major version."""
    timeline: int
    begins: str
    ends: str
    first_file: str
    """Of the log: the one in which it begins."""
    ended: datetime
    """When it was whole, by the clock of pgBackRest's host, which tells whole seconds: the end of that one."""
    stored: int
    """How many bytes it has added to the repository."""
    reads: int
    """How many bytes of the repository a restore of it reads."""
    size: int
    """How many bytes the server had."""
    pages_damaged: bool
    """Whether pages did not match their checksums as it was taken: the server's own files were damaged."""

    @property
    def taken(self) -> Taken:
        """It, as every driver tells of a backup."""
        return Taken(self.id, self.ended, self.stored, self.after)


def backups_in(program: Program, store: str) -> list[Kept]:
    """Give every backup of a stanza, oldest first. Raises NoStanza, RepositoryBusy, PgBackRestFailed."""
    return read_info(program.run("info", "--output=json"), program, store)


def read_info(said: str, program: Program, store: str) -> list[Kept]:
    """Read what `info` says. Pure. Raises NoStanza, RepositoryBusy."""
    told = next((one for one in json.loads(said) if one["name"] == program.stanza), None)
    repository = next((one for one in (told or {}).get("repo", []) if one["key"] == program.repo), None)
    if not told or not repository:
        raise NoStanza(f"pgBackRest knows no stanza {program.stanza} in repository {program.repo}. Nothing was done.")
    status = repository["status"]
    if status["code"] == UNREAD:
        raise RepositoryBusy(
            f"Repository {program.repo} of stanza {program.stanza} cannot be read: {_plain(status['message'])}"
        )
    if status["code"] not in (0, NO_BACKUP):
        raise NoStanza(
            f"Stanza {program.stanza} cannot be used in repository {program.repo}: {status['message']}."
            " See pgbackrest stanza-create and pgbackrest check."
        )
    folders = {_key(one["database"]): one["id"] for one in told["archive"]}
    servers = {(one["id"], one["repo-key"]): str(one["version"]) for one in told["db"]}
    found = [
        _kept(one, store, folders, servers[_key(one["database"])])
        for one in told["backup"]
        if one["database"]["repo-key"] == program.repo
    ]
    return sorted(found, key=lambda one: (one.ended, one.id))


def last_server(found: Sequence[Kept]) -> list[Kept]:
    """Leave out what is of an older server than the newest backup: a stanza goes on after an upgrade. Pure."""
    return [one for one in found if one.archive == found[-1].archive]


def _kept(told: dict[str, Any], store: str, folders: dict[tuple[int, int], str], server: str) -> Kept:
    repository = told["info"]["repository"]
    delta = int(repository["delta"])
    return Kept(
        store=store,
        id=told["label"],
        kind=told["type"],
        after=told["prior"],
        rests_on=(*(told["reference"] or ()), told["label"]),
        archive=folders.get(_key(told["database"])) or f"{server}-{told['database']['id']}",
        server=server,
        timeline=int(told["archive"]["start"][:8], 16),
        begins=told["lsn"]["start"],
        ends=told["lsn"]["stop"],
        first_file=told["archive"]["start"],
        ended=datetime.fromtimestamp(told["timestamp"]["stop"], UTC) + SECOND,
        stored=delta,
        reads=int(repository.get("size") or delta),  # newer versions do not know it of every kind of backup
        size=int(told["info"]["size"]),
        pages_damaged=bool(told.get("error")),
    )


def _key(database: dict[str, int]) -> tuple[int, int]:
    return database["id"], database["repo-key"]


def _plain(text: str) -> str:
    return "".join(one if " " <= one <= "~" else " " for one in text)[:300]
