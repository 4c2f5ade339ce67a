"""How much memory a class of RDS instances has: no call that a reader of CloudWatch may make tells it.

By the rule that its families follow (as of November 2026): so many GiB for a `large`, twice that for an `xlarge`, and N xlarge
are N of them. A class that is not by this rule has no known memory, and its use in percent is absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

GIB = 2**30
LARGE: Mapping[str, float] = {
    **dict.fromkeys(("t3", "t4g", "m4", "m5", "m5d", "m6g", "m6gd", "m6i", "m6id", "m7g", "m7i", "m8g", "m8gd"), 8),
    **dict.fromkeys(("r5", "r5b", "r5d", "r6g", "r6gd", "r6i", "r6id", "r7g", "r7i", "r8g", "r8gd"), 16),
    "c6gd": 4,
    "x2g": 32,
}
"""GiB of a `large`, by family."""
LESS: Mapping[str, float] = {"micro": 1, "small": 2, "medium": 4}
"""GiB of the small ones of the family t."""


def memory_of(instance_class: str) -> float | None:
    """Give the bytes of memory of such as `db.r6g.2xlarge`; None where the rule says nothing of it. Pure."""
    found = re.fullmatch(r"db\.([a-z]+\d[a-z]*)\.(micro|small|medium|large|(\d*)xlarge)", instance_class)
    if found is None or (of_large := LARGE.get(found[1])) is None:
        return None
    size = found[2]
    if size in LESS:
        return LESS[size] * GIB if found[1].startswith("t") else None
    return of_large * (1 if size == "large" else 2 * int(found[3] or 1)) * GIB
