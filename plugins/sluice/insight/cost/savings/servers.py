"""What a server of RDS would save: a smaller class, another sort of disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from sluice.estate.instance_sizes import SIZES, size_of
from sluice.insight.cost.components import included, of_disk, sum_of
from sluice.insight.cost.known import Server
from sluice.insight.cost.prices import Prices
from sluice.insight.cost.reserved import Uncovered
from sluice.insight.cost.savings.saving import Saving, saved

IDLE_CPU, IDLE_MEMORY = Decimal(30), Decimal(40)
"""Percent below which nineteen hours of twenty stay in a server that is too large, in their busiest minute."""


def of_servers(instances: tuple[Server, ...], prices: Prices, free: Uncovered) -> Iterator[Saving]:
    """Give what each server would save. Raises UnknownPrice."""
    for instance in instances:
        if (kind := smaller(instance, prices)) is not None:
            yield _shrunk(instance, kind, prices, free)
        if instance.storage in ("gp2", "io1"):
            yield _other_disk(instance, prices)


def smaller(instance: Server, prices: Prices) -> str | None:
    """Give the next smaller class of an idle server that has a price, or None: it is not idle, or there is none."""
    if instance.cpu is None or instance.memory is None:
        return None
    if instance.cpu >= IDLE_CPU or instance.memory >= IDLE_MEMORY:
        return None
    family, size = instance.kind.rpartition(".")[0], size_of(instance.kind)
    below = [name for name, small in SIZES.items() if size and small * 2 == SIZES[size]]
    kinds = [f"{family}.{name}" for name in below]
    return next((kind for kind in kinds if prices.knows(f"rds.{kind}")), None)


def _shrunk(instance: Server, kind: str, prices: Prices, free: Uncovered) -> Saving:
    servers = 2 if instance.standby else 1
    hours = instance.hours * servers * free.of(instance.kind)
    return Saving(
        instance.store,
        f"make {instance.name} a {kind}",
        saved(hours * prices.usd(f"rds.{instance.kind}"), hours * prices.usd(f"rds.{kind}")),
        f"as {instance.kind} it uses {instance.cpu:.0f} % of its processors and {instance.memory:.0f} % of its memory (P95)",
        "half the memory is half the cache, and fewer connections by default; the change restarts it",
        f"server {instance.name}",
    )


def _other_disk(instance: Server, prices: Prices) -> Saving:
    needed = instance.operations if instance.operations > included(instance.disk) else 0
    then = replace(instance, storage="gp3", operations=needed if instance.storage == "io1" else 0)
    return Saving(
        instance.store,
        f"move the disk of {instance.name} from {instance.storage} to gp3",
        saved(sum_of(of_disk(instance, prices)), sum_of(of_disk(then, prices))),
        "gp3 costs less for as many operations a second",
        "its answers take a little longer than those of io1; the move is done under load and takes hours",
        f"disk of {instance.name}",
    )
