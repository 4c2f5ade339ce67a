"""Stores that are looked at less than once a minute: a number counts until the looks after it were missed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sluice.estate.models import Store
from sluice.ledger.samples import Sample, Series

MINUTE = timedelta(minutes=1)
LOOKS = 2
"""So many looks in a row are missed by chance."""


def more_patience(store: Store | None) -> timedelta:
    """Say for how much longer than of others no number of a store is no news."""
    return LOOKS * store.watch.every if store and store.watch.every > MINUTE else timedelta()


def counted_on(lately: Mapping[Series, Sample], stores: Mapping[str, Store], now: datetime) -> dict[Series, Sample]:
    """Give the last numbers, those of a store that is looked at seldom as much younger as one must be patient with it."""
    return {
        series: replace(last, at=max(last.at, min(now, last.at + more_patience(stores.get(series.store)))))
        for series, last in lately.items()
    }
