"""Whose a change is, which shard may hold something unread, and what a refusal says: told from values alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.dynamodb_source.tokens import token
from sluice.migration.kinds.single_table import writing
from sluice.migration.kinds.single_table.ours import is_ours
from sluice.stores.dynamodb.refusals import Cancelled, Refused
from sluice.stores.dynamodb.streams import Change, Shard, padded
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.values import Item

OLDER, NEWER = token(2, padded("1")), token(2, padded("2"))


def image(at: str | None, came_from: str = "m/1") -> Item:
    marks: Item = {"_token": {"S": at}, "_from": {"S": came_from}} if at else {}
    return {"id": {"S": "1"}, **marks}


@pytest.mark.parametrize(
    ("old", "new", "ours"),
    [
        (image(OLDER), image(NEWER), True),
        (image(None), image(OLDER), True),
        (None, image(OLDER), True),
        (image(NEWER), image(OLDER), False),  # an application puts back what it had read, token and all
        (image(OLDER), image(OLDER), False),
        (image(NEWER, "other/1"), image(OLDER), True),  # a place that was taken over
        (image(token(1)), image(token(1, padded("7"))), False),
        (image(OLDER), image(None), False),
    ],
)
def test_a_change_is_ours_where_our_token_rises(old: Item | None, new: Item, ours: bool) -> None:
    assert is_ours(Change({"id": {"S": "1"}}, "MODIFY", old, new, "9", datetime.now(UTC)), 2) is ours


@pytest.mark.parametrize(
    ("shards", "finished", "answered", "silent"),
    [
        ((Shard("a"),), (), (), ["a"]),
        ((Shard("a"),), (), ("a",), []),
        ((Shard("a", ended=True),), ("a",), (), ["a"]),  # its child is not listed yet, or the stream is off
        ((Shard("a", ended=True), Shard("b", "a")), ("a",), (), ["b"]),
        ((Shard("a", ended=True), Shard("b", "a")), ("a",), ("b",), []),
    ],
)
def test_a_shard_without_a_child_has_told_all_only_when_it_answers(
    shards: tuple[Shard, ...], finished: tuple[str, ...], answered: tuple[str, ...], silent: list[str]
) -> None:
    canaries = Canaries(None, TableDefinition("old", "id"))
    canaries.answered |= set(answered)
    assert canaries.silent(shards, finished) == silent


@pytest.mark.parametrize("code", ["conflict", "throttled"])
def test_who_was_only_in_the_way_has_not_said_that_a_younger_one_is_there(
    code: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise Cancelled("others were at it", (Refused(1, code),))

    monkeypatch.setattr(writing, "write_together", refuse)
    with pytest.raises(Cancelled, match="others were at it"):
        writing.finish(None, list, [])
