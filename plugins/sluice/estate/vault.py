"""The vault as a person writes it: where it is, whether what it holds is locked, and what becomes of it in the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sluice.estate.document import Document, Steps
from sluice.estate.fields import Bucket, Connection, KmsKey, Part, matching
from sluice.estate.mistakes import Mistake
from sluice.estate.showing import shown
from sluice.estate.terms import Term

VAULT: Steps = ("vault",)
EARLIEST_COLD = 30
"""Days before which S3 moves nothing to STANDARD_IA."""
Folder: TypeAlias = Annotated[
    str,
    matching(r"(?=.{2,200}$)([A-Za-z0-9!_.'()*-]+/)+", "a folder of the vault, with a / behind it, such as evidence/"),
]


class Lock(Part):
    """Object Lock for what is stored to stay: until then nobody deletes it, by mistake or otherwise."""

    mode: Literal["governance", "compliance"]
    """`governance`: who has the right to may lift it. `compliance`: nobody can, the account's owner included."""
    keep: Term
    """How long each object is locked, from when it was stored."""


class Lifecycle(Part):
    """What becomes of the objects of one folder when they are old."""

    prefix: Folder
    """The folder: `evidence/`, `docs/`, `archive/`, or one below them."""
    after: Term
    """How old an object is then."""
    then: Literal["expire", "STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR"] = "expire"
    """`expire`: deleted, older versions too. Else the storage class that it moves to; all of these answer at once."""


class Vault(Part):
    """The S3 bucket that keeps evidence, archives and backups."""

    connection: Connection
    """The Airflow connection to S3."""
    bucket: Bucket
    """The bucket's name. It must be there."""
    kms_key: KmsKey | None = None
    """The KMS key by which S3 encrypts all that is stored from then on; without it, the bucket's own default does."""
    versioning: bool = True
    """Whether every version of an object is kept. What is switched on is never switched off."""
    lock: Lock | None = None
    """Object Lock below `archive/`, and for the monthly backups; without it, nothing is locked by us. A bucket's lock stays for
    good."""
    lifecycle: tuple[Lifecycle, ...] = Field(default=(), max_length=100)
    """What becomes of old objects, by folder; without it, all of them stay. Rules that others made stay as they are."""


def check_vault(document: Document) -> Iterator[Mistake]:
    """Find what single fields of `vault` cannot see."""
    if document.get(*VAULT, "versioning") is False and document.get(*VAULT, "lock") is not None:
        yield document.mistake((*VAULT, "versioning"), "false", "true, as what is locked is a version")
    rules = document.get(*VAULT, "lifecycle")
    seen = set[tuple[object, object]]()
    for number, rule in enumerate(rules if isinstance(rules, tuple) else ()):
        if not isinstance(rule, dict):
            continue
        steps, then = (*VAULT, "lifecycle", number), rule.get("then", "expire")
        if (rule.get("prefix"), then) in seen:
            yield document.mistake((*steps, "prefix"), shown(rule.get("prefix")), f"one rule a folder that says {then}")
        seen.add((rule.get("prefix"), then))
        if then == "STANDARD_IA" and _is_early(rule.get("after")):
            yield document.mistake((*steps, "after"), shown(rule["after"]), f"{EARLIEST_COLD} days or more for {then}")


def _is_early(after: object) -> bool:
    count, _, unit = str(after).partition(" ")
    return unit in ("day", "days") and count.isdecimal() and int(count) < EARLIEST_COLD
