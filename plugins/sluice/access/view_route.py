"""The route as PostgreSQL tells it, for applications whose data moves there: the view `sluice_routing.route`, by any driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sluice.access.routing import NoRoute, ReadFrom, Route, WriteTo
from sluice.errors import SluiceError, Transient


class RouteUnread(Transient):
    """The view could not be read."""


@dataclass(frozen=True)
class ViewRoute:
    """The row of a migration. `ask` gives it anew each time: (read_from, write_to, epoch, lease_seconds), or None."""

    ask: Callable[[str], Sequence[Any] | None]
    migration: str

    def read(self) -> Route:
        """Read it. Raises NoRoute, and RouteUnread for whatever the driver raises."""
        try:
            row = self.ask(self.migration)
        except SluiceError:
            raise
        except Exception as error:  # whose driver it is, only the application knows
            raise RouteUnread(f"The route of {self.migration} could not be read: {error}") from error
        if row is None:
            raise NoRoute(
                f"Migration {self.migration} has no route in this database: check the name, or start capture."
            )
        read_from, write_to, epoch, lease_seconds = row
        if read_from not in ("old", "new", "shadow") or write_to not in ("old", "new", "none"):
            raise NoRoute(
                f"{self.migration} is routed to {read_from}/{write_to}, which this release does not know: update it."
            )
        return Route(cast(ReadFrom, read_from), cast(WriteTo, write_to), int(epoch), float(lease_seconds))
