"""Bring a backup out of the vault into a data folder: unpacked as it comes, each input verified, increments put together last."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.safety.backup import Backup
from sluice.stores.binaries import client
from sluice.stores.objects import Damaged, Vault
from sluice.stores.parts import Part, read_parts
from sluice.stores.privileges import Identity

LINKS = 18
"""From which PostgreSQL on pg_combinebackup can link files."""


class NotUnpacked(Terminal):
    """What the vault holds could not be unpacked here."""


class NoRoom(Terminal):
    """The disk has no room for what is to be brought back."""


def check_room(chain: Sequence[Backup], folder: Path) -> None:
    """Raise NoRoom unless the disk below `folder` has room: for each input, and for what is put together of them."""
    needs = sum(backup.size for backup in chain) + (chain[0].size if len(chain) > 1 else 0)
    free = shutil.disk_usage(folder).free
    if free < needs:
        raise NoRoom(
            f"{chain[-1].id} of {chain[-1].store} needs {needs / 1e9:,.1f} GB in {folder}, and {free / 1e9:,.1f} GB are free."
            " Nothing was fetched: make room, or name another folder as `backup.scratch`."
        )


class InParts(Protocol):
    """A tar in the vault, in parts."""

    @property
    def store(self) -> str:
        """Whose backup it is."""

    @property
    def id(self) -> str:
        """Which."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its parts, in order."""


def unpack(backup: InParts, vault: Vault, folder: Path, identity: Identity, *only: str) -> None:
    """Unpack one backup, or some files of it, into a folder that is empty; every byte of it is read.

    Raises Damaged, NoSuchKey, NotUnpacked, VaultDown.
    """
    folder.mkdir(mode=0o700)
    identity.give(folder)
    command = [*identity.prefix, "tar", "--extract", "--file=-", f"--directory={folder}", *only]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", **identity.arguments
    ) as process:
        assert process.stdin is not None and process.stderr is not None
        try:
            for piece in read_parts(vault, backup.parts):
                process.stdin.write(piece)
                failpoint("restore.part_unpacked")
        except BrokenPipeError:
            pass  # it has ended already, and says why
        except BaseException:
            process.kill()
            raise
        said = process.communicate()[1].decode(errors="replace").strip()
    if process.returncode:
        raise NotUnpacked(f"{backup.id} of {backup.store} cannot be unpacked into {folder}: {said[-300:]}")


def verify_unpacked(backup: Backup, folder: Path, identity: Identity) -> None:
    """Hold every file against PostgreSQL's own manifest: each input, as pg_combinebackup passes damage on. Raises Damaged."""
    done = _run("pg_verifybackup", ["--no-parse-wal", "--quiet", str(folder)], identity)
    if done.returncode:
        raise Damaged(
            f"{backup.id} of {backup.store} is not what the server gave: {done.stderr.strip()[-300:]}. Nothing rests on it: take"
            " a full backup, and keep this one as evidence."
        )


def combine(folders: Sequence[Path], into: Path, identity: Identity, major: int) -> None:
    """Put a full backup and its increments together, in the order in which they were taken; the inputs are used up.

    What has not changed since is not copied, where PostgreSQL `major` has a program that links. Raises NotUnpacked.
    """
    how = [f"--output={into}", "--no-sync", *(["--link"] if major >= LINKS else [])]
    done = _run("pg_combinebackup", [*map(str, folders), *how], identity)
    if done.returncode:
        raise NotUnpacked(f"{folders[-1].name} cannot be put together: {done.stderr.strip()[-300:]}")


def _run(program: str, how: Sequence[str], identity: Identity) -> subprocess.CompletedProcess[str]:
    command = [*identity.prefix, str(client(program)), *how]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", cwd="/", **identity.arguments)
