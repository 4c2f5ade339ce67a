"""Names: of tables as a person writes them, of columns as the catalogue has them, and of our own things."""

from __future__ import annotations

import hashlib
import re

from sluice.estate.showing import shown

LONGEST_IDENTIFIER = 63  # bytes of UTF-8: PostgreSQL cuts what is longer, silently
_LETTER = r"(?:[A-Za-z_]|[^\x00-\x7f\s])"
_PLAIN = rf"{_LETTER}(?:{_LETTER}|[0-9$])*"
_QUOTED = r'"(?:[^"\x00]|"")+"'
_TABLE = re.compile(rf"({_PLAIN}|{_QUOTED})\.({_PLAIN}|{_QUOTED})")


def parse_table(text: str) -> tuple[str, str]:
    """Read `schema.name` into its two parts, by PostgreSQL's own rules.

    A part in double quotes is taken as it is (`""` is one quote); one without is folded to lower case (A to Z).
    Reserved words need no quotes here, as names are always quoted in statements. Raises ValueError.
    """
    found = _TABLE.fullmatch(text)
    if found is None:
        raise ValueError(f'found {shown(text)}, allowed: schema.name, each part plain or in "…"')
    return identifier(_unquoted(found[1])), identifier(_unquoted(found[2]))


def identifier(text: str) -> str:
    """Give a name back as the catalogue has it. Raises ValueError for what PostgreSQL would refuse or cut."""
    if not text or "\0" in text:
        raise ValueError(f"found {shown(text)}, allowed: a name without NUL")
    if len(text.encode()) > LONGEST_IDENTIFIER:
        raise ValueError(f"found {shown(text)}, allowed: at most {LONGEST_IDENTIFIER} bytes")
    return text


def _unquoted(part: str) -> str:
    if part.startswith('"'):
        return part[1:-1].replace('""', '"')
    return re.sub("[A-Z]+", lambda capitals: capitals[0].lower(), part)


def fitted(stem: str, suffix: str) -> str:
    """A name of `stem` and `suffix` that fits PostgreSQL's 63 bytes: a stem too long is cut, with a mark of its own."""
    if len((stem + suffix).encode()) <= LONGEST_IDENTIFIER:
        return stem + suffix
    mark = f"_{hashlib.blake2s(stem.encode(), digest_size=3).hexdigest()}"
    room = LONGEST_IDENTIFIER - len((mark + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore") + mark + suffix
