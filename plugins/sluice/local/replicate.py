"""Delivers one migration's changes for as long as it is left running: for a lag below a second, beside Airflow's own runs."""

from __future__ import annotations

import time

from sluice.errors import Transient
from sluice.local.airflow_processes import use_connections

TURN_SECONDS = 300.0
"""After so long it opens its stores anew: credentials age."""


def replicate(name: str, seconds: float) -> str:
    """Deliver for `seconds`, and say what it came to. Raises Terminal where a person must act, EstateErrors."""
    use_connections()
    from sluice.flow.connections import opened_kind
    from sluice.flow.insight.streams import keep_stream_age
    from sluice.migration.engine.following import Flights, TooFarBehind, follow

    ends = time.monotonic() + seconds
    told, flights = "nothing was delivered", Flights()
    while (left := ends - time.monotonic()) > 0:
        try:
            with opened_kind(name) as (m, kind):
                followed = follow(kind, m, min(left, TURN_SECONDS), flights=flights)
            told = str(followed)
            print(f"{name}: {told}", flush=True)
            keep_stream_age(m.source.store, name, followed.behind)
        except (Transient, TooFarBehind) as why:  # late is a reason to go on
            print(f"{name}: {why}", flush=True)
            time.sleep(min(1.0, max(0.0, left)))
    return told
