"""How far a store may be scaled, as a person writes it: `scaling:` below a store."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import Field

from sluice.estate.fields import Part, lasting
from sluice.estate.instance_sizes import Size

Lasting: TypeAlias = Annotated[timedelta, lasting("1m", "1d")]


class CpuRule(Part):
    """When a replica comes, and when one goes again."""

    up: int = Field(default=70, ge=20, le=99)
    """Percent over which it is too much."""
    up_for: Lasting = timedelta(minutes=5)
    """For how long every sample must be over. Then another replica is proposed."""
    down: int = Field(default=30, ge=1, le=90)
    """Percent under which it is too little."""
    down_for: Lasting = timedelta(minutes=15)
    """For how long every sample must be under. Then it is proposed to take away a replica that this rule has made."""
    most_replicas: int = Field(default=10, ge=0, le=15)
    """So many replicas at most, whoever has made them."""


class MemoryRule(Part):
    """When the instance becomes one size larger, and when one size smaller."""

    up: int = Field(default=80, ge=20, le=99)
    """Percent over which it is too much."""
    up_for: Lasting = timedelta(minutes=3)
    """For how long every sample must be over. Then the next larger class is proposed."""
    down: int = Field(default=40, ge=1, le=90)
    """Percent under which it is too little."""
    down_for: Lasting = timedelta(minutes=20)
    """For how long every sample must be under. Then the next smaller class is proposed."""
    smallest: Size | None = None
    """No class smaller than that; without it, the smallest of the family that AWS offers."""
    largest: Size | None = None
    """No class larger than that; without it, the largest of the family that AWS offers."""


class StorageRule(Part):
    """When the disk is extended. It never shrinks: RDS cannot."""

    extend_at: int = Field(default=85, ge=50, le=99)
    """At so many percent used, in every sample of five minutes. To how much at most, `watch: {disk: {most: …}}` says."""
    by: int = Field(default=20, ge=10, le=200)
    """By how many percent of what it is: RDS takes no less than ten."""


class UnitsRule(Part):
    """What DynamoDB's own autoscaling is told of each table that is provisioned, and of its indexes."""

    target: int = Field(default=70, ge=20, le=90)
    """How many percent of its units are to be used."""
    least: int | None = Field(default=None, ge=1, le=40_000)
    """Units that are always there; without it, as registered, and 5 where nothing is."""
    most: int | None = Field(default=None, ge=1, le=40_000)
    """Units at most; without it, as registered, and 4000 where nothing is."""


class Cooldown(Part):
    """How long a rule rests after it has scaled."""

    up: Annotated[timedelta, lasting("0s", "1d")] = timedelta(seconds=300)
    """Before it scales up again."""
    down: Annotated[timedelta, lasting("0s", "1d")] = timedelta(seconds=900)
    """Before it scales down."""


class Scaling(Part):
    """When a store is scaled, and how far. Proposed by what was measured; done after a person's yes, and never without."""

    cpu: CpuRule = CpuRule()
    """Of an instance in RDS: its processors."""
    memory: MemoryRule = MemoryRule()
    """Of an instance in RDS: its memory."""
    storage: StorageRule = StorageRule()
    """Of an instance in RDS: its disk."""
    units: UnitsRule = UnitsRule()
    """Of tables in DynamoDB: their units. A table on demand has none, and is left alone."""
    cooldown: Cooldown = Cooldown()
    """How long each rule rests."""
