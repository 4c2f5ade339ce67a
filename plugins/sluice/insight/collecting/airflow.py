"""A look at Airflow itself, by its own page of health: no login is needed for it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluice.errors import Transient
from sluice.insight.collecting.looked import Looked
from sluice.insight.metrics import AIRFLOW
from sluice.ledger.samples import Series

PATIENCE = 5
"""Seconds until an answer."""
PARTS = {
    "scheduler": "scheduler_age_seconds",
    "dag_processor": "dag_processor_age_seconds",
    "triggerer": "triggerer_age_seconds",
}


class AirflowSilent(Transient):
    """Airflow's API does not answer."""


def look_at_airflow(url: str, now: datetime) -> Looked:
    """Ask how long each part of Airflow has been silent. `url` is that of its API, such as http://localhost:8080.

    Raises AirflowSilent.
    """
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/v2/monitor/health", timeout=PATIENCE) as answer:
            return Looked(ages_of(json.load(answer), now))
    except (OSError, ValueError) as error:  # nobody there, an error of its own, no JSON
        raise AirflowSilent(f"Airflow's page of health, {url}, does not answer: {error}.") from error


def ages_of(told: Mapping[str, Any], now: datetime) -> dict[Series, float]:
    """Read its page; a part that has never been there is absent. Pure."""
    made = {Series(AIRFLOW, "metadata_up_count"): float(told.get("metadatabase", {}).get("status") == "healthy")}
    for part, metric in PARTS.items():
        if at := (told.get(part) or {}).get(f"latest_{part}_heartbeat"):
            made[Series(AIRFLOW, metric)] = max(0.0, (now - datetime.fromisoformat(at)).total_seconds())
    return made
