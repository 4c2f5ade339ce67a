"""The partitions that hold an answer, told from a design's templates: every bucket, every period of a time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product, takewhile

from sluice.errors import Terminal
from sluice.estate.templates import Placeholder, parse_template, placeholders
from sluice.records.rendering import Spread, buckets_of, compile_text
from sluice.stores.dynamodb.values import Item

PERIODS = ("year", "month", "day")
MOST_PERIODS = 1200


class NotAnswered(Terminal):
    """The design has no record that answers this."""


def partitions_of(template: str, spread: Spread, known: Item) -> tuple[str, ...]:
    """Give every partition that records with `known` can lie in: all buckets where what they are spread by is not known."""
    choices = [
        buckets_of(spread[piece.spread_class])
        if isinstance(piece, Placeholder) and piece.spread_class and piece.path[0] not in known
        else (written(piece),)
        for piece in parse_template(template)
    ]
    return tuple(compile_text("".join(parts), spread, in_key=True)(known) for parts in product(*choices))


def begin_of(template: str, spread: Spread, known: Item) -> str:
    """Give what a text begins with as far as `known` tells it."""
    pieces = takewhile(lambda one: isinstance(one, str) or one.path[0] in known, parse_template(template))
    return compile_text("".join(map(written, pieces)), spread)(known)


def needed(template: str) -> set[str]:
    """Name the attributes without which no partition can be named."""
    return {one.path[0] for one in placeholders(template) if not one.spread_class}


def timed(template: str) -> Placeholder | None:
    """Give the placeholder of a period, where a template has one."""
    return next((one for one in placeholders(template) if _period(one)), None)


def _period(one: Placeholder) -> str | None:
    return next((each.name for each in one.filters if each.name in PERIODS), None)


def periods(since: datetime, until: datetime, timed: Placeholder) -> list[datetime]:
    """Give the begin of each year, month or day in UTC that has a moment from `since` to before `until`."""
    period = _period(timed)
    since, until = (moment.astimezone(UTC).replace(tzinfo=None) for moment in (since, until))
    now = since.replace(hour=0, minute=0, second=0, microsecond=0)
    now = now if period == "day" else now.replace(day=1, month=now.month if period == "month" else 1)
    found = []
    while now < until:
        found.append(now)
        if len(found) > MOST_PERIODS:
            raise NotAnswered(
                f"From {since} to {until} there are more than {MOST_PERIODS} partitions by {period}: ask for less."
            )
        # Past the end of any such period, then back to its begin.
        later = now + timedelta(days={"day": 1, "month": 32}.get(period or "", 367))
        now = later if period == "day" else later.replace(day=1, month=later.month if period == "month" else 1)
    return found


def written(piece: str | Placeholder) -> str:
    """Write a piece of a template as the template had it."""
    if isinstance(piece, str):
        return piece.replace("{", "{{").replace("}", "}}")
    filters = (one.name if one.argument is None else f"{one.name}:{one.argument}" for one in piece.filters)
    return "{" + "|".join([".".join(piece.path), *filters]) + "}"
