"""The operators of `watch_replicas`: look at every server of a store, and judge how it follows."""

from __future__ import annotations

from logging import ERROR, WARNING
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.errors import SluiceError
from sluice.flow.connections import dsn_of, opened_control
from sluice.flow.lasting import Wrong, tell_what_lasts
from sluice.flow.safety.of_a_store import GateOfAStore, OfAStore
from sluice.flow.safety.replicated import (
    HELD_OFF,
    LED,
    PROMOTED,
    SILENT,
    is_newer,
    last,
    next_write_of,
    of_replicas,
    replicas_of,
    replicated,
    seen_of,
    servers_of,
)
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.sdk import Context

    from sluice.ledger.control import Control
    from sluice.safety.replicas.health import Finding
    from sluice.safety.replicas.lag import Lag
    from sluice.safety.replicas.servers import Group, Server

GATE = "replicas_healthy"


class ListReplicated(BaseOperator):
    """List the stores that have replicas."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have."""
        check_words(context)
        found = list(replicated())
        if not found:
            raise AirflowSkipException("No store has replicas: include/estate/estate.yaml has no `replicas`.")
        return found


class WatchReplicas(OfAStore):
    """Look at every server of a store, measure how late each is by a heartbeat, and tell people of what is wrong."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what was seen. Raises NotReplicated, NoConnection, StoreDown, AlertLate, AlertRefused."""
        from sluice.safety.replicas.health import Limits, judge, within_target
        from sluice.safety.replicas.servers import look_at

        _, replicas = replicas_of(self.store)
        own, others = servers_of(self.store)
        group = look_at([own, *others])
        lags = self._lags(others) if group.leading else {}
        limits = Limits(replicas.alert, replicas.target)
        found = [*judge(group, lags, limits)]
        unknown = sorted({one.name for one in group.following} - lags.keys())
        try:
            with opened_control(of_replicas(self.store), context["run_id"]) as control:
                for leading in (one for one in group.leading if one.name == own.name and not one.read_only):
                    control.record_facts(LED, seen_of(leading), epoch=1)
                if any(one.name == own.name for one in group.silent):
                    self._note_silence(control)
                found += self._written_behind(group, control)
                found += self._hold_off(group, [own, *others], control)
                facts = {**_counted(found, lags, unknown), "servers": 1 + len(others)}
                facts["over_target"] = sum(not kept for kept in within_target(lags, limits).values())
                control.record_facts(GATE, facts, epoch=1)
        finally:
            # People are told whatever fails above: the worse things stand, the more of it does. And the fence waits for no alert.
            self._tell(found, context)
        return facts

    def _lags(self, replicas: Sequence[Server]) -> dict[str, Lag]:
        """Measure them as the role that writes the store's heartbeat; none where it cannot be written."""
        from psycopg.errors import ReadOnlySqlTransaction

        from sluice.safety.drill.heartbeat import prepare_heart
        from sluice.safety.replicas.lag import measure_lags
        from sluice.safety.replicas.servers import Server
        from sluice.stores.postgres import Refused, StoreDown, connect, translated

        store, limits = replicas_of(self.store)
        address = dsn_of(store.connection)
        try:
            with connect(address, purpose="lag") as c, translated(f"the heart of {self.store}"):
                prepare_heart(c)
            return measure_lags(Server(limits.name, address), replicas, limits.alert)
        except (StoreDown, Refused, ReadOnlySqlTransaction) as error:
            self.log.warning("Nobody knows how late the replicas are: %s", error)
            return {}

    def _note_silence(self, control: Control) -> None:
        """Keep when the store's own server was first met with silence: until then somebody looked at its settings."""
        led, silent = last(control, LED), last(control, SILENT)
        if led and (silent is None or is_newer(led, silent)):
            control.record_facts(SILENT, {}, epoch=1)

    def _written_behind(self, group: Group, control: Control) -> Iterator[Finding]:
        """Give which servers that are fenced were written to since: a fence is a default, and no lock."""
        from sluice.safety.replicas.health import judge_left

        for one in (one for one in group.leading if one.read_only):
            if (next_write := next_write_of(one.name, control)) is not None:
                yield from judge_left(one, next_write)

    def _hold_off(self, group: Group, servers: Sequence[Server], control: Control) -> Iterator[Finding]:
        """Fence a server that a person has agreed to leave, where it is back and takes writes beside the one that leads since.

        Gives what is wrong where that fails.
        """
        from sluice.safety.replicas.health import Finding
        from sluice.safety.replicas.promoting import hold_off

        if (found := last(control, PROMOTED)) is None:
            return
        promoted = found.facts
        writable = {one.name: one for one in group.leading if not one.read_only}
        if not {promoted["old"], promoted["new"]} <= writable.keys():
            return
        old = promoted["old"]
        next_write: int | None = writable[old].next_write
        try:
            if fenced := hold_off(next(one for one in servers if one.name == old)):
                next_write = fenced.next_write
                self.log.error(
                    "%s was back and took writes; it is fenced. Each write to it since is to be looked for.", old
                )
        except SluiceError as error:
            what = f"was left, takes writes beside {promoted['new']}, and cannot be fenced: stop it at once. {error}"
            yield Finding("P1", old, what)
        # Where the fence has failed, too: it may stand all the same, and whoever wrote past it goes on.
        control.record_facts(HELD_OFF, {"server": old, "next_write": next_write}, epoch=1)

    def _tell(self, found: Sequence[Finding], context: Context) -> None:
        for one in found:
            self.log.log(ERROR if one.severity == "P1" else WARNING, "%s", one)
        wrong = [_wrong(f"{self.store}/{one.server}", one) for one in found]
        tell_what_lasts(of_replicas(self.store), wrong, self.log, context)


def _wrong(subject: str, one: Finding) -> Wrong:
    return Wrong(one.severity, subject, f"{one.severity}: {subject}: {one.text}")


class ReplicasGate(GateOfAStore):
    """A gate over the replicas of a store."""

    @property
    def whose(self) -> str:
        """The store's replicas."""
        return of_replicas(self.store)

    @property
    def subject(self) -> str:
        """What it speaks of."""
        return f"the replicas of {self.store}"


def _counted(found: Sequence[Finding], lags: Mapping[str, Lag], unknown: Sequence[str]) -> dict[str, Any]:
    broken, late = ([one for one in found if one.severity == how] for how in ("P1", "P2"))
    return {
        "broken": len(broken),
        "broken_told": "; ".join(map(str, broken)),
        "late": len(late),
        "late_told": "; ".join(map(str, late)),
        "lag_unknown": len(unknown),
        "lag_unknown_told": "; ".join(unknown),
        "lag_milliseconds": round(max((lag.behind.total_seconds() for lag in lags.values()), default=0.0) * 1000, 1),
    }
