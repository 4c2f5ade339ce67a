"""Was anything lost? The writers' own list against the live table, and old against new by a sum that is not the product's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.zoo.catalogue import Connection, Thing
from tests.zoo.images import Image, Key, as_text, literal
from tests.zoo.rows import quoted

AT_ONCE = 100
SAMPLES = 5


@dataclass(frozen=True)
class Verdict:
    """What became of the acknowledged writes. Counts are keys."""

    checked: int
    lost: int
    wrong: int
    resurrected: int
    twice: int
    samples: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not (self.lost or self.wrong or self.resurrected or self.twice)


def judge(c: Connection, thing: Thing, columns: Sequence[str], book: dict[Key, Image | None]) -> Verdict:
    """Compare each acknowledged key with the table. The writers rest meanwhile."""
    counts, samples, keys = Counter[str](), list[str](), list(book)
    for start in range(0, len(keys), AT_ONCE):
        part = keys[start : start + AT_ONCE]
        found = _find(c, thing, columns, part)
        for key in part:
            what = _verdict(book[key], found.get(key, []))
            if what:
                counts[what] += 1
                samples.append(f"{what} {key}: {_shown(columns, book[key], found.get(key, []))}")
    return Verdict(
        len(keys), counts["lost"], counts["wrong"], counts["resurrected"], counts["twice"], tuple(samples[:SAMPLES])
    )


def _verdict(expected: Image | None, found: list[Image]) -> str:
    if len(found) > 1:
        return "twice"
    if expected is None:
        return "resurrected" if found else ""
    if not found:
        return "lost"
    return "" if found[0] == expected else "wrong"


def _shown(columns: Sequence[str], expected: Image | None, found: list[Image]) -> str:
    if expected is None or not found:
        return ""
    pairs = zip(columns, expected, found[0], strict=True)
    return "; ".join(f"{n}: {str(a)[:80]} became {str(b)[:80]}" for n, a, b in pairs if a != b)[:400]


def _find(c: Connection, thing: Thing, columns: Sequence[str], keys: list[Key]) -> dict[Key, list[Image]]:
    names = ", ".join(quoted(name) for name in thing.key)
    types = [thing.column(name).type for name in thing.key]
    listed = ", ".join(
        "(" + ", ".join(literal(text, type_) for text, type_ in zip(key, types, strict=True)) + ")" for key in keys
    )
    query = f"SELECT {as_text(thing.key)} AS key, {as_text(columns)} AS image FROM {thing.name} WHERE ({names}) IN ({listed})"
    found: dict[Key, list[Image]] = {}
    for row in c.execute(query).fetchall():  # type: ignore[arg-type]
        found.setdefault(tuple(row["key"]), []).append(tuple(row["image"]))
    return found


def sums(c: Connection, tables: Sequence[str], columns: Sequence[str]) -> list[tuple[int, str]]:
    """Count each table's rows and add up a hash of their texts, all in one snapshot."""
    each = [
        f"SELECT count(*) AS n, coalesce(sum(hashtextextended(({as_text(columns)})::text, 0)), 0)::text AS s FROM {table}"
        for table in tables
    ]
    return [(row["n"], row["s"]) for row in c.execute(" UNION ALL ".join(each)).fetchall()]  # type: ignore[arg-type]
