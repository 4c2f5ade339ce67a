"""How a store is backed up and proven, as a person writes it: `backup:` below a store."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field

from sluice.estate.backup_ways import WAYS, By, Way
from sluice.estate.calendar import Clock
from sluice.estate.fields import (
    Bucket,
    Connection,
    DynamoTable,
    Identifier,
    KmsKey,
    Part,
    Region,
    Suite,
    TableName,
    lasting,
    matching,
)
from sluice.estate.terms import KeptFor, Term

Beside: TypeAlias = Literal["autoscaling", "cloudwatch"]
Folder: TypeAlias = Annotated[str, matching(r"/[^\u0000]{1,200}", "a folder of the workers' disk, from / on")]
Called: TypeAlias = Annotated[
    str, matching(r"[A-Za-z0-9:/_.-]{1,200}", "what AWS calls it, 1 to 200 of A-Z, a-z, 0-9, : / _ . -")
]


class Kept(Part):
    """How long backups stay. One goes only when a newer one was read back, byte by byte, and never the last two of these.

    Where AWS keeps them, and gives no byte out, its word that it is whole counts for that.
    """

    daily: Term = KeptFor(30, "days")
    """The first of each day. Of dumps, of snapshots, and where `by` is `service`: all of these days."""
    weekly: Term = KeptFor(1, "years")
    """The first of each week, a whole one."""
    monthly: Term = KeptFor(7, "years")
    """The first of each month, a whole one; in the vault locked, where that has `lock`. `rds`: a year unless told, as AWS allows
    a hundred snapshots."""


class CopiedTo(Part):
    """Another region that snapshots are copied into, and how things are called there that an instance lies in."""

    region: Region
    """Which one."""
    kms_key: Called | None = None
    """A key of that region. What is encrypted is copied under one alone."""
    parameter_group: Called | None = None
    """The parameter group there; one called as the instance's is, unless told."""
    option_group: Called | None = None
    """The option group there; one called as the instance's is, unless told."""
    subnet_group: Called | None = None
    """The subnet group there; one called as the instance's is, unless told."""
    security_groups: tuple[Called, ...] = Field(default=(), max_length=20)
    """The security groups there. Their ids are a region's own."""


class Elsewhere(Part):
    """A second copy of backups, in a bucket of another region. Its folder and its keys are the vault's own."""

    connection: Connection
    """The Airflow connection to S3 there."""
    bucket: Bucket
    """The bucket's name. It must be there."""
    region: Region
    """The region that it lies in: S3 is asked, and nothing is copied where it says another."""
    kms_key: KmsKey | None = None
    """The KMS key by which S3 encrypts what is copied, one of that region; without it, the bucket's own default does."""
    tiers: tuple[Literal["daily", "weekly", "monthly"], ...] = Field(default=("weekly",), min_length=1, max_length=3)
    """Which of the backups that are kept, each for as long as `keep` says. Nothing is locked there."""


class Checks(Part):
    """What a person's own suites ask of a table, in every copy that a drill brings back."""

    suites: tuple[Suite, ...] = Field(min_length=1, max_length=20)
    """Suites over a window of the table, as a migration's gates take them. At the latest moment they hold the drill's gate."""
    newest_by: Identifier | None = None
    """The column of time by which the newest rows are found; without it, any rows are looked at, so many as a suite may."""


class Backups(Part):
    """How a store is backed up, and how that is proven."""

    by: By
    """`physical`: the server's files and its log, back to any moment. `logical`: dumps. `pgbackrest`: what your own has of it.
    `rds`, `neon`: what the service keeps, and snapshots or dumps beside it.
    Tables of DynamoDB: `documents`: their items and the log of their streams in the vault; `service`: what AWS keeps itself."""
    connection: Connection
    """The Airflow connection of a role that backs up: BYPASSRLS, pg_read_all_data to count every row; `physical`: REPLICATION.
    For DynamoDB, to AWS, with a region."""
    at: Clock = time(2, 0)
    """When a backup is taken, every day, UTC. Write it in quotes."""
    full_every: Annotated[timedelta, lasting("1d", "35d")] = timedelta(days=7)
    """How old a whole backup may be that an increment rests on (PostgreSQL 17 on, with summarize_wal; older: all are whole)."""
    jobs: int = Field(default=2, ge=1, le=64)
    """`logical`, `neon`: how many sessions pg_dump and pg_restore have at once."""
    stanza: Annotated[str, matching("[A-Za-z0-9_.-]{1,100}", "a stanza of pgBackRest's configuration")] | None = None
    """`pgbackrest`: the stanza's name."""
    config: Folder | None = None
    """`pgbackrest`: its configuration, where that is not in its usual place."""
    repo: int = Field(default=1, ge=1, le=256)
    """`pgbackrest`: which of its repositories."""
    takes: bool = True
    """`pgbackrest`: whether backups are taken from here; false where a timer of yours takes them."""
    service: Connection | None = None
    """`rds`, `neon`: the Airflow connection to the service itself: to AWS, or with Neon's API key as its password."""
    instance: Annotated[str, matching("[A-Za-z][A-Za-z0-9-]{0,62}", "an instance of RDS, as RDS calls it")] | None = (
        None
    )
    """`rds`: the instance."""
    region: Region | None = None
    """`rds`: where the instance is."""
    drill_class: (
        Annotated[str, matching(r"db\.[a-z0-9-]+\.[a-z0-9-]+", "a class of RDS, such as db.r6g.large")] | None
    ) = None
    """`rds`: of which class a drill's copy is; the instance's own unless told."""
    copies: tuple[CopiedTo, ...] = Field(default=(), max_length=5)
    """`rds`: other regions that each snapshot is copied into."""
    project: Annotated[str, matching("[a-z0-9-]{1,100}", "a project at Neon, by its id")] | None = None
    """`neon`: the project."""
    branch: Annotated[str, matching(r"[^\u0000]{1,200}", "a branch, by its name")] | None = None
    """`neon`: the branch that the store is; the project's default one unless told."""
    amcheck: bool = True
    """`rds`, `neon`: whether a drill holds each index against its rows; false where the extension amcheck is not to be had."""
    tables: tuple[DynamoTable, ...] = Field(default=(), max_length=100)
    """`documents`, `service`: the tables. Each has a stream with NEW_AND_OLD_IMAGES: it proves what comes back."""
    every: Annotated[timedelta, lasting("1s", "1h")] = timedelta(seconds=10)
    """`documents`, `service`: how often the streams are read into the vault. With `documents` that much can be lost."""
    beside: tuple[Beside, ...] = Field(default=get_args(Beside), max_length=2)
    """`documents`, `service`: services of AWS whose settings of the tables come back too. `[]` where there are none."""
    days: int = Field(default=35, ge=1, le=35)
    """`service`: for how many days it keeps the history of each table (PITR)."""
    exports: Annotated[timedelta, lasting("1d", "366d")] | None = None
    """`service`: how old the newest export of a table in the vault may be before another is asked for; none unless told."""
    window: Annotated[timedelta, lasting("1d", "3650d")] = timedelta(days=35)
    """For how long a past the store can be brought back to any moment."""
    keep: Kept = Kept()
    """How long backups stay. What lies within `window` stays anyway, with its log."""
    elsewhere: Elsewhere | None = None
    """Where a second copy of some of them lies; without it, there is none."""
    drill_at: Clock = time(4, 0)
    """When the store is brought back for a trial, every day, UTC: as it is now, and as of a drawn moment. Write it in quotes."""
    slower_at_most: int = Field(default=3, ge=2, le=100)
    """By what factor a read of the copy may take longer than in the living store, on a machine of the same speed."""
    checks: dict[TableName, Checks] = Field(default_factory=dict, max_length=50)
    """Suites of yours that a drill runs over the tables of the copy, by table."""
    scratch: Folder = "/var/tmp/sluice"
    """A folder on the workers' disk, with room for the store twice, where it is brought back. Made where it is missing."""

    @property
    def kept(self) -> Kept:
        """How long backups stay, with what its way has otherwise where the file says nothing."""
        if self.by == "rds" and "monthly" not in self.keep.model_fields_set:
            return self.keep.model_copy(update={"monthly": KeptFor(1, "years")})
        return self.keep

    @property
    def way(self) -> Way:
        """What is true of its way."""
        return WAYS[self.by]
