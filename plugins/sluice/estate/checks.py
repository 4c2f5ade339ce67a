"""What a model alone cannot see: names that must exist, and fields that must agree across a file or several.

These look at the raw values, so that they speak up even where another field of the same file is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from sluice.estate.document import Document, Steps
from sluice.estate.fields import Part
from sluice.estate.mistakes import Mistake, choice
from sluice.estate.models import default_partition_schema
from sluice.estate.names import LONGEST_IDENTIFIER, parse_table
from sluice.estate.shape_checks import check_shape
from sluice.estate.showing import shown, shown_field
from sluice.estate.words import allowed, at, resolved, schema_of

MOST_MISTAKES = 200  # told of one file at once; more is no file of ours
NEVER_SHOWN = {"connection"}  # people paste addresses here, and an address may hold a password
TABLES: tuple[Steps, Steps] = (("from", "table"), ("into", "table"))
Model = TypeVar("Model", bound=Part)
Table = tuple[str, str]


def validated(document: Document, model: type[Model]) -> tuple[Model | None, list[Mistake]]:
    """Make a model of a document, or say everything that its fields have wrong."""
    if document.root is None:
        return None, list(document.mistakes) or [document.mistake((), "nothing", _whole(model))]
    try:
        return model.model_validate(document.values, by_alias=True, by_name=False), list(document.mistakes)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
    mistakes = [_field_mistake(document, model, dict(item)) for item in wrong[:MOST_MISTAKES]]
    if len(wrong) > MOST_MISTAKES:
        mistakes.append(document.mistake((), f"{len(wrong) - MOST_MISTAKES} more mistakes", "none; mend these first"))
    return None, [*document.mistakes, *mistakes]


def check_migration(
    document: Document, root: Path, stores: Sequence[str] | None, others: Sequence[Document]
) -> Iterator[Mistake]:
    """Find what is wrong beyond single fields. `stores` is None where estate.yaml cannot be read."""
    yield from _check_name(document, others)
    if stores is not None:
        yield from _check_store(document, stores)
    yield from _check_tables(document)
    yield from _check_claims(document, others)
    yield from _check_suites(document, root)
    yield from _check_window(document)
    yield from check_shape(document)


def owns_its_name(document: Document) -> bool:
    """Say whether a migration's file is named after it. A copy that nobody has edited yet is not."""
    return bool(document.get("migration") == PurePosixPath(document.file).stem)


def _field_mistake(document: Document, model: type[Part], wrong: dict[str, object]) -> Mistake:
    schema = schema_of(model)
    steps: Steps = tuple(step for step in wrong["loc"] if step != "[key]")  # type: ignore[attr-defined]
    if wrong["type"] == "extra_forbidden":
        options = resolved(at(schema, steps[:-1]), schema)["properties"]
        return document.mistake(steps, "an unknown key", choice(str(steps[-1]), options))
    found = "nothing" if wrong["type"] == "missing" else _shown_unless_secret(steps, wrong["input"])
    node = schema["properties"]["estate"] if "[key]" in wrong["loc"] else at(schema, steps)  # type: ignore[operator]
    return document.mistake(steps, found, allowed(node, schema))


def _shown_unless_secret(steps: Steps, value: object) -> str:
    hidden = steps and steps[-1] in NEVER_SHOWN and isinstance(value, str) and value
    return "something else (not shown, as it may hold a password)" if hidden else shown(value)


def _whole(model: type[Part]) -> str:
    return allowed(schema_of(model), schema_of(model))


def _check_name(document: Document, others: Sequence[Document]) -> Iterator[Mistake]:
    path, name = PurePosixPath(document.file), document.get("migration")
    if path.suffix != ".yaml":
        yield document.mistake((), f"the file name {shown(path.name)}", f"{path.stem}.yaml")
    if not isinstance(name, str) or name == path.stem:
        return
    yield document.mistake(("migration",), shown(name), f"{path.stem}, as the file is named")
    for other in others:
        if other.get("migration") == name:
            where = f"{other.file}:{other.line(('migration',))}"
            yield document.mistake(("migration",), shown(name), f"a name of its own; {where} has this one")


def _check_store(document: Document, stores: Sequence[str]) -> Iterator[Mistake]:
    name = document.get("from", "store")
    if isinstance(name, str) and name not in stores:
        yield document.mistake(("from", "store"), shown(name), choice(name, stores))


def _check_tables(document: Document) -> Iterator[Mistake]:
    source, target = (_table(document, steps) for steps in TABLES)
    if source and source == target:
        yield document.mistake(TABLES[1], shown(document.get(*TABLES[1])), "another table than from.table")
    if source and document.get("into", "partition_schema") is None:
        schema = default_partition_schema(document.get("from", "table"))
        if len(schema.encode()) > LONGEST_IDENTIFIER:
            allows = f"a name, as the default {shown(schema)} is longer than {LONGEST_IDENTIFIER} bytes"
            yield document.mistake(("into", "partition_schema"), "nothing", allows)


def _check_claims(document: Document, others: Sequence[Document]) -> Iterator[Mistake]:
    # A table belongs to one migration. A file under a wrong name claims nothing: a fresh copy must not stop
    # the migration that it was copied from.
    owners = [other for other in others if owns_its_name(other)]
    taken = {claim: (other, steps) for other in owners for claim, steps in _claims(other)}
    for claim, steps in _claims(document):
        if claim in taken:
            other, theirs = taken[claim]
            where = f"{other.file}:{other.line(theirs)}"
            allows = f"a table of no other migration; {where} has it as {shown_field(theirs)}"
            yield document.mistake(steps, shown(document.get(*steps)), allows)


def _claims(document: Document) -> Iterator[tuple[tuple[object, Table], Steps]]:
    for steps in TABLES:
        if table := _table(document, steps):
            yield (str(document.get("from", "store")), table), steps


def _check_suites(document: Document, root: Path) -> Iterator[Mistake]:
    for gate in ("verified", "cut_over"):
        for steps, suite in document.texts("gates", gate):
            there = _suites(root)
            if suite not in there:
                allows = choice(suite, there) if there else "no suite, as expectations/ holds none"
                yield document.mistake(steps, shown(suite), allows)


def _check_window(document: Document) -> Iterator[Mistake]:
    opens, closes = (document.get("cutover", "window", key) for key in ("from", "to"))
    if opens == closes and isinstance(opens, str) and opens != "00:00":
        allows = "another time than from (for the whole day: 00:00 to 00:00)"
        yield document.mistake(("cutover", "window", "to"), shown(closes), allows)


def _suites(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "expectations").glob("*.json"))


def _table(document: Document, steps: Steps) -> Table | None:
    text = document.get(*steps)
    return _or_none(parse_table, text) if isinstance(text, str) else None


def _or_none(read: Callable[[str], Table], text: str) -> Table | None:
    try:
        return read(text)
    except ValueError:
        return None
