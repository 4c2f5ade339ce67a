"""The stores that have replicas: what the estate's file says of each, with Airflow's connections in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sluice.errors import Terminal
from sluice.estate import Store
from sluice.flow.connections import dsn_of
from sluice.flow.safety import stores

if TYPE_CHECKING:
    from sluice.estate.replicas import Replicas
    from sluice.ledger.control import Control, Measured
    from sluice.safety.replicas.planning import Asked
    from sluice.safety.replicas.servers import Leading, Server

LED = "replicas_led"
"""The facts of the last look at which a store's own server answered: what a promotion goes by when it answers no more."""
SILENT = "replicas_silent"
"""That it did not answer, at the first look after that."""
FENCED = "promotion_fenced"
"""The facts of a promotion right before a replica was told to lead: what it had proven."""
PROMOTED = "promoted"
"""The facts of a promotion: who leads since."""
HELD_OFF = "replicas_held_off"
"""The facts of a server that was left, came back and was fenced, or was to be: what would be its next write."""
LOOKED_WITHIN = timedelta(minutes=30)
"""How long nobody may have looked at a server before its settings may be others."""


class NotReplicated(Terminal):
    """The estate's file has no such store, or no `replicas` for it."""


def replicated() -> dict[str, Store]:
    """Give the stores that have `replicas`, by name. Raises EstateErrors."""
    return {name: store for name, store in stores.all_stores().items() if store.replicas}


def replicas_of(name: str) -> tuple[Store, Replicas]:
    """Read one of them afresh, as the task runs. Raises NotReplicated, EstateErrors."""
    found = replicated()
    if name not in found:
        known = f"It has {', '.join(found)}." if found else "No store has any."
        raise NotReplicated(
            f"include/estate/estate.yaml has no `replicas` for a store {name!r}. {known} Nothing was done."
        )
    store = found[name]
    assert store.replicas is not None
    return store, store.replicas


def servers_of(name: str) -> tuple[Server, tuple[Server, ...]]:
    """Give the store's own server, and those that follow it. Raises NotReplicated, NoConnection."""
    from sluice.safety.replicas.servers import Server

    store, replicas = replicas_of(name)
    own = Server(replicas.name, dsn_of(replicas.connection or store.connection))
    return own, tuple(Server(each, dsn_of(one.connection)) for each, one in replicas.servers.items())


def seen_of(leading: Leading) -> dict[str, object]:
    """Give what is kept of the store's own server at each look."""
    return {
        "server": leading.name,
        "standby_names": leading.standby_names,
        "waits_for": leading.waits_for,
        "position": leading.position,
        "at": leading.now.isoformat(),
    }


def asked_of(name: str, word: str, control: Control) -> Asked:
    """Ask for the promotion of a replica, with what is known of the store's own server. Raises NotReplicated, NoConnection.

    What is kept of another server says nothing of this one, and nor does what was seen before somebody else was promoted.
    """
    from datetime import datetime

    from sluice.safety.replicas.planning import Asked, Proven
    from sluice.safety.replicas.promise import read_promise

    _, replicas = replicas_of(name)
    old, others = servers_of(name)
    led, promoted, fenced = (last(control, facts) for facts in (LED, PROMOTED, FENCED))
    since = promoted.facts["new"] if promoted and is_newer(promoted, led) else old.name
    proven = Proven(**fenced.facts) if fenced and is_newer(fenced, led) else None
    asked = Asked(name, old, others, replicas.failover, word=word, proven=proven)
    if since != old.name:
        return replace(asked, led_since=since)
    if led is None or led.facts.get("server") != old.name:
        return asked
    seen = led.facts
    waits = seen["waits_for"] not in ("off", "local")
    promise = read_promise(seen["standby_names"] if waits else "") if _is_fresh(led, last(control, SILENT)) else None
    return replace(asked, promise=promise, last_seen=seen["position"], lived_at=datetime.fromisoformat(seen["at"]))


def last(control: Control, gate: str) -> Measured | None:
    """Give the last facts of whatever run; None where there are none."""
    from sluice.ledger.control import NoFacts

    try:
        return control.facts(gate, any_run=True)
    except NoFacts:
        return None


def is_newer(one: Measured, other: Measured | None) -> bool:
    """Whether facts are newer than others, which there may be none of."""
    return other is None or one.at > other.at


def next_write_of(name: str, control: Control) -> int | None:
    """Give which transaction nobody was to begin any more on a server that was left; None where it was not, or leads again."""
    led = last(control, LED)
    held, promoted = last(control, HELD_OFF), last(control, PROMOTED)
    told = held if held and is_newer(held, promoted) else promoted
    if told is None or not is_newer(told, led) or name != told.facts.get("server", told.facts.get("old")):
        return None
    found: int | None = told.facts.get("next_write")
    return found


def _is_fresh(led: Measured, silent: Measured | None) -> bool:
    """Whether somebody looked at the server until it was gone: one that nobody looks at may have other settings by then."""
    gone_at = silent.at if silent and is_newer(silent, led) else led.now
    return gone_at - led.at <= LOOKED_WITHIN


def of_replicas(store: str) -> str:
    """Name a store's replicas in the ledger, as no table and no file is called."""
    return f"replicas/{store}"
