"""An entity as an application holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PART = "part"
"""The version of what is only a part of an entity: it can be shown, not written."""


@dataclass(frozen=True)
class Entity:
    """An entity and its version; or, when not `whole`, the part of it that a look-up record carries: to be shown, not put."""

    kind: str
    attributes: dict[str, Any]
    version: str

    @property
    def whole(self) -> bool:
        """Whether these are all of its attributes."""
        return self.version != PART

    def __getitem__(self, name: str) -> Any:
        """Give an attribute. Raises KeyError."""
        return self.attributes[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether it has an attribute."""
        return name in self.attributes

    def get(self, name: str, otherwise: Any = None) -> Any:
        """Give an attribute, or something else where it has none of the name."""
        return self.attributes.get(name, otherwise)
