"""Make a table's partitions ahead of time: plan, apply, verify. A second time there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sluice.errors import Transient
from sluice.estate.dataset import Dataset
from sluice.ledger.in_flight import GROWS_IN, held_apart
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, Table, translated
from sluice.stores.statements import statement
from sluice.upkeep.partitions.actions import Action
from sluice.upkeep.partitions.as_sql import script
from sluice.upkeep.partitions.auditing import Facts, audit, find_unlike
from sluice.upkeep.partitions.looking import find_strays, kept_by_another, look
from sluice.upkeep.partitions.making import alone, make
from sluice.upkeep.partitions.planning import plan
from sluice.upkeep.partitions.there import Branch

Tell = Callable[[str], None]


class NotThere(Transient):
    """There is more to make than there was: rows came to a default partition, or somebody took partitions away."""


@dataclass(frozen=True)
class Planned:
    """What is to be done to one table, and why nothing is where somebody else keeps it."""

    actions: tuple[Action, ...]
    sql: str
    kept_by_another: bool = False
    cure: tuple[str, ...] = ()
    """The SQL that closes the partitions that are less closed than their table. It is never run here."""


def plan_partitions(c: Connection, dataset: Dataset) -> Planned:
    """Say what would be made, in words and as SQL. Read only."""
    with translated(f"planning the partitions of {dataset.table}"):
        branch = look(c, dataset)
        cure = tuple(row["cure"] for row in find_unlike(c, branch))
        if kept_by_another(c, dataset):
            return Planned((), "", kept_by_another=True, cure=cure)
        actions = _to_do(c, dataset, branch)
        return Planned(tuple(actions), script(c, actions), cure=cure)


def apply_partitions(c: Connection, dataset: Dataset, tell: Tell) -> int:
    """Make what is missing; give how many partitions that were.

    While it works no migration of the table takes a step: by its name it would be another table then. Raises InFlight where one
    is under way, LockBusy where others are in the way for long.
    """
    table = Table.parse(dataset.table)
    with translated(f"making partitions of {table}"):
        if kept_by_another(c, dataset):
            return 0
        with held_apart(c, table, GROWS_IN), alone(c, look(c, dataset)):
            actions = _to_do(c, dataset, look(c, dataset))
            made = make(c, actions, tell)
        if actions:
            c.execute(statement("partitions.analyze", table=table.identifier))
        return made


def _to_do(c: Connection, dataset: Dataset, branch: Branch) -> list[Action]:
    return plan(branch, dataset, find_now(c), find_strays(c, branch, dataset))


def verify_partitions(c: Connection, dataset: Dataset) -> Facts:
    """Look at all of it anew. Raises NotThere where something is missing still. Read only."""
    with translated(f"looking at the partitions of {dataset.table}"):
        facts = audit(c, dataset, find_now(c))
    if facts["left_to_make"]:
        raise NotThere(
            f"{dataset.table}: after all was made there is more to make: {facts['left_to_make_told']}. It is tried again by"
            " itself; if it stays, somebody takes its partitions away."
        )
    return facts
