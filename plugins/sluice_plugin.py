"""What Sluice adds to Airflow's UI: the console with its page and tabs, and the link to a gate's evidence. The only plugin file.

Airflow runs every file below plugins/ that it is not told to leave alone: `plugins/.airflowignore` keeps it
out of the library. Every component loads this, tasks too, so the console is imported with its first page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from sluice.flow.evidence_link import EvidenceLink

Message = MutableMapping[str, Any]


async def console(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answer from the console (ASGI)."""
    from sluice.console.app import app

    await app(scope, receive, send)


VIEWS = (
    ("nav", "/sluice/estate"),
    ("dag", "/sluice/of/{DAG_ID}"),
    ("dag_run", "/sluice/of/{DAG_ID}/{RUN_ID}"),
    ("task", "/sluice/of/{DAG_ID}"),
    ("task_instance", "/sluice/of/{DAG_ID}/{RUN_ID}/{TASK_ID}?map_index={MAP_INDEX}"),
)
"""Where in Airflow's UI the console has a page or a tab of its own, and what it shows there."""


ICONS = {"icon": "/sluice/static/icon/sluice.svg", "icon_dark_mode": "/sluice/static/icon/sluice-dark.svg"}


def view(destination: str, href: str) -> dict[str, str]:
    """Describe one of them as Airflow wants it: each needs a route of its own."""
    route = "sluice" if destination == "nav" else f"sluice-{destination.replace('_', '-')}"
    return {"name": "Sluice", "href": href, "destination": destination, "url_route": route, **ICONS}


class SluicePlugin(AirflowPlugin):
    """The console at /sluice, its page and tabs in Airflow's UI, and the Evidence link."""

    name = "sluice"
    fastapi_apps = [{"app": console, "url_prefix": "/sluice", "name": "Sluice"}]  # noqa: RUF012
    external_views = [view(*one) for one in VIEWS]  # noqa: RUF012
    operator_extra_links = [EvidenceLink()]  # noqa: RUF012 - so the base class has it
