"""Sizes as people write them, in the units of disks and of AWS: a whole number and GB or TB; a thousand make the next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from sluice.estate.fields import Written

UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "GiB": 2**30, "TiB": 2**40}
ALLOWED = "a whole number and MB, GB, TB, GiB or TiB, such as 400 GB or 10 TB"


@dataclass(frozen=True, order=True)
class Bytes:
    """So many bytes, and how they were written."""

    count: int
    written: str

    def __str__(self) -> str:
        return self.written


def _read(text: str) -> Bytes:
    found = re.fullmatch(r"([1-9][0-9]{0,8}) ?(MB|GB|TB|GiB|TiB)", text)
    if found is None:
        raise ValueError(f"allowed: {ALLOWED}")
    return Bytes(int(found[1]) * UNITS[found[2]], text)


Size: TypeAlias = Annotated[Bytes, Written(_read, ALLOWED, r"^[1-9][0-9]{0,8} ?(MB|GB|TB|GiB|TiB)$")]
