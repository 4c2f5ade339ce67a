"""How a value from a person's file is shown in a message: short, on one line, and never a secret."""

from __future__ import annotations

import json
import re

LONGEST = 60
HIDDEN = "something not shown, as it may hold a secret"
# An address with a password in it, or the words that stand before one. Better hide too much.
_MAY_BE_SECRET = re.compile(r"://|@|(passw(or)?d|pwd|secret|token|key)\s*[=:]", re.IGNORECASE)


def shown(value: object) -> str:
    """Say what was found. Mappings and lists are named, not printed: their contents may be anything."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _shown_text(value)
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else str(value)


def shown_field(steps: tuple[str | int, ...]) -> str:
    """Say where: `stores.certify.rto`, `gates.verified[0]`. A step that is no word is shown as a value is."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{_shown_key(step)}"
    return text.removeprefix(".")


def _shown_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key) else _shown_text(key)


def _shown_text(text: str) -> str:
    if _MAY_BE_SECRET.search(text):
        return HIDDEN
    short = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return json.dumps(short, ensure_ascii=not short.isprintable())
