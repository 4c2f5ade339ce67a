"""What a migration filled in where an item had nothing, and what becomes of that note when an application writes the entity."""

from __future__ import annotations

import pytest
from sluice.migration.kinds.single_table.ours import without_marks
from sluice.records import item_of, records_of
from sluice.stores.dynamodb.values import Item, same

from tests.integration.accessing import Tyler
from tests.unit.tyler import sample_shape

SHAPE = sample_shape("tyler_users")
ITEM: Item = {"userId": {"S": "42"}, "email": {"S": "ann@example.com"}, "status": {"S": "ACTIVE"}}
"""It has no `created`."""


@pytest.mark.parametrize(
    ("change", "created"),
    [({"status": "AWAY"}, None), ({"createdAt": "2024-01-01T00:00:00Z"}, {"S": "2024-01-01T00:00:00Z"})],
)
def test_the_way_back_and_forth_again_gives_what_the_application_wrote(tyler: Tyler, change, created) -> None:
    token = {"_token": {"S": "0000000001#" + "0" * 40}, "_from": {"S": "tyler_users/userId=42"}}
    tyler.fill([{**record.item, **token} for record in records_of(SHAPE, {**ITEM})])
    tyler.entities.update("user", {"id": "42"}, change)
    whole = next(item for item in tyler.items() if item["SK"] == {"S": "METADATA"})
    assert whole["_token"] == token["_token"]
    back = item_of(SHAPE, whole)
    assert back.get("created") == created
    again = next(record for record in records_of(SHAPE, back) if record.whole)
    assert same(without_marks(whole), again.item), "the comparison after cutting back is red"
