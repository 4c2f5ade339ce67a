"""The look at the last capacity report: when each disk is full, out of the report's JSON in the vault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from sluice.flow.connections import open_vault
from sluice.flow.overview.certificates import opened_seen

KIND = "arrivals"


def reports() -> list[str]:
    """Name what there is: the last one."""
    from sluice.overview.estate.full import SUBJECT

    return [SUBJECT]


def look(subject: str) -> Mapping[str, Any]:
    """Give when each disk is full, by that report: it is read once. Raises NoConnection, StoreDown, VaultDown, NoSuchKey."""
    from sluice.ledger.forecasts import Forecasts
    from sluice.ledger.samples import Samples
    from sluice.overview.estate.full import arrivals_told

    with opened_seen() as seen:
        before = seen.one_of(KIND, subject)
        Samples(seen.connection).prepare()
        last = Forecasts(seen.connection).report_before(date.max)
    if last is None:
        return {}
    page = last.key.removesuffix(".json") + ".html"
    if before and before.found.get("page") == page:
        return before.found
    return arrivals_told(json.loads(open_vault().get(last.key)), page)
