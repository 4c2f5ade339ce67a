"""Let the service move the units of the provisioned tables of a design within their bounds, where it can; and say where not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.single_table.tables import Tables
from sluice.stores.dynamodb.autoscaling import Scaling, apply_scaling, plan_scaling

NOBODY = "nobody gave a client for autoscaling"


def register(scaling: Callable[[], Any] | None, tables: Tables) -> Facts:
    """Register what the design asks for. What is lacking leaves its table at the least units: a warning, and no error."""
    plan = plan_scaling(tables.targets)
    lacking = Scaling(len(plan), 0, NOBODY if plan else "")
    done = apply_scaling(scaling(), plan) if scaling and plan else lacking
    return {
        "autoscaled_wanted": done.wanted,
        "autoscaled": done.registered,
        "autoscaled_lacking": done.wanted - done.registered,
        "autoscaling": done.lacking,
    }
