"""Writing under conditions: one item, or up to a hundred together or not at all.

**After a timeout nobody knows.** DynamoDown from a write may mean that it was done, and a client that tries again by
itself may be refused by its own first try. So every write here must be one whose repetition is harmless: conditional on
something that it changes itself (a rising token, a checkpoint's position), with the item that stood in the way telling
whether it was ours. A transaction carries one idempotency token through all tries of one call, which covers ten minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any
from uuid import uuid4

from sluice.stores.dynamodb.actions import Action, Check, Condition, Delete, Put, Update
from sluice.stores.dynamodb.capacity import AdaptiveRate, Units
from sluice.stores.dynamodb.client import DynamoRefused, Throttled, speaking
from sluice.stores.dynamodb.refusals import Cancelled, Refused, Unwritable, named, refusal, refusals_of, too_large
from sluice.stores.patience import PATIENT, Patience

__all__ = ["MOST_ACTIONS", "Action", "Cancelled", "Check", "Condition", "Delete", "Put", "Refused", "Unwritable",
           "Update", "write_one", "write_together"]  # fmt: skip

MOST_ACTIONS = 100
_PASSING = {"conflict", "throttled"}
_CALLS = {"Put": "put_item", "Delete": "delete_item", "Update": "update_item"}


def write_together(
    client: Any,
    actions: Sequence[Action],
    units: Units | None = None,
    rate: AdaptiveRate | None = None,
    patience: Patience = PATIENT,
) -> None:
    """Do all the actions in one transaction, or none. Conflicts and throttling are waited out, conditions are not.

    Raises Cancelled (`refused` says which action met what), Unwritable, Throttled, DynamoDown: then it may be done.
    """
    if len(actions) > MOST_ACTIONS:
        raise Unwritable(f"{named(actions)}: {len(actions)} actions; one transaction holds {MOST_ACTIONS}.")
    asked = [{name: parameters} for name, parameters in (action.request() for action in actions)]

    def transact(token: str) -> Any:
        return client.transact_write_items(
            TransactItems=asked, ClientRequestToken=token, ReturnConsumedCapacity="TOTAL"
        )

    _settle(transact, actions, units, rate, patience)


def write_one(
    client: Any,
    action: Put | Delete | Update,
    units: Units | None = None,
    rate: AdaptiveRate | None = None,
    patience: Patience = PATIENT,
) -> None:
    """Do one action by itself: on AWS half the price of a transaction. Raises what `write_together` raises."""
    name, asked = action.request()
    call = getattr(client, _CALLS[name])
    _settle(lambda _: call(**asked, ReturnConsumedCapacity="TOTAL"), [action], units, rate, patience)


def _settle(
    write: Callable[[str], Any],
    actions: Sequence[Action],
    units: Units | None,
    rate: AdaptiveRate | None,
    patience: Patience,
) -> None:
    """Call `write` with an idempotency token until it is done or refused for good."""
    token = str(uuid4())
    for wait in chain(patience.waits(patience.until()), (None,)):
        if rate:
            rate.take(len(actions))
        try:
            answer = _told_apart(write, token, actions)
        except (Throttled, Cancelled) as error:
            if rate and _was_throttled(error):
                rate.throttled()
            if wait is None or not _passes(error, patience):
                raise
            # Of a cancelled transaction it is certain that nothing was written: the next one is another.
            token = str(uuid4()) if isinstance(error, Cancelled) else token
            time.sleep(wait)
            continue
        consumed = (units or Units()).count(answer)
        if rate:
            rate.went_well()
            rate.spent(max(0.0, consumed - len(actions)))
        return


def _told_apart(write: Callable[[str], Any], token: str, actions: Sequence[Action]) -> Any:
    from botocore.exceptions import ClientError

    try:
        with speaking("write to", named(actions)):
            try:
                return write(token)
            except ClientError as error:
                if refused := refusals_of(error):
                    raise refusal(actions, refused) from error
                raise
    except DynamoRefused as error:
        # The service names no action when an item is too large by itself.
        if large := too_large(actions):
            raise refusal(actions, large) from error
        raise


def _passes(error: Throttled | Cancelled, patience: Patience) -> bool:
    if isinstance(error, Throttled):
        return patience.beyond_botocore
    return {one.code for one in error.refused} <= _PASSING


def _was_throttled(error: Throttled | Cancelled) -> bool:
    return isinstance(error, Throttled) or "throttled" in {one.code for one in error.refused}
