"""Take a backup: dump, store, read back, restore for a trial, count. The manifest comes last, and only if all of that agreed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import sql
from psycopg.conninfo import make_conninfo

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, LockBusy, Table, connect, one, rows, translated
from sluice.stores.statements import statement
from sluice.upkeep.metadata.backup import Backup, Part, folder_at
from sluice.upkeep.metadata.dumping import dump, restore

Tell = Callable[[str], None]
SHOWN = 10
"""How many tables that differ are named."""


class NotAirflows(Terminal):
    """The connection leads to another database than Airflow's."""


class NoTrial(Terminal):
    """A backup cannot be restored for a trial: its role may not make databases."""


class TrialFailed(Terminal):
    """What was restored is not what was backed up."""


@dataclass(frozen=True)
class Taken:
    """A backup that is in the vault, by its manifest's key, and what the copy that was made of it had in each table."""

    backup: Backup
    key: str
    restored: Mapping[str, int]


def take_backup(dsn: str, scratch: str, vault: Vault, tell: Tell) -> Taken:
    """Take a backup of the database behind `dsn`, and try it at `scratch`.

    Raises NotAirflows, NoTrial, TrialFailed, Damaged, ProgramFailed, LockBusy, VaultDown, StoreDown.
    """
    with connect(scratch, purpose="airflow trial") as s, connect(dsn, purpose="airflow backup") as c, alone(c):
        check_may_try(s)
        for left in rows(s, statement("metadata.list_trials")):
            tell(f"{left['database']} was left behind by a trial that died: dropped")
            s.execute(statement("metadata.drop_trial", database=sql.Identifier(left["database"])))
        with translated("backing up Airflow's database"):
            backup = _store(c, dsn, vault)
        tell(f"stored: {backup.size:,} bytes, {len(backup.parts)} objects; {sum(backup.tables.values()):,} rows")
        failpoint("backup.stored")
        restored = try_restore(s, scratch, backup, vault)
        check_trial(backup, restored)
        tell(f"read back and restored: {len(backup.tables)} tables, each with as many rows")
        failpoint("backup.tried")
        return Taken(backup, backup.keep(vault).key, restored)


def check_may_try(s: Connection) -> None:
    """Raise NoTrial unless this role may make a database: a backup that nobody has restored is none."""
    found = one(s, statement("metadata.may_make_trials"))
    if not found["may"]:
        raise NoTrial(
            f"{found['role']} may not make the database that a backup is restored into for a trial. Give it CREATEDB, or name"
            " another connection as `airflow: {scratch: …}` in include/estate/estate.yaml. Nothing was backed up."
        )


def try_restore(s: Connection, scratch: str, backup: Backup, vault: Vault) -> Mapping[str, int]:
    """Restore what the vault holds into a database made for it; give each table's rows. It is dropped, whatever happens."""
    name = f"sluice_trial_{datetime.fromisoformat(backup.taken_at):%Y%m%dt%H%M%Sz}"
    database = sql.Identifier(name)
    with translated("restoring Airflow's backup for a trial"):
        s.execute(statement("metadata.create_trial", database=database))
        try:
            trial = make_conninfo(scratch, dbname=name)
            restore(trial, backup.read(vault))
            with connect(trial, purpose="airflow trial") as c:
                return count_tables(c)
        finally:
            s.execute(statement("metadata.drop_trial", database=database))


def check_trial(backup: Backup, restored: Mapping[str, int]) -> None:
    """Raise TrialFailed unless the copy has the same tables, each with as many rows."""
    told = {**backup.tables}
    differ = sorted(name for name in told.keys() | restored.keys() if told.get(name) != restored.get(name))
    if differ:
        shown = "; ".join(f"{name}: {told.get(name)} dumped, {restored.get(name)} restored" for name in differ[:SHOWN])
        raise TrialFailed(
            f"The backup in {backup.folder} does not give back what it was taken of: {shown}. It counts for nothing, and"
            " nothing is taken away."
        )


def count_tables(c: Connection) -> dict[str, int]:
    """Count the rows of every table."""
    tables = [Table(row["schema"], row["name"]) for row in rows(c, statement("metadata.list_tables"))]
    return {str(table): one(c, statement("metadata.count_rows", table=table.identifier))["rows"] for table in tables}


@contextmanager
def alone(c: Connection) -> Iterator[None]:
    """Keep others of us away from this database. Raises LockBusy where one is at it."""
    if not one(c, statement("metadata.lock_alone"))["held"]:
        raise LockBusy("Another run is at work on Airflow's database. It is tried again by itself.")
    try:
        yield
    finally:
        c.execute(statement("metadata.unlock_alone"))


def _store(c: Connection, dsn: str, vault: Vault) -> Backup:
    """Dump and store; the counts are of the very snapshot that pg_dump reads."""
    server = one(c, statement("metadata.find_server"))
    if not one(c, statement("metadata.is_there"), table="alembic_version")["there"]:
        raise NotAirflows(
            f"{server['database']} has no table alembic_version: it is not Airflow's database. Mend `airflow: {{connection: …}}`"
            " in include/estate/estate.yaml, or that connection. Nothing was changed."
        )
    with c.transaction():
        c.execute(statement("metadata.begin_snapshot"))
        seen: dict[str, Any] = one(c, statement("metadata.export_snapshot"))
        version = one(c, statement("metadata.find_version"))["version"]
        tables, taken_at = count_tables(c), seen["now"].astimezone(UTC).replace(microsecond=0)
        parts = tuple(_parts(dump(dsn, seen["snapshot"]), vault, folder_at(taken_at)))
    return Backup(taken_at.isoformat(), server["database"], server["server"], version, tables, parts)


def _parts(pieces: Iterator[bytes], vault: Vault, folder: str) -> Iterator[Part]:
    for number, body in enumerate(pieces):
        stored = vault.put_once(f"{folder}/part-{number:05}.dump", body, "application/octet-stream")
        failpoint("backup.part_stored")
        yield Part(stored.key, len(body), hashlib.sha256(body).hexdigest(), stored.version_id)
