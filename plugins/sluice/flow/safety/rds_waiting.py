"""What waits for RDS while no worker does: a trigger that looks how far a snapshot or a copy has come.

The provider's own triggers ask with aiobotocore, which wants an older botocore than is locked here. What they gain by it, a
thousand questions at once, a look every half minute does not need: it is asked in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from sluice.errors import Transient
from sluice.flow.connections import aws_client

if TYPE_CHECKING:
    from sluice.safety.rds.standing import Standing, What


def rds_of(connection: str, region: str) -> Any:
    """Give boto3's client for RDS of a region, behind an Airflow connection. Raises NoConnection."""
    return aws_client(connection, "rds", 30, region)


EVERY = 30.0
"""Seconds between two looks."""


class RdsTrigger(BaseTrigger):
    """Look until it is there, has failed or is gone. Which of these, and what follows, is the task's to say.

    A person who clears or fails the waiting task kills nothing in RDS: a second try finds what was begun by its name and its
    tags, and what nobody wants any more is taken away by the teardown.
    """

    def __init__(self, what: What, name: str, connection: str, region: str, every: float = EVERY) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.what = what
        self.name = name
        self.connection = connection
        self.region = region
        self.every = every

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make it again, in another process."""
        told = ("what", "name", "connection", "region", "every")
        return f"{__name__}.RdsTrigger", {name: getattr(self, name) for name in told}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Give one event: where it stands. The first look waits too: RDS says "available" for a while after a change is asked."""
        await asyncio.sleep(self.every)
        while (found := await self._look()) is None or found.state == "under way":
            await asyncio.sleep(self.every)
        yield TriggerEvent({"name": self.name, "state": found.state, "status": found.status})  # type: ignore[no-untyped-call]

    async def _look(self) -> Standing | None:
        """Look once; None where RDS did not answer, which passes."""
        from sluice.safety.rds.standing import look

        try:
            # A client a look: what they cost, half a minute pays, and keys that change are never old.
            client = await asyncio.to_thread(rds_of, self.connection, self.region)
            found = await asyncio.to_thread(look, client, self.what, self.name)
        except Transient as error:
            self.log.warning("%s", error)
            return None
        self.log.info("%s", found)
        return found
