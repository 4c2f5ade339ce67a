"""Why an entity was not written: each says which one it was, and what to do."""

from __future__ import annotations

from sluice.errors import Terminal, Transient
from sluice.records.record import Unmappable


class Changed(Transient):
    """Somebody else wrote this entity meanwhile. Nothing was written: read it again, then decide."""


class AlreadyExists(Terminal):
    """There is an entity with this key already. Nothing was written."""


class NoSuchEntity(Terminal):
    """There is no such entity to be changed."""


class KeyChanged(Terminal):
    """A version of one entity, and the key of another: what an entity is known by cannot change. Nothing was written."""


class NotWhole(Terminal):
    """What a look-up record carries is a part of an entity: written back, the rest of it would be lost."""


class EntityRefused(Unmappable):
    """An entity of which the design can make no records. Nothing was written."""

    def __init__(self, what: str, why: Unmappable) -> None:
        super().__init__(why.reason, why.attribute, why.message)
        self.what = what

    def __str__(self) -> str:
        message = _SAID.get(self.reason, self.message)
        told = f"{self.attribute}: {message}" if self.attribute else message
        return f"{self.what} was not written: {told}. {_WAY_ON.get(self.reason, 'Mend that value.')}"


_SAID = {"in_the_way": "the record has an attribute of this name of its own, by the design"}
_GIVE = "Give it one, or let the design's record do without (`when`, `sparse`, `or:`)."
_WAY_ON = {
    "missing": _GIVE,
    "null": _GIVE,
    "empty": _GIVE,
    "in_the_way": "Give yours another name.",
    "too_many": "Keep fewer elements in its lists.",
    "too_large": "Keep what is large elsewhere, and a link to it here.",
    "too_long": "Shorten what its keys are made of.",
}
