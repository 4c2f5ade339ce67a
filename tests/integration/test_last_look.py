"""The last look at a stream: each stray once, whatever is read twice, and what was forgotten is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.dynamodb_source.last_look import LastLook, Looked, is_stray

from tests.documents import Documents
from tests.few_items import few_items, item, lying, to_capturing


def test_each_stray_is_found_once_and_what_the_stream_forgot_is_one_more(
    documents: Documents, make_table: Callable[..., str]
) -> None:
    with few_items(documents, make_table, item("one")) as few:
        kind = few.opened()
        to_capturing(kind)
        stream, now = lying(kind, 2, twice=0.5), kind.marks.state().now
        begun = Looked(now.isoformat(), stream.arn, dict.fromkeys(shard.id for shard in stream.shards()))

        def look(before: Looked, later: timedelta = timedelta(0)) -> Looked:
            canaries = Canaries(few.client, kind.tables.source)
            return LastLook(canaries, is_stray).on(stream, Looked.of(before.text()), now + later, "one")

        assert look(begun, timedelta(days=1)).strays == 1, (
            "of a shard that has told nothing nobody knows what it forgot"
        )
        quiet = look(begun)
        assert (quiet.strays, quiet.word) == (0, "")
        few.put(item("one", 2), item("two"))
        stream.split("shard-1")
        few.delete("two")
        told = look(quiet)
        assert told.strays == 3 and told.word == look(quiet).word, "a look that was not kept finds the same"
        few.put(item("one", 3))
        assert stream.trim()
        lost = look(told)
        assert "what shard" in lost.named[-1]
        assert lost.strays > told.strays and look(lost).word == lost.word
        assert look(replace(lost, stream="another")).strays == lost.strays + 1


@pytest.mark.parametrize("lost", ["", "gone", "unseen"])
def test_a_shard_that_went_unread_is_told(documents: Documents, make_table: Callable[..., str], lost: str) -> None:
    """One that was read half, or one that came and went between two looks: its child is all that tells of it."""
    with few_items(documents, make_table, item("one")) as few:
        kind = few.opened()
        to_capturing(kind)
        stream, now = lying(kind, 2), kind.marks.state().now
        places: dict[str, str | None] = {"shard-0": None, "shard-1": None}
        if lost == "gone":
            places["shard-9"] = "1"
        if lost == "unseen":
            stream.split("shard-1")
            stream.trim()
            del places["shard-1"]
        begun = Looked(now.isoformat(), stream.arn, places)
        look = LastLook(Canaries(few.client, kind.tables.source), is_stray).on(stream, begun, now, "one")
        assert [name.rpartition(": ")[2] for name in look.named] == (
            ["some of it the stream has forgotten"] if lost else []
        )
