"""The look at the last capacity report's numbers: out of the vault, shortened, so that a page need not ask there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluice.flow.connections import open_vault
from sluice.flow.overview.certificates import opened_seen

if TYPE_CHECKING:
    from sluice.ledger.seen import SeenThings
    from sluice.stores.objects import Vault


def reports() -> Sequence[str]:
    """Name what there is: the last one."""
    from sluice.overview.capacity.shortened import LAST

    return [LAST]


def look(_: str) -> Mapping[str, Any]:
    """Look at it. Raises NoConnection, and as `look_at_report`."""
    with opened_seen() as seen:
        return look_at_report(seen, open_vault)


def look_at_report(seen: SeenThings, open_vault: Callable[[], Vault]) -> Mapping[str, Any]:
    """Give the last report, shortened, and nothing where none was made yet; one that was read already is not read again.

    Raises StoreDown, VaultDown, AccessDenied, NoSuchKey where it is there no more.
    """
    from datetime import date

    from sluice.ledger.forecasts import Forecasts
    from sluice.ledger.samples import Samples
    from sluice.ledger.seen import Kind
    from sluice.overview.capacity.shortened import LAST, shortened

    before = seen.one_of(Kind.CAPACITY, LAST)
    Samples(seen.connection).prepare()
    last = Forecasts(seen.connection).report_before(date.max)
    if last is None:
        return {}
    page = last.key.removesuffix(".json") + ".html"
    if before and before.found.get("page") == page:
        return before.found
    return shortened(json.loads(open_vault().get(last.key)), page)
