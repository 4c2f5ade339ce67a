"""What backs a store up and brings it back, made for each way out of what the estate's file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.estate.backups import Backups
    from sluice.safety.documents.tables import Tables
    from sluice.safety.driver import Driver
    from sluice.stores.objects import Vault


def _physical(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.safety.physical.driver import Physical

    return Physical(name, dsn, vault, scratch, backup.full_every)


def _logical(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.safety.logical.driver import Logical
    from sluice.safety.logical.places import Here

    return Logical(name, dsn, vault, Path(backup.scratch) / "dumps" / name, Here(scratch), backup.jobs)


def _pgbackrest(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.safety.pgbackrest.driver import PgBackRest

    config, stanza = Path(backup.config) if backup.config else None, backup.stanza or ""
    return PgBackRest(name, dsn, vault, scratch, stanza, config, backup.repo, backup.full_every, takes=backup.takes)


def _rds(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.flow.safety.rds_waiting import rds_of
    from sluice.safety.rds.driver import Rds
    from sluice.safety.rds.snapshots import CopyTo

    service, region, instance = backup.service or "", backup.region or "", backup.instance or ""
    copies = [CopyTo(to.region, rds_of(service, to.region), to.kms_key, to.option_group) for to in backup.copies]
    client = rds_of(service, region)
    return Rds(name, instance, dsn, client, vault, scratch, drill_class=backup.drill_class, copies=copies)


def _neon(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from psycopg.conninfo import conninfo_to_dict

    from sluice.flow.connections import token_of
    from sluice.safety.logical.driver import Logical
    from sluice.safety.logical.places import Here
    from sluice.safety.neon.api import Project
    from sluice.safety.neon.driver import Neon

    told = conninfo_to_dict(dsn)
    dumps = Logical(name, dsn, vault, Path(backup.scratch) / "dumps" / name, Here(scratch), backup.jobs)
    project = Project(backup.project or "", token_of(backup.service or ""))
    folder = Path(backup.scratch) / "branches" / name
    return Neon(dumps, project, str(told.get("user")), str(told.get("dbname")), folder, backup.branch)


def _documents(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.safety.documents.driver import Documents

    return Documents(_tables(name, backup), vault)


def _service(name: str, backup: Backups, dsn: str, vault: Vault, scratch: Path) -> Driver:
    from sluice.safety.documents.service import ServiceBackups

    return ServiceBackups(_tables(name, backup), vault, days=backup.days)


def _tables(name: str, backup: Backups) -> Tables:
    from sluice.flow.connections import alarms_of, autoscaling_of, documents_of
    from sluice.safety.documents.tables import Clients, Tables

    scaling = autoscaling_of(backup.connection) if "autoscaling" in backup.beside else None
    alarms = alarms_of(backup.connection) if "cloudwatch" in backup.beside else None
    return Tables(name, backup.tables, Clients(*documents_of(backup.connection), scaling, alarms))


DRIVERS: Mapping[str, Callable[[str, Backups, str, Vault, Path], Driver]] = {
    "physical": _physical,
    "logical": _logical,
    "pgbackrest": _pgbackrest,
    "rds": _rds,
    "neon": _neon,
    "documents": _documents,
    "service": _service,
}
"""What makes the driver of each way."""
