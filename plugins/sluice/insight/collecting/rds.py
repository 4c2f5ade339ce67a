"""A look at an instance of RDS: what its server cannot say of itself, by CloudWatch.

CloudWatch tells what is free, and of what RDS says alone as of now: a minute is divided by a size that was seen before it and is
still the same. Of the minutes in which a disk or a class was changed nobody knows which it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sluice.insight.collecting.cloudwatch import Asked, Reached, fetch, refusal
from sluice.insight.collecting.disk import used
from sluice.insight.collecting.instance_memory import GIB, memory_of
from sluice.insight.collecting.looked import Looked
from sluice.ledger.samples import Sample, Series

NAMESPACE, KEY = "AWS/RDS", "cpu_percent"
PLAIN = {
    KEY: "CPUUtilization",
    "read_operations_rate": "ReadIOPS",
    "write_operations_rate": "WriteIOPS",
    "network_received_bytes_rate": "NetworkReceiveThroughput",
    "network_sent_bytes_rate": "NetworkTransmitThroughput",
}
"""Metrics that are here what they are there."""
MEMORY, STORAGE = "FreeableMemory", "FreeStorageSpace"


@dataclass(frozen=True)
class Instance:
    """What RDS says of an instance."""

    disk: float
    """Bytes of its disk."""
    memory: float | None
    """Bytes of its memory, where that is known."""
    told_class: str


def look_at_rds(cloudwatch: Any, rds: Any, store: str, name: str, reached: Reached, now: datetime) -> Looked:
    """Read what there is of an instance since the last look. Raises CloudSilent, CloudRefused."""
    instance = describe(rds, name)
    asked = asked_of(store, name)
    stretch = reached.next(store, now, len(asked))
    since = {
        STORAGE: reached.same_since(disk_of(store), instance.disk, now),
        MEMORY: reached.same_since(f"{store} memory", instance.memory or 0.0, now),
    }
    found: list[tuple[Series, Sample]] = []
    for one, sample in fetch(cloudwatch, asked, stretch):
        found += _numbers(store, instance, one, sample, one.name not in since or sample.at >= since[one.name])
    unknown = f"{store}: how much memory a {instance.told_class} has is not known here: its use is not measured."
    notes = () if instance.memory else (unknown,)
    return Looked(history=tuple(found), notes=notes, once_kept=(partial(reached.note, store, stretch),))


def disk_of(store: str) -> str:
    """Name the disk of an instance, where sizes are remembered."""
    return f"{store} disk"


def describe(rds: Any, name: str) -> Instance:
    """Ask how large an instance is by now. Raises CloudSilent, CloudRefused."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    except (ClientError, BotoCoreError) as error:
        raise refusal(error, f"describing the instance {name} of RDS") from error
    told = found["DBInstanceClass"]
    return Instance(found["AllocatedStorage"] * GIB, memory_of(told), told)


def asked_of(store: str, name: str) -> list[Asked]:
    """List what is asked of an instance. Pure."""
    where = (("DBInstanceIdentifier", name),)
    plain = [Asked(Series(store, metric), NAMESPACE, told, where, "Average") for metric, told in PLAIN.items()]
    return [*plain, *(Asked(Series(store, told), NAMESPACE, told, where, "Average") for told in (MEMORY, STORAGE))]


def _numbers(
    store: str, instance: Instance, one: Asked, sample: Sample, is_of_this_size: bool
) -> Iterator[tuple[Series, Sample]]:
    if one.name == STORAGE:
        free = {Series(store, "disk_free_bytes"): sample.value}
        told = used(store, instance.disk - sample.value, instance.disk) if is_of_this_size else free
        yield from ((series, Sample(sample.at, value)) for series, value in told.items())
    elif one.name == MEMORY:
        if instance.memory and is_of_this_size:
            used_percent = 100 * (1 - sample.value / instance.memory)
            yield Series(store, "memory_used_percent"), Sample(sample.at, max(0.0, used_percent))
    else:
        yield one.series, sample
