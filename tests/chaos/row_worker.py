"""A worker of an `into_postgres` migration in a process of its own, to be killed: `row_worker.py follow|copy|window`."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime

from sluice.migration.engine.contract import Fence, Window
from sluice.migration.kinds.into_postgres import IntoPostgres
from sluice.stores.dynamodb.client import dynamodb_client, streams_client
from sluice.stores.postgres import connect

from tests.rowed import migration

TOLD = "ROW_WORKER"
"""The variable that holds what it needs, as JSON."""


def main() -> None:
    """Do one thing until it is done."""
    told = json.loads(os.environ[TOLD])
    m = migration(told["table"]).model_copy(update={"name": told["name"]})
    kind = IntoPostgres(
        m,
        lambda purpose: connect(told["dsn"], purpose=purpose),
        dynamodb_client(*told["engine"]),
        streams_client(*told["engine"]),
        told["prefix"],
    )
    fence = Fence(kind.position().epoch)
    if sys.argv[1] == "follow":
        kind.replicate(10)
    elif sys.argv[1] == "copy":
        while kind.copy_chunk(0, fence):
            pass
    else:
        kind.backfill_window(Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)))


if __name__ == "__main__":
    main()
