"""What the tables of all pages have in common."""

from __future__ import annotations

from datetime import UTC, datetime

from rich import box
from rich.table import Table
from rich.text import Text

GREEN, RED = Text("✔ green", "green"), Text("✘ red", "red")


def table(title: str, *heads: str) -> Table:
    """Begin a table."""
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        made.add_column(head, overflow="fold")
    return made


def linked(text: str | Text, path: str | None) -> Text:
    """Have a text lead to a path below Airflow's address, at a terminal that shows links."""
    from sluice.local.settings import load

    made = text.copy() if isinstance(text, Text) else Text(text)
    if path:
        made.stylize(f"link {load().airflow_url}{path}")
    return made


def minute(at: datetime | None) -> str:
    """Show a moment to the minute, in UTC; `never` for none."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else "never"
