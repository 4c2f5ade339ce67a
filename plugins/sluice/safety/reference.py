"""`python -m sluice.safety.reference` writes docs/reference/backup-manifest.md: what the manifest of each sort of backup says.

It is read out of the dataclasses that a manifest is written from, and of the words below their fields.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from sluice.errors import Terminal
from sluice.safety import backup
from sluice.safety.documents import base
from sluice.safety.logical import dump

ROOT = Path(__file__).resolve().parents[3]
PAGE = Path("docs/reference/backup-manifest.md")
KINDS = {
    "A server (`by: physical`)": (backup, backup.Backup),
    "A dump of a database (`by: logical`, `by: neon`)": (dump, dump.Dump),
    "Tables of DynamoDB (`by: documents`)": (base, base.Base),
}
HEAD = """<!-- Made of plugins/sluice/safety by `python -m sluice.safety.reference`. -->

# Manifests of backups

JSON, stored last: a folder without `manifest.json` is no backup. Each also has `format` and `version`, as its section says, and
`seal`: the SHA-256 of all the rest, as `json.dumps(rest, sort_keys=True)` writes it. Of pgBackRest, of RDS and of DynamoDB's own
backups the manifest is theirs. By hand: [a dump](../howto/back-up-any-postgresql.md#bring-it-back-by-hand).
"""
NAMES = {str: "text", int: "number", float: "number", bool: "true or false"}


class Unsaid(Terminal):
    """A field of which nobody says what it means."""


def manifests_page() -> str:
    """Give the whole page as Markdown. Raises Unsaid."""
    return "\n".join((HEAD, *(_kind(title, *found) for title, found in KINDS.items())))


def _kind(title: str, module: Any, model: type) -> str:
    written = f"`format` is `{module.FORMAT}`, `version` {module.VERSION}."
    layout = inspect.cleandoc(module.__doc__).partition("\n\n")[2].partition("\n\n")[0]
    return "\n".join(
        (f"## {title}\n", f"{written}\n", f"```\n{inspect.cleandoc(layout)}\n```\n", *_tables("", model, []))
    )


def _tables(prefix: str, model: type, seen: list[type]) -> Iterator[str]:
    """Give a table of a dataclass, then those of the dataclasses in it, each once."""
    seen.append(model)
    if prefix:
        yield f"### `{prefix}`\n\n{inspect.getdoc(model)}\n"
    types, words = get_type_hints(model), words_of(model)
    rows = (f"| `{one.name}` | {_type(types[one.name])} | {words[one.name]} |" for one in fields(model))
    yield "\n".join(("| field | is | |", "|---|---|---|", *rows)) + "\n"
    for one in fields(model):
        inner = _inner(types[one.name])
        if inner and inner not in seen:
            several = "[]" if _is_many(types[one.name]) else ""
            yield from _tables(f"{prefix and prefix + '.'}{one.name}{several}", inner, seen)


def words_of(model: type) -> dict[str, str]:
    """Give the text below each field of a dataclass. Raises Unsaid where one has none."""
    (made,) = ast.parse(inspect.cleandoc(inspect.getsource(model))).body
    assert isinstance(made, ast.ClassDef)
    said = {
        field.target.id: str(text.value.value)
        for field, text in zip(made.body, made.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }
    if unsaid := [one.name for one in fields(model) if one.name not in said]:
        raise Unsaid(
            f"{model.__module__}.{model.__name__}: nobody says what {', '.join(unsaid)} means. Write it below the field."
        )
    return said


def _type(hint: Any) -> str:
    parts = [part for part in get_args(hint) if part not in (type(None), ...)]
    if type(None) in get_args(hint):
        return f"{_type(parts[0])}, or null"
    if _is_many(hint):
        return f"list of {_type(parts[0])}"
    return NAMES.get(hint) or ("object" if is_dataclass(hint) else "names and values")


def _is_many(hint: Any) -> bool:
    return ... in get_args(hint)


def _inner(hint: Any) -> type | None:
    return next((part for part in (hint, *get_args(hint)) if isinstance(part, type) and is_dataclass(part)), None)


def write_page(root: Path = ROOT) -> None:
    """Write it under `root`."""
    (root / PAGE).write_text(manifests_page(), encoding="utf-8")


if __name__ == "__main__":
    write_page()
