"""How a store is watched, as a person writes it: `watch:` below a store, and `insight:` of the estate."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated

from pydantic import Field

from sluice.estate.calendar import Window
from sluice.estate.fields import Connection, Part, Region, lasting, matching
from sluice.estate.sizes import Bytes, Size
from sluice.estate.terms import KeptFor, Term


class Cloud(Part):
    """Where AWS runs a store: CloudWatch has what a server cannot say of itself."""

    connection: Connection
    """The Airflow connection to AWS: it reads CloudWatch and describes the instance."""
    instance: Annotated[str, matching("[A-Za-z][A-Za-z0-9-]{0,62}", "an instance of RDS, as RDS calls it")]
    """The instance of RDS."""


class Disk(Part):
    """How much a store may hold."""

    size: Size | None = None
    """What its disk holds now. In RDS the service says it; of a server of yours nobody else can."""
    most: Size = Bytes(10 * 10**12, "10 TB")
    """To how much it may be extended."""
    full_at: int = Field(default=85, ge=50, le=99)
    """At how many percent it counts as full: alarms and forecasts go by that."""


class Watch(Part):
    """What more is measured of a store than its connection shows, and how much it may hold."""

    disk: Disk = Disk()
    """Its disk."""
    cloud: Cloud | None = None
    """Where AWS runs it; without it, nothing tells of processors, memory and network. DynamoDB needs none."""
    pooler: Connection | None = None
    """The Airflow connection to the console of the PgBouncer before it, as one of its `stats_users`."""
    every: Annotated[timedelta, lasting("1m", "1h")] = timedelta(minutes=1)
    """How often a server of PostgreSQL is looked at: `1h` lets one sleep that being asked wakes. Alarms come as much later."""


class NumbersKept(Part):
    """How long numbers stay."""

    samples: Term = KeptFor(14, "days")
    """Each as it was taken, one a minute."""
    hours: Term = KeptFor(400, "days")
    """Lowest, highest and mean of each hour."""
    days: Term = KeptFor(10, "years")
    """Those of each day."""


class InCloudWatch(Part):
    """Where the numbers, and the dashboards, are put into CloudWatch."""

    connection: Connection
    """The Airflow connection to AWS: it puts numbers and dashboards. Each series is a metric of yours there, and costs."""
    region: Region
    """The region in whose CloudWatch they are."""
    tables: int = Field(default=10, ge=0, le=1000)
    """Of so many tables of each PostgreSQL server, the largest, go there: each is five metrics of yours."""


class Insight(Part):
    """How the estate is watched."""

    keep: NumbersKept = NumbersKept()
    """How long what was measured stays."""
    maintenance: tuple[Window, ...] = Field(
        default=(Window(days=("sun",), opens=time(5), closes=time(6)),), max_length=20
    )
    """Hours of the week in which work is planned, `[]` for none: what goes wrong then is kept, and nobody is told, but of what
    stays when they end, of a store that does not answer, and of one that nobody measures."""
    cloudwatch: InCloudWatch | None = None
    """Where the numbers and the dashboards are put into CloudWatch; without it, they are not."""
    alive: Connection | None = None
    """The Airflow connection, of type HTTP, that is called after every look: whoever is there tells people when the calls end."""
    pages: Annotated[str, matching(r"https?://[^\s@?#]{1,200}", "an address: https://…")] | None = None
    """Where people read these pages: `https://git.shop.example/sluice/blob/main`. It is put before the page of a message,
    `docs/howto/…`; without it, the message names the file, which lies in the project's folder."""

    def page_at(self, path: str) -> str:
        """Give where a page is read: its address, or its path in the project where nobody says one."""
        return f"{self.pages.rstrip('/')}/{path}" if self.pages and "://" not in path else path
