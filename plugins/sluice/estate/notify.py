"""Who is told, and how, as a person writes it: `notify:` of the estate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from sluice.estate.document import Document
from sluice.estate.fields import Connection, Part, Words
from sluice.estate.mistakes import Mistake
from sluice.estate.severity import Severity
from sluice.estate.showing import shown

NEEDS_ONE = {"sns": "the ARN of the topic", "smtp": "an address at least"}
"""Ways by which an alert goes to whom the file names; the others' connections say it."""


class Channel(Part):
    """A way by which people are told."""

    kind: Literal["http", "slack", "sns", "smtp", "apprise"]
    """`http`: one POST of JSON. `slack`: an incoming webhook. `sns`: a topic of Amazon's. `smtp`: mail. `apprise`: whatever its
    connection's `config` names, of some hundred services."""
    connection: Connection
    """The Airflow connection by which it goes; its secrets are there alone."""
    since: Severity = Field(default="P3", alias="from")
    """The least urgent that is told here: `P1` is told of P1 alone, `P4` of all."""
    to: tuple[Words, ...] = Field(default=(), max_length=20)
    """To whom: the ARN of the topic (`sns`), addresses (`smtp`)."""


def check_notify(document: Document) -> Iterator[Mistake]:
    """Find channels that lead to nobody, and some that name somebody whom they cannot reach."""
    channels = document.get("notify")
    for number, channel in enumerate(channels if isinstance(channels, tuple) else ()):
        if not isinstance(channel, dict) or not isinstance(channel.get("kind"), str):
            continue
        to, kind = channel.get("to") or (), channel["kind"]
        if kind in NEEDS_ONE and not to:
            yield document.mistake(("notify", number, "to"), shown(None), f"a list with {NEEDS_ONE[kind]}")
        elif kind == "sns" and isinstance(to, tuple) and len(to) > 1:
            yield document.mistake(("notify", number, "to"), "several", "one topic; a channel for each")
        elif kind not in NEEDS_ONE and to:
            yield document.mistake(
                ("notify", number, "to"), shown(to), f"none with {kind}: its connection says to whom"
            )
