"""What a single-table design, and a migration into one, must agree on across their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sluice.estate.document import Document, Steps
from sluice.estate.mistakes import Mistake, choice
from sluice.estate.rule_checks import Design, check_apart, check_rules, check_template, check_when
from sluice.estate.showing import shown
from sluice.estate.templates import BadTemplate, placeholders, renamed

DYNAMODB, POSTGRES = "dynamodb", "postgres"
OTHER = {DYNAMODB: POSTGRES, POSTGRES: DYNAMODB}


def check_model(document: Document, engines: Mapping[str, str | None] | None) -> Iterator[Mistake]:
    """Find what is wrong with a design's file beyond single fields."""
    stem, name = PurePosixPath(document.file).stem, document.get("model")
    if isinstance(name, str) and name != stem:
        yield document.mistake(("model",), shown(name), f"{stem}, as the file is named")
    if engines is not None:
        yield from check_store(document, ("store",), DYNAMODB, engines)
    yield from _check_tables(document, ("tables",))
    entities = document.get("entities")
    for entity in entities if isinstance(entities, dict) else ():
        yield from check_rules(Design(document), ("entities", entity, "records"))
    yield from check_apart(Design(document))


def check_store(document: Document, steps: Steps, engine: str, engines: Mapping[str, str | None]) -> Iterator[Mistake]:
    """Refuse a store that is not there, or runs on another engine than this needs."""
    name = document.get(*steps)
    if not isinstance(name, str):
        return
    fitting = [store for store, runs_on in engines.items() if runs_on == engine]
    if name not in engines:
        allows = choice(name, fitting or engines) if engines else f"a store of engine {engine}, where there is none"
        yield document.mistake(steps, shown(name), allows)
    elif engines[name] == OTHER[engine]:  # an engine that nobody knows is estate.yaml's mistake
        allows = choice(name, fitting) if fitting else f"a store of engine {engine}, where there is none"
        yield document.mistake(steps, f"{shown(name)}, which runs on {engines[name]}", allows)


def check_single_table(document: Document, root: Path) -> Iterator[Mistake]:
    """Find what single fields of a `single_table` migration cannot see. Its design is `resolve`'s to check."""
    into = document.get("into")
    spread: list[str] | None = None
    if isinstance(into, dict):
        yield from _check_into(document, into)
        if into.get("model") is None:
            spread = Design(document, ("into",)).spread
            yield from _check_tables(document, ("into", "tables"))
            yield from check_rules(Design(document, ("into",)), ("into", "records"))
            yield from check_uses(document, into.get("records"), "its records")
    yield from _check_attributes(document, spread)
    yield from _check_transform(document, root)
    yield from check_when(document, ("skip", "when"))
    skip = document.get("skip")
    if isinstance(skip, dict) and not any(skip.get(key) for key in ("expired", "when")) and "when" not in skip:
        yield document.mistake(("skip",), "neither of them", "expired or when")


def check_uses(document: Document, rules: Any, whose: str) -> Iterator[Mistake]:
    """Refuse a mapping that renames or drops what a template of the records asks for: no item could be mapped."""
    attributes = document.get("attributes")
    if not isinstance(attributes, dict):
        return
    gone = _gone(attributes)
    needed = {name: record for record, name in _needs(rules)}
    for name, where in gone.items():
        if name in needed and name not in attributes:
            told = f"{shown(name)} renamed, which {needed[name]} of {whose} has in a template"
            yield document.mistake(("attributes", where), told, "the new name in that template, or no renaming")
        elif name in needed and name == where:
            told = f"{shown(name)} dropped, which {needed[name]} of {whose} has in a template"
            yield document.mistake(
                ("attributes", where, "drop"), told, "another attribute in that template, or no dropping"
            )


def _check_tables(document: Document, steps: Steps) -> Iterator[Mistake]:
    tables = document.get(*steps)
    names: dict[object, str] = {}
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if not isinstance(table, dict):
            continue
        if isinstance(table.get("name"), str) and names.setdefault(table["name"], name) != name:
            yield document.mistake((*steps, name, "name"), shown(table["name"]), "a name that no other table has")
        units = table.get("units")
        if units is not None and table.get("capacity") != "provisioned":
            yield document.mistake(
                (*steps, name, "units"), "units", "nothing beside on_demand; or capacity: provisioned"
            )
        if isinstance(units, dict):
            least, most = units.get("least", 5), units.get("most", 4000)
            if isinstance(least, int) and isinstance(most, int) and least > most:
                yield document.mistake((*steps, name, "units", "least"), shown(least), f"at most {most}, as `most` is")


def _check_into(document: Document, into: Mapping[str, Any]) -> Iterator[Mistake]:
    here = [key for key in ("store", "spread", "tables", "records") if into.get(key)]
    if into.get("model") is not None:
        if into.get("entity") is None:
            yield document.mistake(("into", "entity"), "nothing", "the name of one of the design's entities")
        for key in here:
            yield document.mistake(("into", key), f"{key} beside model", "nothing: the design's file says it")
        return
    if into.get("entity") is not None:
        yield document.mistake(("into", "entity"), "entity without model", "entity beside model")
    for key in ("tables", "records"):
        if not into.get(key):
            yield document.mistake(("into", key), "nothing", "model and entity, or tables and records")


def _check_attributes(document: Document, spread: list[str] | None) -> Iterator[Mistake]:
    attributes = document.get("attributes")
    for name, change in attributes.items() if isinstance(attributes, dict) else ():
        if not isinstance(change, dict):
            continue
        steps: Steps = ("attributes", name)
        if name.startswith("_"):
            yield document.mistake(steps, shown(name), "a name that does not begin with _")
        says = [key for key in ("from", "otherwise") if change.get(key) is not None]
        if change.get("drop") is True and says:
            yield document.mistake(steps, f"drop beside {says[0]}", "drop (and back), or from and otherwise")
        if change.get("drop") is not True and not says:
            yield document.mistake(steps, "nothing to do", "from, otherwise, or drop: true")
        if change.get("back") is not None and _is_rename(change):
            yield document.mistake((*steps, "back"), "a way back beside a rename", "none: a rename has its own")
        for key in ("from", "otherwise", "back"):
            yield from check_template(document, (*steps, key), spread)


def _check_transform(document: Document, root: Path) -> Iterator[Mistake]:
    for key in ("transform", "transform_back"):
        where = document.get(key)
        file = where.partition(":")[0] if isinstance(where, str) else ""
        if file and (".." in file or file.startswith("/") or not (root / file).is_file()):
            yield document.mistake((key,), shown(where), "a file of this project, by its path from the root")
    if document.get("transform") is not None and document.get("attributes"):
        yield document.mistake(("transform",), "transform beside attributes", "one of the two")
    if document.get("transform_back") is not None and document.get("transform") is None:
        yield document.mistake(("transform_back",), "transform_back alone", "transform beside it")


def _is_rename(change: Mapping[str, Any]) -> bool:
    """A plain `{old}`, or only `otherwise`: the attribute keeps its value."""
    if change.get("drop") is True:
        return False
    if change.get("from") is None:
        return change.get("otherwise") is not None
    return _renamed(change["from"]) is not None


def _gone(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Give each legacy attribute that an entity has no more, and under which name the file says so."""
    gone: dict[str, str] = {}
    for name, change in attributes.items():
        if not isinstance(change, dict):
            continue
        old = _renamed(change.get("from"))
        if old is not None and old != name:
            gone[old] = name
        elif old is None and change.get("drop") is True:
            gone[name] = name
    return gone


def _needs(rules: Any) -> Iterator[tuple[str, str]]:
    """Give each attribute that a record's key or `set` asks for, with the record's name."""
    for rule in rules if isinstance(rules, tuple) else ():
        if not isinstance(rule, dict):
            continue
        each = rule.get("for_each")
        variables = set(map(str, each.values())) if isinstance(each, dict) else set()
        for part in ("key", "set"):
            texts = rule.get(part)
            for text in texts.values() if isinstance(texts, dict) else ():
                for one in _placeholders(text):
                    if one.path[0] not in variables and not one.has_default:
                        yield str(rule.get("record")), one.path[0]


def _placeholders(text: object) -> tuple[Any, ...]:
    try:
        return placeholders(text) if isinstance(text, str) else ()
    except BadTemplate:
        return ()


def _renamed(text: object) -> str | None:
    try:
        return renamed(text) if isinstance(text, str) else None
    except BadTemplate:
        return None
