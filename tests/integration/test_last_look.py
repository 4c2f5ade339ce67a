"""The last look at a stream: each stray once, whatever is read twice, and what was forgotten is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

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
            return LastLook(canaries, is_stray).on(stream, Looked.of(before.text()), now + later)

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
        assert "the stream has forgotten" in lost.named[-1] or "what shard" in lost.named[-1]
        assert lost.strays > told.strays and look(lost).word == lost.word
        assert look(replace(lost, stream="another")).strays == lost.strays + 1
