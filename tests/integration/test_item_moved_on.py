"""An item that follows and has gone over to another leader by the second look is no item too many."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sluice.migration.kinds.single_table.settling import Suspect, _look_again
from sluice.migration.kinds.single_table.sides import Sides
from sluice.migration.kinds.single_table.wishes import Translation
from sluice.records import Record
from sluice.stores.dynamodb.values import Item, key_text

from tests.documents import Documents


@pytest.mark.parametrize(
    ("now_of", "leaders", "extra"),
    [("b", ("b",), 0), ("b", (), 1), ("a", ("b",), 1), ("nobody", (), 0)],
    ids=["led by another", "left by another, too", "still the first one's", "no item of this migration"],
)
def test_who_leads_is_asked_of_the_item_as_it_is_now(
    documents: Documents, make_table: Callable[..., str], now_of: str, leaders: tuple[str, ...], extra: int
) -> None:
    client, leading, following = documents.client(), make_table("PK", name="leading"), make_table("id", name="follows")
    own = {"id": {"S": "1"}}
    for name in leaders:
        client.put_item(TableName=leading, Item={"PK": {"S": name}})
    client.put_item(TableName=following, Item={**own, "of": {"S": now_of}})

    def follows(item: Item) -> list[Record]:
        return [Record(following, own, {**own, "of": item["PK"]}, True, "item")]

    sides = Sides(
        client,
        {leading: ("PK",)},
        {following: ("id",)},
        lambda table, item: True,
        Translation(follows, follows),
        lambda table, item: None if item["of"]["S"] == "nobody" else (leading, {"PK": item["of"]}),
        lambda key: False,
    )
    seen = Suspect(leading, {"PK": {"S": "a"}}, {(following, key_text(own)): own})
    assert len(_look_again(sides, seen)) == extra
