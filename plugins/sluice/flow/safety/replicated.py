"""The stores that have replicas: what the estate's file says of each, with Airflow's connections in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.errors import Terminal
from sluice.estate import Store
from sluice.flow.connections import dsn_of
from sluice.flow.safety import stores

if TYPE_CHECKING:
    from sluice.estate.replicas import Replicas
    from sluice.ledger.control import Control
    from sluice.safety.replicas.planning import Asked
    from sluice.safety.replicas.servers import Leading, Server

LED = "replicas_led"
"""The facts of the last look at which a store's own server answered: what a promotion goes by when it answers no more."""
PROMOTED = "promoted"
"""The facts of a promotion: who leads since."""


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
        "standby_names": leading.standby_names,
        "waits_for": leading.waits_for,
        "position": leading.position,
        "at": leading.now.isoformat(),
    }


def asked_of(name: str, word: str, control: Control) -> Asked:
    """Ask for the promotion of a replica, with what the last look at the store's own server has kept. Raises NotReplicated."""
    from datetime import datetime

    from sluice.ledger.control import NoFacts
    from sluice.safety.replicas.planning import Asked
    from sluice.safety.replicas.promise import read_promise

    _, replicas = replicas_of(name)
    old, others = servers_of(name)
    try:
        seen = control.facts(LED, any_run=True).facts
    except NoFacts:
        return Asked(name, old, others, replicas.failover, word=word)
    waits = seen["waits_for"] not in ("off", "local")
    promise = read_promise(seen["standby_names"] if waits else "")
    at = datetime.fromisoformat(seen["at"])
    return Asked(name, old, others, replicas.failover, promise, word, seen["position"], at)


def of_replicas(store: str) -> str:
    """Name a store's replicas in the ledger, as no table and no file is called."""
    return f"replicas/{store}"
