"""What Sluice adds to Airflow's UI: the console, and the link to a gate's evidence. The only plugin file.

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


class SluicePlugin(AirflowPlugin):
    """The console at /sluice, and the Evidence link."""

    name = "sluice"
    fastapi_apps = [{"app": console, "url_prefix": "/sluice", "name": "Sluice"}]  # noqa: RUF012
    operator_extra_links = [EvidenceLink()]  # noqa: RUF012 - so the base class has it
