"""An answer as plain JSON: for programs, and for whoever draws it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from typing import Any


def as_json(value: Any) -> Any:
    """Give dataclasses as objects, with what they work out too; moments in ISO, durations in seconds."""
    if is_dataclass(value) and not isinstance(value, type):
        told = [field.name for field in fields(value)] + _worked_out(type(value))
        return {name: as_json(getattr(value, name)) for name in told}
    if isinstance(value, Mapping):
        return {str(name): as_json(one) for name, one in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [as_json(one) for one in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, datetime | date) else value


def _worked_out(kind: type) -> list[str]:
    return [name for name in vars(kind) if isinstance(vars(kind)[name], property) and not name.startswith("_")]
