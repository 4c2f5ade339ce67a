"""The operators of a store in RDS: take a snapshot, bring a copy up, take it away. No worker waits for RDS.

The provider's `RdsCreateDbSnapshotOperator` is not used: it holds a worker for as long as the snapshot takes, and a second try of
it fails on what the first has begun. For a restore the provider has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator

from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.rds_waiting import RdsTrigger, rds_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.safety.rds.driver import Rds
    from sluice.safety.rds.planning import Likeness
    from sluice.safety.rds.standing import What

PATIENCE = timedelta(hours=6)
"""How long a copy or a snapshot may take: then the task fails, is tried again, and finds it as far as it is by then."""


@dataclass(frozen=True)
class RdsCopyTo:
    """Another region that snapshots are copied into."""

    region: str
    kms_key: str | None = None
    option_group: str | None = None


@dataclass(frozen=True)
class RdsStore:
    """What is to be known of a store in RDS. Plain values: a DAG file may make it."""

    store: str
    instance: str
    region: str
    aws: str
    """Airflow's connection to AWS."""
    postgres: str
    """Airflow's connection to the store itself."""
    drill_class: str | None = None
    copies: tuple[RdsCopyTo, ...] = ()
    elsewhere: Mapping[str, Any] = field(default_factory=dict)
    """Of another region than the store's own: what is called otherwise there, by RDS's names of settings."""
    every: float = 30.0


def opened_rds(at: RdsStore, likeness: Likeness = "drill") -> Rds:
    """Open a store's driver. Raises NoConnection."""
    import tempfile

    from sluice.safety.rds.driver import Rds
    from sluice.safety.rds.snapshots import CopyTo

    return Rds(
        at.store,
        at.instance,
        dsn_of(at.postgres),
        rds_of(at.aws, at.region),
        open_vault(),
        Path(tempfile.gettempdir()) / "sluice-rds",
        likeness=likeness,
        drill_class=at.drill_class,
        copies=[CopyTo(to.region, rds_of(at.aws, to.region), to.kms_key, to.option_group) for to in at.copies],
        elsewhere=at.elsewhere,
        every=at.every,
        patience=PATIENCE,
    )


class _Waiting(BaseOperator):
    """What the operators that wait have in common."""

    at: RdsStore

    def wait(self, what: What, name: str, then: str, region: str = "", **told: Any) -> NoReturn:
        """Give the worker back until RDS has come to an end with it."""
        trigger = RdsTrigger(what, name, self.at.aws, region or self.at.region, self.at.every)
        self.defer(trigger=trigger, method_name=then, kwargs=told, timeout=PATIENCE)


class TakeRdsSnapshot(_Waiting):
    """Have a snapshot taken, and copied into every region that is wanted. A second try goes on with what was begun."""

    template_fields: Sequence[str] = ("moment", "tags")
    ui_color = "#dcefe2"

    def __init__(self, *, at: RdsStore, moment: str, tags: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        """`moment`, an ISO time, names the snapshot: the same for each try of a run, `{{ data_interval_end }}` say."""
        super().__init__(**kwargs)
        self.at = at
        self.moment = moment
        self.tags = tags

    def execute(self, context: Context) -> None:
        """Begin it, and wait."""
        from sluice.safety.rds.snapshots import name_snapshot

        name = name_snapshot(self.at.store, datetime.fromisoformat(self.moment))
        opened_rds(self.at).begin_snapshot(name, self.tags)
        self.wait("snapshot", name, "copy_it")

    def copy_it(self, context: Context, event: Mapping[str, str]) -> dict[str, Any]:
        """It has come to an end: begin its copies, and wait for the first."""
        driver = opened_rds(self.at)
        driver.check(driver.look("snapshot", event["name"]))
        driver.begin_copies(event["name"])
        return self.look_on(context, event, 0)

    def look_on(self, context: Context, event: Mapping[str, str], number: int) -> dict[str, Any]:
        """Wait for one copy after the other; at the end say what was taken."""
        if number < len(self.at.copies):
            self.wait("snapshot", event["name"], "look_on", self.at.copies[number].region, number=number + 1)
        driver = opened_rds(self.at)
        driver.verify(event["name"], self.log.info)
        taken = driver.snapshot(event["name"])
        return {"id": taken.id, "whole_at": taken.whole_at.isoformat(), "bytes": taken.bytes}


class BringUpRdsCopy(_Waiting):
    """Have a copy brought up as of a moment, with every setting, and wait. A second try goes on with what was begun.

    It is there then: whoever drills asks the driver to restore to the same target under the same name, and is given it at once.
    """

    template_fields: Sequence[str] = ("target", "name")
    ui_color = "#dcefe2"

    def __init__(
        self, *, at: RdsStore, target: Mapping[str, str], name: str, likeness: Likeness = "drill", **kwargs: Any
    ) -> None:
        """`target` has the `kind` and the `value` of a Target; `name` is a scratch's."""
        super().__init__(**kwargs)
        self.at = at
        self.target = target
        self.name = name
        self.likeness = likeness

    def execute(self, context: Context) -> None:
        """Begin it, and wait."""
        from sluice.safety.target import Target

        told: Mapping[str, Any] = self.target
        opened_rds(self.at, self.likeness).begin(Target(**told), self.name)
        self.wait("instance", self.name, "settle")

    def settle(self, context: Context, event: Mapping[str, str], given: Sequence[str] = ()) -> dict[str, Any]:
        """Give it what a restore has no parameter for, once, and wait for that; then hold it against its original."""
        driver = opened_rds(self.at, self.likeness)
        driver.check(driver.look("instance", self.name))
        if not given and (names := driver.settle(self.name)):
            self.log.info("%s is given %s", self.name, ", ".join(names))
            self.wait("instance", self.name, "settle", given=names)
        found = driver.unlike(self.name)
        for line in found.meant:
            self.log.info("%s has %s", self.name, line)
        for line in found.wrong:
            self.log.warning("%s has %s", self.name, line)
        return {"name": self.name, "unlike": list(found.wrong)}


class TakeAwayRdsCopy(BaseOperator):
    """Take a drill's copy away: a teardown. RDS goes on with it by itself."""

    template_fields: Sequence[str] = ("name",)
    ui_color = "#f3e3d3"

    def __init__(self, *, at: RdsStore, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.at = at
        self.name = name

    def execute(self, context: Context) -> None:
        """Begin it. Safe to repeat; refuses whatever is no drill's."""
        opened_rds(self.at).destroy(self.name)
